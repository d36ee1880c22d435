//! Winsock's `select`: sets of sockets, and the call.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *counted-sets*: a set is a count and an array of sockets, of any length; `FD_SETSIZE` is only
//!   the length of the array in the headers.
//! * *nothing-to-select*: a call fails if all sets are empty. It is a sleep then.
//! * *coarse-time*: the timeout is a signed number of seconds and microseconds.

use std::time::Duration;

use selkie_core::Error;
use windows_sys::Win32::Networking::WinSock::{self, FD_SET, SOCKET, TIMEVAL};

use super::errno;
use super::source::{RawSource, winsock};
use crate::memory::try_zeroed_slice;

/// A set of sockets in the system's form (counted-sets).
#[derive(Debug)]
pub(crate) struct Set {
    /// The count, then the sockets: a set has the alignment of a socket.
    words: Box<[SOCKET]>,
}

impl Set {
    /// Makes an empty set for up to `capacity` sockets.
    pub(crate) fn new(capacity: usize) -> Result<Self, Error> {
        Ok(Self { words: try_zeroed_slice(capacity + 1)? })
    }

    /// Returns the bytes of a set for `capacity` sockets.
    pub(crate) const fn memory(capacity: usize) -> usize {
        capacity.saturating_add(1).saturating_mul(size_of::<SOCKET>())
    }

    /// Returns the number of sockets.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: the words begin with the count, which the system writes too.
        let count = unsafe { *self.words.as_ptr().cast::<u32>() };
        count as usize
    }

    /// Sets the number of sockets.
    #[expect(clippy::cast_possible_truncation, reason = "the capacity has 32 bits")]
    fn set_len(&mut self, len: usize) {
        // SAFETY: as above.
        unsafe { *self.words.as_mut_ptr().cast::<u32>() = len as u32 };
    }

    /// Empties the set.
    pub(crate) fn clear(&mut self) {
        self.set_len(0);
    }

    /// Adds a socket. There is room for it.
    pub(crate) fn add(&mut self, source: RawSource) {
        let len = self.len();
        self.words[len + 1] = winsock(source);
        self.set_len(len + 1);
    }

    /// Returns the socket at a position.
    pub(crate) fn at(&self, position: usize) -> RawSource {
        self.words[position + 1] as RawSource
    }

    /// Returns the set as the call takes it: null if it is empty.
    fn as_mut_ptr(&mut self) -> *mut FD_SET {
        if self.len() == 0 { std::ptr::null_mut() } else { self.words.as_mut_ptr().cast() }
    }
}

/// Waits up to `timeout` until sockets of the sets are ready, and leaves those in the sets. Returns
/// the error number of a failure.
pub(crate) fn wait(sets: &mut [Set; 3], timeout: Option<Duration>) -> Result<(), i32> {
    if sets.iter().all(|set| set.len() == 0) {
        // nothing-to-select: `None` is not asked for, as nothing could end the wait.
        std::thread::sleep(timeout.unwrap_or(Duration::ZERO));
        return Ok(());
    }
    let time = timeout.map(timeval);
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let [read, write, except] = sets;
    // SAFETY: each set is null or has as many sockets as it says, and the time is null or valid for
    // the call. The first argument has no meaning on this system.
    let result = unsafe {
        WinSock::select(0, read.as_mut_ptr(), write.as_mut_ptr(), except.as_mut_ptr(), time)
    };
    if result < 0 {
        return Err(errno::number());
    }
    if result == 0 {
        sets.iter_mut().for_each(Set::clear);
    }
    Ok(())
}

/// Converts a sleep (coarse-time). Rounds up.
fn timeval(sleep: Duration) -> TIMEVAL {
    const SECONDS_MAX: u64 = 1_000_000;
    let sleep = sleep.min(Duration::from_secs(SECONDS_MAX));
    let microseconds = sleep.as_nanos().div_ceil(1_000);
    let part = |number: u128| i32::try_from(number).unwrap_or(i32::MAX);
    TIMEVAL { tv_sec: part(microseconds / 1_000_000), tv_usec: part(microseconds % 1_000_000) }
}

/// Returns true if a connection attempt has ended, either way.
pub(super) fn has_ended(source: RawSource) -> bool {
    let one = || {
        let mut set = FD_SET { fd_count: 1, fd_array: [0; 64] };
        set.fd_array[0] = winsock(source);
        set
    };
    let (mut written, mut failed) = (one(), one());
    let at_once = TIMEVAL { tv_sec: 0, tv_usec: 0 };
    // SAFETY: each set has one socket, and the time is valid for the call.
    let ready = unsafe {
        let read = std::ptr::null_mut();
        WinSock::select(0, read, &raw mut written, &raw mut failed, &raw const at_once)
    };
    ready != 0
}

/// Returns true if a source is a socket that is open.
pub(crate) fn is_open(source: RawSource) -> bool {
    super::socket::pending_error(source)
        .err()
        .and_then(Error::code)
        .is_none_or(|code| code != WinSock::WSAENOTSOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_a_count_and_sockets() {
        let mut set = Set::new(100).unwrap();
        for source in (4..).step_by(4).take(100) {
            set.add(source);
        }
        assert_eq!((set.len(), set.at(0), set.at(99)), (100, 4, 400));
        set.clear();
        assert!(set.len() == 0 && set.as_mut_ptr().is_null());
    }

    #[test]
    fn time_rounds_up() {
        let time = timeval(Duration::from_nanos(1_000_001_001));
        assert_eq!((time.tv_sec, time.tv_usec), (1, 2));
        assert_eq!(timeval(Duration::MAX).tv_sec, 1_000_000);
    }
}
