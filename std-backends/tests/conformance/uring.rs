//! The platform over `io_uring`, over TCP.

use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use selkie_core::Error;
use selkie_core::platform::{Close, Transport};
use selkie_std::selectors::Backend;
use selkie_std::uring::{Uring, UringSocket, UringStorage};

use crate::fixture::Near;
use crate::remote::{self, Remote};

/// The platform, and a listener of the far side.
pub(crate) struct Ring {
    platform: Uring,
    remote: Remote,
}

impl Near for Ring {
    type Platform = Uring;

    const IS_TCP: bool = true;

    fn new(_: Backend, capacity: usize) -> Result<Self, Error> {
        let remote = Remote::new()?;
        // Beside what is registered, a case holds a few sources that are not.
        let storage = UringStorage::leaked_for(capacity, capacity + 16)?;
        Ok(Self { platform: Uring::new(storage)?, remote })
    }

    fn platform(&mut self) -> &mut Uring {
        &mut self.platform
    }

    fn pair(&mut self) -> Result<(UringSocket, OwnedFd), Error> {
        let (near, far) = self.remote.pair()?;
        Ok((self.adopt(near)?, far))
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
        remote::dial(self.platform.local_address(listener)?)
    }

    fn destination(&self) -> Result<SocketAddr, Error> {
        self.remote.address()
    }

    fn peer_accept(&self) -> Result<OwnedFd, Error> {
        self.remote.accept()
    }

    fn settle(&mut self) {
        // A failure is returned by the next wait too.
        let _ = self.platform.submit();
    }
}
