//! The platform of the front door on WASI 0.2, and with the feature `waitable-set` on WASI 0.3.

#[path = "wasi.rs"]
mod wasi;

use std::net::SocketAddr;

use selkie_core::platform::ListenOptions;
use selkie_core::{Error, ErrorKind};
use selkie_wasi::Socket;
pub use wasi::{Backend, UnknownBackend};
pub(in crate::front_door) use wasi::{PERMISSION_ADVICE, Waker};

use crate::front_door::error::{ServeError, Step};

#[cfg(not(feature = "waitable-set"))]
pub(in crate::front_door) type Platform = selkie_wasi::IoPoll<'static>;
#[cfg(feature = "waitable-set")]
pub(in crate::front_door) type Platform = selkie_wasi::WaitableSet;

/// One: the memory of a guest is written to when it grows.
pub(in crate::front_door) const BUFFERS_EACH: usize = 1;

/// Opens a platform for a loop of `slots` slots. Its memory is never given back.
#[cfg_attr(
    feature = "waitable-set",
    expect(clippy::unnecessary_wraps, reason = "that of WASI 0.2 can fail")
)]
pub(in crate::front_door) fn platform(
    _backend: Backend,
    _connections: usize,
    slots: usize,
) -> Result<Platform, ServeError> {
    #[cfg(not(feature = "waitable-set"))]
    return Platform::new(selkie_wasi::IoPollStorage::leaked(slots))
        .map_err(|error| ServeError::new(Step::Platform, error));
    #[cfg(feature = "waitable-set")]
    Ok(Platform::new(selkie_wasi::WaitableSetStorage::leaked(slots)))
}

/// Returns the bytes of the tables of such a platform.
pub(in crate::front_door) const fn memory(_: Backend, _connections: usize, slots: usize) -> usize {
    #[cfg(not(feature = "waitable-set"))]
    return selkie_wasi::IoPollStorage::memory(slots);
    #[cfg(feature = "waitable-set")]
    selkie_wasi::WaitableSetStorage::memory(slots)
}

pub(in crate::front_door) fn listen(
    platform: &mut Platform,
    address: SocketAddr,
    options: &ListenOptions,
) -> Result<Socket, ServeError> {
    // Hosts bind without either. Ignoring it would serve other clients than those asked for.
    if options.reuses_port() || (address.is_ipv6() && !options.is_v6_only()) {
        return Err(ServeError::new(Step::Listen(address), ErrorKind::Unsupported.into()));
    }
    let backlog = options.backlog_max();
    platform.listen(address, backlog).map_err(|error| ServeError::new(Step::Listen(address), error))
}

pub(in crate::front_door) fn local_address(
    platform: &mut Platform,
    listener: Socket,
) -> Result<SocketAddr, Error> {
    platform.local_address(listener)
}
