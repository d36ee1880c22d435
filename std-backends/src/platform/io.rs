//! The calls that move bytes.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *recv-of-nothing*: on a socket `recv` does what `read` does with less work in the kernel. They
//!   differ for an empty buffer only: `recv` then waits for bytes.
//! * *signed-length*: Apple's systems refuse more bytes than a signed 32-bit number; the others
//!   take fewer by themselves.
//! * *pty-eio*: reading from a terminal whose other side was closed fails with EIO. It is the end
//!   of the stream.

use std::os::fd::RawFd;

use selkie_core::{Error, ErrorKind};

use super::{Platform, Socket};
use crate::sys::errno;
use crate::sys::fd::{RECEIVE_FLAGS, SEND_FLAGS, is_terminal};

/// Limits the bytes of one call (signed-length).
#[inline]
const fn bounded(length: usize) -> usize {
    if cfg!(target_vendor = "apple") && length > i32::MAX as usize {
        i32::MAX as usize
    } else {
        length
    }
}

/// Returns the number of bytes that a call moved.
///
/// # Safety
///
/// The call was given at most `length` bytes.
#[inline]
pub(super) unsafe fn moved(result: libc::ssize_t, length: usize) -> usize {
    let count = result.unsigned_abs();
    // SAFETY: no call moves more bytes than it is given, as the caller promises.
    unsafe { std::hint::assert_unchecked(count <= length) };
    count
}

/// Makes one `recv` call.
#[inline]
pub(super) fn receive(fd: RawFd, buffer: &mut [u8]) -> libc::ssize_t {
    // SAFETY: the buffer is valid for writes of its length.
    unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), bounded(buffer.len()), RECEIVE_FLAGS) }
}

/// Makes one `send` call.
#[inline]
pub(super) fn send(fd: RawFd, bytes: &[u8]) -> libc::ssize_t {
    // SAFETY: the bytes are valid for reads of their length.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bounded(bytes.len()), SEND_FLAGS) }
}

// These take the handle and look it up again, so that the first call keeps fewer values alive.
impl<S> Platform<S> {
    /// Finishes a [`receive`] that moved nothing, as [`retry_interrupted`] does.
    #[cold]
    #[inline(never)]
    pub(super) fn receive_again(
        &self,
        source: Socket,
        buffer: &mut [u8],
        result: libc::ssize_t,
    ) -> libc::ssize_t {
        match retry_interrupted(result, || {
            self.sockets.find(source).map_or(0, |entry| receive(entry.fd, buffer))
        }) {
            // recv-of-nothing: `read` would return 0.
            NOTHING_YET if buffer.is_empty() => 0,
            result => result,
        }
    }

    /// Finishes a [`send`] that failed, as [`retry_interrupted`] does.
    #[cold]
    #[inline(never)]
    pub(super) fn send_again(
        &self,
        source: Socket,
        bytes: &[u8],
        result: libc::ssize_t,
    ) -> libc::ssize_t {
        retry_interrupted(result, || {
            self.sockets.find(source).map_or(0, |entry| send(entry.fd, bytes))
        })
    }

    /// Reads from what is no socket. The result is that of [`retry_interrupted`].
    #[inline(never)]
    pub(super) fn read_file(&mut self, source: Socket, buffer: &mut [u8]) -> libc::ssize_t {
        let Ok(fd) = self.sockets.nonblocking_file(source) else { return last_failure() };
        // SAFETY: the buffer is valid for writes of its length.
        let mut call =
            || unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), bounded(buffer.len())) };
        match retry_interrupted(call(), call) {
            // pty-eio: of anything but a terminal EIO is a failure.
            END_OF_TERMINAL if is_terminal(fd) => 0,
            result => result,
        }
    }

    /// Writes to what is no socket. The result is that of [`retry_interrupted`].
    #[inline(never)]
    pub(super) fn write_file(&mut self, source: Socket, bytes: &[u8]) -> libc::ssize_t {
        let Ok(fd) = self.sockets.nonblocking_file(source) else { return last_failure() };
        // SAFETY: the bytes are valid for reads of their length.
        let call = || unsafe { libc::write(fd, bytes.as_ptr().cast(), bounded(bytes.len())) };
        retry_interrupted(call(), call)
    }
}

/// Largest number of parts that one call takes. POSIX promises 16.
const PARTS_MAX: usize = 16;

/// Writes the parts to a descriptor in one call, and repeats it while it is interrupted.
pub(super) fn write_parts(fd: RawFd, is_socket: bool, parts: &[&[u8]]) -> Result<usize, Error> {
    let mut vector = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; PARTS_MAX];
    let (mut count, mut length) = (0, 0);
    for part in parts.iter().filter(|part| !part.is_empty()).take(PARTS_MAX) {
        // signed-length: what is beyond is written by the next call.
        let room = bounded(usize::MAX) - length;
        let part = &part[..part.len().min(room)];
        vector[count].iov_base = part.as_ptr().cast_mut().cast();
        vector[count].iov_len = part.len();
        count += 1;
        length += part.len();
    }
    if !is_socket {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            reason = "at most 16 parts"
        )]
        // SAFETY: the first `count` parts are valid for reads of their lengths.
        return retried(|| unsafe { libc::writev(fd, vector.as_ptr(), count as libc::c_int) });
    }
    // SAFETY: all bits zero is a valid value of this struct of integers and pointers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vector.as_mut_ptr();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "at most 16 parts, in a type that differs from system to system"
    )]
    {
        message.msg_iovlen = count as _;
    }
    // SAFETY: the message has `count` parts, which are valid for reads of their lengths.
    retried(|| unsafe { libc::sendmsg(fd, &raw const message, SEND_FLAGS) })
}

/// Makes a call that moves bytes, and repeats it while it is interrupted.
pub(super) fn retried(mut call: impl FnMut() -> libc::ssize_t) -> Result<usize, Error> {
    let result = retry_interrupted(call(), call);
    if result < 0 { Err(error_of(result)) } else { Ok(result.unsigned_abs()) }
}

/// Repeats a call while it is interrupted, after its first `result`. Returns a number of bytes, or
/// the negative error number: one word, which fits a register.
#[inline]
fn retry_interrupted(
    mut result: libc::ssize_t,
    mut call: impl FnMut() -> libc::ssize_t,
) -> libc::ssize_t {
    while result < 0 {
        match errno::number() {
            libc::EINTR => result = call(),
            code => return -(code as libc::ssize_t),
        }
    }
    result
}

/// The result of [`retry_interrupted`] for a call that would block.
const NOTHING_YET: libc::ssize_t = -(libc::EAGAIN as libc::ssize_t);

/// The result of [`retry_interrupted`] for a terminal whose other side was closed (pty-eio).
const END_OF_TERMINAL: libc::ssize_t = -(libc::EIO as libc::ssize_t);

/// Returns the negative error number of the last failed call.
fn last_failure() -> libc::ssize_t {
    -(errno::number() as libc::ssize_t)
}

/// Converts a negative error number of [`retry_interrupted`].
#[cold]
#[inline(never)]
pub(super) fn error_of(number: libc::ssize_t) -> Error {
    #[expect(clippy::cast_possible_truncation, reason = "it was an `i32` before")]
    match -number as i32 {
        libc::EAGAIN => Error::WOULD_BLOCK,
        code => errno::from_errno(code),
    }
}

/// Returns the error of a handle that names nothing.
#[cold]
#[inline(never)]
pub(super) fn stale() -> Error {
    Error::new(ErrorKind::Stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_call_is_repeated() {
        let mut results = [-1, -1, 3].into_iter();
        errno::restore(libc::EINTR);
        assert_eq!(retry_interrupted(-1, || results.next().unwrap()), 3);
        assert_eq!(results.next(), None);
        errno::restore(libc::EPIPE);
        assert_eq!(
            retry_interrupted(-1, || unreachable!("it failed for good")),
            -(libc::EPIPE as libc::ssize_t)
        );
    }
}
