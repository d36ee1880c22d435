//! The platform of a shard's loop: over a selector, or a ring.

use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

#[cfg(target_os = "linux")]
use selkie_core::ErrorKind;
use selkie_core::platform::{ListenOptions, Selector, Transport, Wait, Wake};
use selkie_core::{Error, Server, Service};
#[cfg(target_os = "linux")]
use selkie_std::uring::Uring;

use crate::front_door::builder::Builder;
use crate::front_door::error::ServeError;
use crate::front_door::open::Platform;
use crate::memory::HeapServer;

/// A platform that a shard may have.
pub(super) trait ShardPlatform:
    Selector<Source: Send> + Transport + Wait + Wake<Waker = selkie_std::Waker> + Send
{
    /// Opens it for the sizes of one shard.
    fn open(settings: &Builder) -> Result<Self, ServeError>
    where
        Self: Sized;

    /// Takes the memory of a server over it.
    fn server_memory<T>(settings: &Builder) -> Result<HeapServer<Self::Source, T>, ServeError>;

    fn listen(
        &mut self,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> Result<Self::Source, Error>;

    fn local_address(&self, listener: Self::Source) -> Result<SocketAddr, Error>;

    fn fd(&self, source: Self::Source) -> Result<BorrowedFd<'_>, Error>;

    /// Takes a descriptor over from another thread. A connection has its peer's address. Gives it
    /// back if there is no place.
    fn adopt(
        &mut self,
        fd: OwnedFd,
        address: Option<SocketAddr>,
    ) -> Result<Self::Source, (Error, OwnedFd)>;

    /// Returns a listener, open, after the connections that it has accepted ahead.
    fn release_listener(
        &mut self,
        listener: Self::Source,
        accepted: impl FnMut(OwnedFd),
    ) -> Result<OwnedFd, Error>;
}

/// The server of a shard.
pub(super) type ShardServer<P, S> =
    Server<P, S, HeapServer<<P as Selector>::Source, <S as Service>::Session>>;

/// Forwards to the methods of the same meaning that both platforms have.
macro_rules! own_methods {
    () => {
        fn listen(
            &mut self,
            address: SocketAddr,
            options: &ListenOptions,
        ) -> Result<Self::Source, Error> {
            self.listen_with(address, options)
        }

        fn local_address(&self, listener: Self::Source) -> Result<SocketAddr, Error> {
            self.local_address(listener)
        }

        fn fd(&self, source: Self::Source) -> Result<BorrowedFd<'_>, Error> {
            self.fd(source)
        }
    };
}

impl ShardPlatform for Platform {
    fn open(settings: &Builder) -> Result<Self, ServeError> {
        settings.platform()
    }

    fn server_memory<T>(settings: &Builder) -> Result<HeapServer<Self::Source, T>, ServeError> {
        settings.server_memory()
    }

    own_methods!();

    fn adopt(
        &mut self,
        fd: OwnedFd,
        address: Option<SocketAddr>,
    ) -> Result<Self::Source, (Error, OwnedFd)> {
        self.adopt_from(fd, address)
    }

    fn release_listener(
        &mut self,
        listener: Self::Source,
        _: impl FnMut(OwnedFd),
    ) -> Result<OwnedFd, Error> {
        self.release(listener)
    }
}

#[cfg(target_os = "linux")]
impl ShardPlatform for Uring {
    fn open(settings: &Builder) -> Result<Self, ServeError> {
        settings.ring()
    }

    fn server_memory<T>(settings: &Builder) -> Result<HeapServer<Self::Source, T>, ServeError> {
        settings.ring_server_memory()
    }

    own_methods!();

    /// Asks the system for the address, when the service does.
    fn adopt(
        &mut self,
        fd: OwnedFd,
        _: Option<SocketAddr>,
    ) -> Result<Self::Source, (Error, OwnedFd)> {
        let fd = match self.adopt(fd) {
            Err((error, fd)) if error.kind() == ErrorKind::Full => fd,
            adopted => return adopted,
        };
        // Closed ones have their places until the kernel has let go of them.
        match self.submit() {
            Ok(()) => self.adopt(fd),
            Err(error) => Err((error, fd)),
        }
    }

    fn release_listener(
        &mut self,
        listener: Self::Source,
        accepted: impl FnMut(OwnedFd),
    ) -> Result<OwnedFd, Error> {
        self.release_listener(listener, accepted)
    }
}
