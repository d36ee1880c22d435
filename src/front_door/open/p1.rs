//! The WASI 0.1 platform of the front door: the listener that the host has opened.

#[path = "wasi.rs"]
mod wasi;

use std::net::SocketAddr;

use selkie_core::platform::ListenOptions;
use selkie_core::{Error, ErrorKind};
use selkie_wasi::{PollOneoff, PollOneoffStorage, Socket};
pub use wasi::{Backend, UnknownBackend};
pub(in crate::front_door) use wasi::{PERMISSION_ADVICE, Waker};

use crate::front_door::error::{ServeError, Step};

pub(in crate::front_door) type Platform = PollOneoff<'static>;

/// One: the memory of a guest is written to when it grows.
pub(in crate::front_door) const BUFFERS_EACH: usize = 1;

/// Opens a platform for a loop of `slots` slots. Its memory is never given back.
#[expect(clippy::unnecessary_wraps, reason = "other platforms can fail at this")]
pub(in crate::front_door) fn platform(
    _backend: Backend,
    _connections: usize,
    slots: usize,
) -> Result<Platform, ServeError> {
    Ok(PollOneoff::new(PollOneoffStorage::leaked(slots)))
}

/// Returns the bytes of the tables of such a platform.
pub(in crate::front_door) const fn memory(_: Backend, _connections: usize, slots: usize) -> usize {
    PollOneoffStorage::memory(slots)
}

/// Takes over the listener that the host has opened. A guest cannot choose its address.
pub(in crate::front_door) fn listen(
    platform: &mut Platform,
    _address: SocketAddr,
    _options: &ListenOptions,
) -> Result<Socket, ServeError> {
    platform.preopened_listener().map_err(|error| ServeError::new(Step::Preopened, error))
}

pub(in crate::front_door) fn local_address(
    _platform: &mut Platform,
    _listener: Socket,
) -> Result<SocketAddr, Error> {
    Err(ErrorKind::Unsupported.into())
}
