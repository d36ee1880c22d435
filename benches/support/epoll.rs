//! The system calls of the hand-written loops, as C has them: nothing is checked that a C program
//! would not check.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// An epoll descriptor.
#[derive(Debug)]
pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> Self {
        // SAFETY: the call takes no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(fd >= 0, "epoll_create1: {}", io::Error::last_os_error());
        // SAFETY: the descriptor is new, so it has no other owner.
        Self(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Makes one `epoll_ctl` call; `data` returns with each event.
    #[inline]
    pub(crate) fn control(&self, operation: i32, fd: RawFd, events: i32, data: u64) {
        let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: data };
        // SAFETY: `event` is valid for the call; the kernel copies it.
        let result = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &raw mut event) };
        assert!(result >= 0, "epoll_ctl: {}", io::Error::last_os_error());
    }

    /// Makes one `epoll_wait` call without a timeout; returns the events.
    #[inline]
    pub(crate) fn wait<'e>(&self, events: &'e mut [libc::epoll_event]) -> &'e [libc::epoll_event] {
        let room = i32::try_from(events.len()).unwrap_or(i32::MAX);
        // SAFETY: the buffer has room for that many events.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), room, -1) };
        if count < 0 {
            interrupted();
        }
        // SAFETY: the kernel gives no more events than there is room for.
        unsafe { events.get_unchecked(..count.max(0).unsigned_abs() as usize) }
    }
}

/// Checks a failed wait: an interruption is no failure.
#[cold]
fn interrupted() {
    let error = io::Error::last_os_error();
    assert_eq!(error.kind(), io::ErrorKind::Interrupted, "epoll_wait: {error}");
}

/// Allocates room for a batch of events.
pub(crate) fn batch() -> Box<[libc::epoll_event]> {
    vec![libc::epoll_event { events: 0, u64: 0 }; super::BATCH].into_boxed_slice()
}
