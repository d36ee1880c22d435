//! A platform, over TCP.

use std::net::{SocketAddr, TcpListener, TcpStream};

use selkie_core::Error;
use selkie_core::platform::{Close, Transport};
use selkie_std::{AnySelector, Backend, Platform, Socket};

use crate::fixture::Near;
use crate::world::{self, Borrowed, Owned};

/// The platform, and a listener of the far side.
pub(crate) struct Tcp {
    platform: Platform<AnySelector<'static>>,
    far: TcpListener,
}

impl Near for Tcp {
    type Platform = Platform<AnySelector<'static>>;

    const IS_TCP: bool = true;

    fn new(backend: Backend, capacity: usize) -> Result<Self, Error> {
        let far = TcpListener::bind("127.0.0.1:0").map_err(|error| world::from_io(&error))?;
        far.set_nonblocking(true).map_err(|error| world::from_io(&error))?;
        // Beside what is registered, a case holds a few sources that are not.
        let platform = Platform::new(AnySelector::new(backend, capacity)?, capacity + 16)?;
        Ok(Self { platform, far })
    }

    fn platform(&mut self) -> &mut Platform<AnySelector<'static>> {
        &mut self.platform
    }

    fn pair(&mut self) -> Result<(Socket, Owned), Error> {
        // A connection to a listener on this host is made when `connect` returns, and waits to be
        // accepted.
        let near =
            TcpStream::connect(self.destination()?).map_err(|error| world::from_io(&error))?;
        near.set_nodelay(true).map_err(|error| world::from_io(&error))?;
        let far = loop {
            match self.far.accept() {
                Ok((far, _)) => break far,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => world::settle(),
                Err(error) => return Err(world::from_io(&error)),
            }
        };
        far.set_nodelay(true).map_err(|error| world::from_io(&error))?;
        Ok((self.adopt(near.into())?, far.into()))
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
        let address = self.platform.local_address(listener)?;
        TcpStream::connect(address).map(Owned::from).map_err(|error| world::from_io(&error))
    }

    fn destination(&self) -> Result<SocketAddr, Error> {
        self.far.local_addr().map_err(|error| world::from_io(&error))
    }

    fn peer_accept(&self) -> Result<Owned, Error> {
        self.far.accept().map(|(stream, _)| stream.into()).map_err(|error| world::from_io(&error))
    }
}
