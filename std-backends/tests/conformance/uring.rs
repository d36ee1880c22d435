//! The platform over `io_uring`, over TCP.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{BorrowedFd, OwnedFd};

use selkie_core::Error;
use selkie_core::platform::{Close, Transport};
use selkie_std::{Backend, Uring, UringSocket, UringStorage};

use crate::fixture::Near;
use crate::world;

/// The platform, and a listener of the far side.
pub(crate) struct Ring {
    platform: Uring,
    far: TcpListener,
}

impl Near for Ring {
    type Platform = Uring;

    const IS_TCP: bool = true;

    fn new(_: Backend, capacity: usize) -> Result<Self, Error> {
        let far = TcpListener::bind("127.0.0.1:0").map_err(|error| world::from_io(&error))?;
        far.set_nonblocking(true).map_err(|error| world::from_io(&error))?;
        // Beside what is registered, a case holds a few sources that are not.
        let storage = UringStorage::leaked_for(capacity, capacity + 16)?;
        Ok(Self { platform: Uring::new(storage)?, far })
    }

    fn platform(&mut self) -> &mut Uring {
        &mut self.platform
    }

    fn pair(&mut self) -> Result<(UringSocket, OwnedFd), Error> {
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

    fn adopt(&mut self, fd: OwnedFd) -> Result<UringSocket, Error> {
        self.platform.adopt(fd).map_err(|(error, _)| error)
    }

    fn fd(&self, source: UringSocket) -> Result<BorrowedFd<'_>, Error> {
        self.platform.fd(source)
    }

    fn read(&mut self, source: UringSocket, buffer: &mut [u8]) -> Result<usize, Error> {
        self.platform.read(source, buffer)
    }

    fn write(&mut self, source: UringSocket, bytes: &[u8]) -> Result<usize, Error> {
        self.platform.write(source, bytes)
    }

    fn close(&mut self, source: UringSocket) -> Result<(), Error> {
        self.platform.close(source, Close::Graceful)
    }

    fn listener(&mut self) -> Result<UringSocket, Error> {
        self.platform.listen(([127, 0, 0, 1], 0).into(), 16)
    }

    fn dial(&mut self, listener: UringSocket) -> Result<OwnedFd, Error> {
        let address = self.platform.local_address(listener)?;
        TcpStream::connect(address).map(OwnedFd::from).map_err(|error| world::from_io(&error))
    }

    fn destination(&self) -> Result<SocketAddr, Error> {
        self.far.local_addr().map_err(|error| world::from_io(&error))
    }

    fn peer_accept(&self) -> Result<OwnedFd, Error> {
        self.far.accept().map(|(stream, _)| stream.into()).map_err(|error| world::from_io(&error))
    }

    fn settle(&mut self) {
        // A failure is returned by the next wait too.
        let _ = self.platform.submit();
    }
}
