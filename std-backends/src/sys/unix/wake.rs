//! The channel of a waker: an eventfd, or a pipe.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *full-eventfd*: an eventfd is a counter, and a full one takes no more. Where it is watched by
//!   edges, a write that fails is no wake. So a full one is drained and written again.
//! * *full-pipe*: a full pipe takes no more either. It is watched as a level, so it is a wake
//!   already.
//! * *sigpipe*: writing into a pipe without a reader raises SIGPIPE. So each waker keeps both ends
//!   open: it may outlive its selector, and then has no effect.
//! * *errno*: a signal handler must leave errno as it was.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use selkie_core::Error;

use super::source::RawSource;
use crate::sys::errno;
use crate::waker::Waker;

/// The channel: an eventfd, which is both ends, or a pipe (sigpipe).
#[derive(Debug)]
pub(crate) struct Channel {
    read: OwnedFd,
    write: Option<OwnedFd>,
}

impl Channel {
    /// Wakes the selector that watches the channel. May be called in a signal handler.
    pub(crate) fn wake(&self) {
        let before = errno::number();
        if !self.put() && self.write.is_none() {
            // full-eventfd: the next write is an edge again.
            self.drain();
            self.put();
        }
        // errno: the caller may be a signal handler.
        errno::restore(before);
    }

    /// Returns the descriptor that is readable while a wake is pending.
    pub(crate) fn source(&self) -> RawSource {
        self.read.as_raw_fd()
    }

    /// Makes an eventfd.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn new() -> Result<Self, Error> {
        // SAFETY: the call takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        Ok(Self { read: super::socket::owned(fd)?, write: None })
    }

    /// Makes a pipe.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn new() -> Result<Self, Error> {
        let (read, write) = super::file::pipe()?;
        Ok(Self { read, write: Some(write) })
    }

    /// Writes a wake. Returns false if there was no room. An eventfd takes eight bytes, and a pipe
    /// takes any number.
    fn put(&self) -> bool {
        let fd = self.write.as_ref().unwrap_or(&self.read).as_raw_fd();
        let wake = 1_u64.to_ne_bytes();
        // SAFETY: the buffer is valid for reads of its length.
        unsafe { libc::write(fd, wake.as_ptr().cast(), wake.len()) >= 0 }
    }

    /// Reads all wakes.
    pub(crate) fn drain(&self) {
        let mut wakes = [0_u8; 4096];
        loop {
            // SAFETY: the buffer is valid for writes of its length.
            let count = unsafe {
                libc::read(self.read.as_raw_fd(), wakes.as_mut_ptr().cast(), wakes.len())
            };
            if usize::try_from(count) != Ok(wakes.len()) {
                return;
            }
        }
    }
}

impl AsFd for Waker {
    /// Returns the descriptor that is readable while a wake is pending: a selector of the caller's
    /// can watch it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel().read.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket;

    #[test]
    fn a_full_waker_is_a_wake() {
        let channel = Channel::new().unwrap();
        let almost_full = (u64::MAX - 1).to_ne_bytes();
        let fd = channel.write.as_ref().unwrap_or(&channel.read).as_raw_fd();
        // SAFETY: the buffer is valid for reads of its length.
        while unsafe { libc::write(fd, almost_full.as_ptr().cast(), almost_full.len()) } >= 0 {}
        errno::restore(libc::ENOENT);
        channel.wake();
        assert_eq!(errno::number(), libc::ENOENT, "no trace in errno");
        assert!(socket::poll(channel.source(), libc::POLLIN) != 0);
        channel.drain();
        assert_eq!(socket::poll(channel.source(), libc::POLLIN), 0);
    }
}
