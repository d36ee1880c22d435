//! The rare results of the calls that move bytes.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *recv-of-nothing*: on a socket `recv` does what `read` does with less work in the kernel. They
//!   differ for an empty buffer only: `recv` then waits for bytes.
//! * *pty-eio*: reading from a terminal whose other side was closed fails with EIO. It is the end
//!   of the stream.

use super::socket_table::Entry;
use super::{Platform, Socket};
use crate::sys::file;
use crate::sys::io::{receive, send};
use crate::sys::retry::{NOTHING_YET, STALE, last_failure, retry_interrupted};

/// Returns the number of bytes that a call moved.
///
/// # Safety
///
/// The call was given at most `length` bytes.
#[inline]
pub(super) unsafe fn moved(result: isize, length: usize) -> usize {
    let count = result.unsigned_abs();
    // SAFETY: no call moves more bytes than it is given, as the caller promises.
    unsafe { std::hint::assert_unchecked(count <= length) };
    count
}

// These take the handle and look it up again, so that the first call keeps fewer values alive. The
// results are those of [`retry_interrupted`]: a `Result` would be returned in memory.
impl<S> Platform<S> {
    /// Finishes a [`receive`] that moved nothing.
    #[cold]
    #[inline(never)]
    pub(super) fn receive_again(&self, source: Socket, buffer: &mut [u8], result: isize) -> isize {
        match retry_interrupted(result, || {
            self.sockets.find(source).map_or(0, |entry| receive(entry.fd, buffer))
        }) {
            // recv-of-nothing: `read` would return 0.
            NOTHING_YET if buffer.is_empty() => 0,
            result => result,
        }
    }

    /// Finishes a [`send`] that failed.
    #[cold]
    #[inline(never)]
    pub(super) fn send_again(&self, source: Socket, bytes: &[u8], result: isize) -> isize {
        retry_interrupted(result, || {
            self.sockets.find(source).map_or(0, |entry| send(entry.fd, bytes))
        })
    }

    /// Reads from what is no socket.
    #[inline(never)]
    pub(super) fn read_file(&mut self, source: Socket, buffer: &mut [u8]) -> isize {
        if self.sockets.find(source).is_none() {
            return STALE;
        }
        let Ok(fd) = self.sockets.nonblocking_file(source) else { return last_failure() };
        let mut call = || file::read(fd, buffer);
        match retry_interrupted(call(), call) {
            // pty-eio: of anything but a terminal EIO is a failure.
            file::END_OF_TERMINAL if file::is_terminal(fd) => 0,
            result => result,
        }
    }

    /// Writes to what was not read from just before.
    #[inline(never)]
    pub(super) fn write_first(&mut self, source: Socket, bytes: &[u8]) -> isize {
        let Some(&Entry { fd, properties }) = self.sockets.find(source) else { return STALE };
        if properties.is_socket {
            return match send(fd, bytes) {
                count @ 0.. => count,
                result => self.send_again(source, bytes, result),
            };
        }
        let Ok(fd) = self.sockets.nonblocking_file(source) else { return last_failure() };
        let call = || file::write(fd, bytes);
        retry_interrupted(call(), call)
    }
}
