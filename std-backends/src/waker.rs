//! Ending a wait from another thread, or from a signal handler.
//!
//! (a) An eventfd holds a counter, and one that is full takes no more. That it is readable is
//! already a wake where     readiness is a level, but not where it is an edge; so a full one is
//! emptied and written again. (b) A pipe that is full takes no more either. It is only ever watched
//! as a level, and is a wake as it stands. (c) Writing into a pipe that nobody can read any more is
//! a SIGPIPE. So each waker holds both ends: it may outlive its     selector, and then wakes
//! nobody. (d) A signal handler must leave errno as it was.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use selkie_core::{Error, Token};

use crate::errno;

/// Wakes a selector: its wait ends, and reports the token that the waker was made with as readable.
///
/// Clones wake the same token. Wakes that come before the selector reports one are reported
/// together; none is lost.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Ends>);

/// Where wakes go in and come out: an eventfd, which is its own other end, or a pipe.
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
            // (a)
            self.0.empty();
            self.0.put();
        }
        // (d)
        errno::restore(before);
    }
}

impl Ends {
    /// An eventfd.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn new() -> Result<Self, Error> {
        // SAFETY: the call takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        Ok(Self { read: crate::descriptor::owned(fd)?, write: None })
    }

    /// A pipe.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn new() -> Result<Self, Error> {
        let (read, write) = crate::descriptor::pipe()?;
        Ok(Self { read, write: Some(write) })
    }

    /// Puts a wake in; says whether there was room. The eight bytes are what an eventfd takes, and
    /// do for a pipe.
    fn put(&self) -> bool {
        let fd = self.write.as_ref().unwrap_or(&self.read).as_raw_fd();
        let wake = 1_u64.to_ne_bytes();
        // SAFETY: the buffer is valid for reads of its length.
        unsafe { libc::write(fd, wake.as_ptr().cast(), wake.len()) >= 0 }
    }

    /// Takes out all wakes that are in.
    fn empty(&self) {
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
    /// A source of wakes, to be reported under `token`.
    pub(crate) fn new(token: Token) -> Result<Self, Error> {
        Ok(Self { ends: Arc::new(Ends::new()?), token })
    }

    /// A handle that wakes it.
    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.ends))
    }

    /// The descriptor that becomes readable.
    pub(crate) fn fd(&self) -> RawFd {
        self.ends.read.as_raw_fd()
    }

    /// What wakes are reported under.
    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    /// Takes out the wakes that are being reported.
    pub(crate) fn drain(&self) {
        self.ends.empty();
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
