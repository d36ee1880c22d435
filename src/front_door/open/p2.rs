//! The WASI 0.2 platform of the front door.

#[path = "wasi.rs"]
mod wasi;

use std::net::SocketAddr;

use selkie_core::Error;
use selkie_wasi::{IoPoll, IoPollStorage, Socket};
pub(in crate::front_door) use wasi::Waker;
pub use wasi::{Backend, UnknownBackend};

use crate::front_door::error::{ServeError, Step};

pub(in crate::front_door) type Platform = IoPoll<'static>;

/// One: the memory of a guest is written to when it grows.
pub(in crate::front_door) const BUFFERS_EACH: usize = 1;
/// Clients that wait to be accepted; the host cuts it down to its own limit.
const BACKLOG: u32 = 4096;

/// Opens a platform for a loop of `slots` slots. Its memory is never given back.
pub(in crate::front_door) fn platform(
    _backend: Backend,
    _connections: usize,
    slots: usize,
) -> Result<Platform, ServeError> {
    IoPoll::new(IoPollStorage::leaked(slots))
        .map_err(|error| ServeError::new(Step::Platform, error))
}

pub(in crate::front_door) fn listen(
    platform: &mut Platform,
    address: SocketAddr,
) -> Result<Socket, ServeError> {
    platform.listen(address, BACKLOG).map_err(|error| ServeError::new(Step::Listen(address), error))
}

pub(in crate::front_door) fn local_address(
    platform: &mut Platform,
    listener: Socket,
) -> Result<SocketAddr, Error> {
    platform.local_address(listener)
}
