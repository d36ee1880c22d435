//! A selector by itself, over socket pairs.

use std::collections::HashSet;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use selkie_core::{Error, ErrorKind};
use selkie_std::{AnySelector, Backend};

use crate::fixture::Near;
use crate::world;

/// The selector, and the descriptors that it may watch. Some of those are closed while it does.
pub(crate) struct Bare {
    selector: AnySelector<'static>,
    open: HashSet<RawFd>,
}

impl Near for Bare {
    type Platform = AnySelector<'static>;

    const IS_TCP: bool = false;

    fn new(backend: Backend, capacity: usize) -> Result<Self, Error> {
        Ok(Self { selector: AnySelector::new(backend, capacity)?, open: HashSet::new() })
    }

    fn platform(&mut self) -> &mut AnySelector<'static> {
        &mut self.selector
    }

    fn pair(&mut self) -> Result<(BorrowedFd<'static>, OwnedFd), Error> {
        let (near, far) = UnixStream::pair().map_err(|error| world::from_io(&error))?;
        Ok((self.adopt(near.into())?, far.into()))
    }

    fn adopt(&mut self, fd: OwnedFd) -> Result<BorrowedFd<'static>, Error> {
        world::unblock(&fd)?;
        let fd = world::moved(&fd)?.into_raw_fd();
        self.open.insert(fd);
        // SAFETY: the descriptor is open. Some tests use it after it was closed on purpose; its
        // number is not given to another file meanwhile.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    fn fd(&self, source: BorrowedFd<'static>) -> Result<BorrowedFd<'_>, Error> {
        Ok(source)
    }

    fn read(&mut self, source: BorrowedFd<'static>, buffer: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: the buffer is valid for writes of its length.
        let count =
            unsafe { libc::read(source.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        usize::try_from(count).map_err(|_| world::from_io(&std::io::Error::last_os_error()))
    }

    fn write(&mut self, source: BorrowedFd<'static>, bytes: &[u8]) -> Result<usize, Error> {
        // SAFETY: the bytes are valid for reads of their length.
        let count = unsafe { libc::write(source.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
        usize::try_from(count).map_err(|_| world::from_io(&std::io::Error::last_os_error()))
    }

    fn close(&mut self, source: BorrowedFd<'static>) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        if !self.open.remove(&fd) {
            return Err(ErrorKind::InvalidSource.into());
        }
        // SAFETY: the descriptor was owned by this fixture.
        world::check(unsafe { libc::close(fd) }).map(drop)
    }

    fn break_source(&mut self, source: BorrowedFd<'static>) -> Result<(), Error> {
        self.close(source)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for fd in self.open.drain() {
            // SAFETY: the descriptor is owned by this fixture.
            unsafe { libc::close(fd) };
        }
    }
}
