//! The part that is particular to WASI 0.2: the program listens by itself.

use std::net::{Ipv4Addr, SocketAddr};

use selkie::Error;
use selkie::platform::{IoPoll, IoPollStorage};

use crate::fixture::Listener;

pub(crate) type Platform = IoPoll<'static>;

/// Any free port of this host.
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The cases that do not hold, and why.
pub(crate) const DEVIATIONS: [(&str, &str); 1] = [(
    "modes::level_repeats_after_a_partial_read",
    "the host reports a stream as readable until a read finds nothing, also after a partial read",
)];

/// The program asks for listeners where it needs them, so the host gives it none.
pub(crate) struct Given;

impl Given {
    pub(crate) fn new(_arguments: impl Iterator<Item = String>) -> Self {
        Self
    }
}

/// Opens a platform on which `slots` sources can be registered, and `sources` be open.
pub(crate) fn open(slots: usize, sources: usize) -> Result<Platform, Error> {
    IoPoll::new(IoPollStorage::leaked(sources).with_slots(slots))
}

/// Listens at a free port.
pub(crate) fn listener(platform: &mut Platform, _given: &Given) -> Result<Listener, Error> {
    let source = platform.listen(ANYWHERE, 64)?;
    Ok(Listener { source, address: platform.local_address(source)? })
}
