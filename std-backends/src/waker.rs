//! Ending a wait from another thread, or from a signal handler.
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

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use selkie_core::{Error, Token};

use crate::sys::{errno, fd};

/// Wakes a selector: its wait ends, and reports the token that the waker was made with as readable.
///
/// Clones wake the same token. Wakes between two reports are reported once; none is lost.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Ends>);

/// The ends of the channel: an eventfd, which is both, or a pipe (sigpipe).
#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: Option<OwnedFd>,
}

impl Waker {
    /// Wakes the selector. Never blocks, never fails, and may be called in a signal handler.
    pub fn wake(&self) {
        let before = errno::number();
        if !self.0.put() && self.0.write.is_none() {
            // full-eventfd: the next write is an edge again.
            self.0.drain();
            self.0.put();
        }
        // errno: the caller may be a signal handler.
        errno::restore(before);
    }
}

impl AsFd for Waker {
    /// Returns the descriptor that is readable while a wake is pending: a selector of the caller's
    /// can watch it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.read.as_fd()
    }
}

impl Ends {
    /// Makes an eventfd.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn new() -> Result<Self, Error> {
        // SAFETY: the call takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        Ok(Self { read: fd::owned(fd)?, write: None })
    }

    /// Makes a pipe.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn new() -> Result<Self, Error> {
        let (read, write) = fd::pipe()?;
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
    fn drain(&self) {
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

/// The selector's side of a waker.
#[derive(Debug)]
pub(crate) struct WakeSource {
    ends: Arc<Ends>,
    token: Token,
}

impl WakeSource {
    /// Makes a source of wakes that are reported under `token`.
    pub(crate) fn new(token: Token) -> Result<Self, Error> {
        Ok(Self { ends: Arc::new(Ends::new()?), token })
    }

    /// Returns a handle that wakes it.
    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.ends))
    }

    /// Returns the descriptor that becomes readable.
    pub(crate) fn fd(&self) -> RawFd {
        self.ends.read.as_raw_fd()
    }

    /// Returns the token that wakes are reported under.
    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    /// Reads the wakes that are being reported.
    pub(crate) fn drain(&self) {
        self.ends.drain();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_readable(source: &WakeSource) -> bool {
        let mut entry = libc::pollfd { fd: source.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `entry` is an array of one.
        unsafe { libc::poll(&raw mut entry, 1, 0) == 1 }
    }

    #[test]
    fn wakes_coalesce_until_they_are_drained() {
        let source = WakeSource::new(Token::new(0, 1)).unwrap();
        let waker = source.waker();
        assert!(!is_readable(&source));
        waker.wake();
        waker.clone().wake();
        assert!(is_readable(&source));
        source.drain();
        assert!(!is_readable(&source));
    }

    #[test]
    fn a_full_waker_is_a_wake() {
        let source = WakeSource::new(Token::new(0, 1)).unwrap();
        let almost_full = (u64::MAX - 1).to_ne_bytes();
        let fd = source.ends.write.as_ref().unwrap_or(&source.ends.read).as_raw_fd();
        // SAFETY: the buffer is valid for reads of its length.
        while unsafe { libc::write(fd, almost_full.as_ptr().cast(), almost_full.len()) } >= 0 {}
        errno::restore(libc::ENOENT);
        source.waker().wake();
        assert_eq!(errno::number(), libc::ENOENT, "no trace in errno");
        assert!(is_readable(&source));
        source.drain();
        assert!(!is_readable(&source));
    }

    #[test]
    fn a_waker_may_outlive_its_selector() {
        let source = WakeSource::new(Token::new(0, 1)).unwrap();
        let waker = source.waker();
        drop(source);
        waker.wake();
    }
}
