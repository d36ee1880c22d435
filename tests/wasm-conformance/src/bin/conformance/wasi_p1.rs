//! The part that is particular to WASI 0.1: the host has opened a listener for each one that the
//! suite asks for.

use std::cell::Cell;
use std::net::SocketAddr;

use selkie::platform::{PollOneoff, PollOneoffStorage, Socket};
use selkie::{Error, ErrorKind};

use crate::fixture::Listener;

pub(crate) type Platform = PollOneoff<'static>;

/// The cases that do not hold, and why.
pub(crate) const DEVIATIONS: [(&str, &str); 0] = [];

/// The listeners that the host gives the program.
pub(crate) struct Given {
    /// The addresses at which the host listens for it, in the order of the descriptors.
    addresses: Vec<SocketAddr>,
    /// The number of those listeners that are taken.
    taken: Cell<usize>,
}

impl Given {
    pub(crate) fn new(arguments: impl Iterator<Item = String>) -> Self {
        let addresses =
            arguments.map(|address| address.parse().expect("an address and a port")).collect();
        Self { addresses, taken: Cell::new(0) }
    }

    /// Takes a listener, and returns its address.
    fn take(&self) -> Option<SocketAddr> {
        self.addresses.get(self.taken.replace(self.taken.get() + 1)).copied()
    }
}

/// Opens a platform on which `slots` sources can be registered, and `sources` be open.
#[expect(clippy::unnecessary_wraps, reason = "the platform of WASI 0.2 can fail here")]
pub(crate) fn open(slots: usize, sources: usize) -> Result<Platform, Error> {
    Ok(PollOneoff::new(PollOneoffStorage::leaked(sources).with_slots(slots)))
}

/// Returns the next listener that the host has opened.
pub(crate) fn listener(platform: &mut Platform, given: &Given) -> Result<Listener, Error> {
    let source = platform.preopened_listener()?;
    let address = given.take().ok_or(ErrorKind::InvalidInput)?;
    Ok(Listener { source, address })
}

/// Closes a descriptor under the platform.
pub(crate) fn break_source(platform: &mut Platform, source: Socket) -> Result<(), Error> {
    let fd = platform.fd(source)?;
    // SAFETY: no one but the platform owns the descriptor. That its number is no descriptor's then,
    // or another's when the suite opens one, is what the suite is about.
    unsafe { wasi::fd_close(fd) }.map_err(|_| ErrorKind::Other.into())
}
