//! The native platform of the front door.

use std::net::SocketAddr;

use selkie_core::platform::ListenOptions;
use selkie_core::{Context, Error, ErrorKind};
use selkie_std::Socket;
use selkie_std::selectors::AnySelector;
pub(in crate::front_door) use selkie_std::selectors::Backend;

use crate::front_door::error::{ServeError, Step};

/// A platform over whichever selector was chosen.
pub(in crate::front_door) type Platform = selkie_std::Platform<AnySelector<'static>>;

/// A source that was opened elsewhere.
#[cfg(unix)]
pub(in crate::front_door) type OwnedSource = std::os::fd::OwnedFd;
/// A source that was opened elsewhere.
#[cfg(windows)]
pub(in crate::front_door) type OwnedSource = std::os::windows::io::OwnedSocket;

/// Two, so that no connection waits for another's: untouched pages take no memory.
pub(in crate::front_door) const BUFFERS_EACH: usize = 2;
/// Descriptors beside those of the connections: the standard streams, selector, waker, listeners,
/// and some to spare.
const DESCRIPTORS_BESIDE: u64 = 48;

/// Advice about an address that may not be listened on.
pub(in crate::front_door) const PERMISSION_ADVICE: &str = if cfg!(windows) {
    "another program has that port to itself, or the system reserves it: choose another one"
} else {
    "ports below 1024 need privileges: choose a higher one"
};

/// Lets the process have the descriptors of `connections` connections.
pub(in crate::front_door) fn raise_descriptor_limit(connections: usize) -> Result<(), ServeError> {
    let descriptors = (connections as u64).saturating_add(DESCRIPTORS_BESIDE);
    selkie_std::raise_descriptor_limit(descriptors).map(drop).map_err(|limit| {
        let error = Error::with_code(ErrorKind::OutOfDescriptors, limit.code);
        ServeError::new(Step::Descriptors(connections, limit), error)
    })
}

/// Opens a platform for `connections` connections in a loop of `slots` slots.
pub(in crate::front_door) fn platform(
    backend: Backend,
    connections: usize,
    slots: usize,
) -> Result<Platform, ServeError> {
    raise_descriptor_limit(connections)?;
    let opened = AnySelector::new(backend, slots)
        .and_then(|selector| selkie_std::Platform::new(selector, slots));
    opened.map_err(|error| match error.kind() {
        // A table cannot have so many places, or there is no memory for it.
        ErrorKind::InvalidInput | ErrorKind::OutOfMemory => {
            ServeError::new(Step::Memory(connections), ErrorKind::OutOfMemory.into())
        }
        _ => ServeError::new(Step::Platform, error),
    })
}

/// Returns the bytes of the tables of such a platform.
pub(in crate::front_door) fn memory(backend: Backend, connections: usize, slots: usize) -> usize {
    let descriptors = (connections as u64).saturating_add(DESCRIPTORS_BESIDE);
    AnySelector::memory(backend, slots, descriptors).saturating_add(Platform::memory(slots))
}

pub(in crate::front_door) fn listen(
    platform: &mut Platform,
    address: SocketAddr,
    options: &ListenOptions,
) -> Result<Socket, ServeError> {
    platform
        .listen_with(address, options)
        .map_err(|error| ServeError::new(Step::Listen(address), error))
}

pub(in crate::front_door) fn local_address(
    platform: &mut Platform,
    listener: Socket,
) -> Result<SocketAddr, Error> {
    platform.local_address(listener)
}

/// Wakes the loop.
#[derive(Clone, Debug)]
pub(in crate::front_door) struct Waker(selkie_std::Waker);

impl Waker {
    pub(in crate::front_door) fn new(context: &mut Context<'_, Platform>) -> Result<Self, Error> {
        context.waker().map(|(_, waker)| Self(waker))
    }

    /// Takes a waker of another loop.
    #[cfg(unix)]
    pub(in crate::front_door) const fn of(waker: selkie_std::Waker) -> Self {
        Self(waker)
    }

    pub(in crate::front_door) fn wake(&self) {
        self.0.wake();
    }
}
