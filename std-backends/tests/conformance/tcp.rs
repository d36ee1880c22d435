//! A platform, over TCP.

use std::net::SocketAddr;

use selkie_core::Error;
use selkie_core::platform::{Close, Transport};
use selkie_std::selectors::{AnySelector, Backend};
use selkie_std::{Platform, Socket};

use crate::fixture::Near;
use crate::remote::{self, Remote};
use crate::world::{Borrowed, Owned};

/// The platform, and a listener of the far side.
pub(crate) struct Tcp {
    platform: Platform<AnySelector<'static>>,
    remote: Remote,
}

impl Near for Tcp {
    type Platform = Platform<AnySelector<'static>>;

    const IS_TCP: bool = true;

    fn new(backend: Backend, capacity: usize) -> Result<Self, Error> {
        let remote = Remote::new()?;
        // Beside what is registered, a case holds a few sources that are not.
        let platform = Platform::new(AnySelector::new(backend, capacity)?, capacity + 16)?;
        Ok(Self { platform, remote })
    }

    fn platform(&mut self) -> &mut Platform<AnySelector<'static>> {
        &mut self.platform
    }

    fn pair(&mut self) -> Result<(Socket, Owned), Error> {
        let (near, far) = self.remote.pair()?;
        Ok((self.adopt(near)?, far))
    }

    fn adopt(&mut self, fd: Owned) -> Result<Socket, Error> {
        self.platform.adopt(fd).map_err(|(error, _)| error)
    }

    fn fd(&self, source: Socket) -> Result<Borrowed<'_>, Error> {
        self.platform.fd(source)
    }

    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        self.platform.read(source, buffer)
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        self.platform.write(source, bytes)
    }

    fn close(&mut self, source: Socket) -> Result<(), Error> {
        self.platform.close(source, Close::Graceful)
    }

    fn listener(&mut self) -> Result<Socket, Error> {
        self.platform.listen(([127, 0, 0, 1], 0).into(), 16)
    }

    fn dial(&mut self, listener: Socket) -> Result<Owned, Error> {
        remote::dial(self.platform.local_address(listener)?)
    }

    fn destination(&self) -> Result<SocketAddr, Error> {
        self.remote.address()
    }

    fn peer_accept(&self) -> Result<Owned, Error> {
        self.remote.accept()
    }
}
