//! Streams.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *error-once*: a failed connection attempt gives its reason once, by `SO_ERROR`, and has no peer.
//!   A pending one has neither an error nor a peer, and is not writable yet.
//! * *interrupted-connect*: a `connect` that is interrupted goes on by itself.
//! * *unread-resets*: closing a socket with unread input resets the connection on most systems. To
//!   end gracefully, a stream is shut down for writing and read to its end before it is closed.
//! * *recv-of-nothing*: on a socket `recv` does what `read` does with less work in the kernel. They
//!   differ for an empty buffer only: `recv` then waits for bytes.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

use selkie_core::{Close, Error, ErrorKind, Transport};

use super::{Platform, Socket};
use crate::selector::FdSelector;
use crate::sys::address::RawAddress;
use crate::sys::errno;
use crate::sys::fd::{self, SEND_FLAGS};

impl<S: FdSelector> Transport for Platform<S> {
    type Address = SocketAddr;

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        self.accept_stream(listener)
    }

    fn connect(&mut self, address: &SocketAddr) -> Result<Socket, Error> {
        if !self.sockets.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        let raw = RawAddress::new(address);
        let stream = fd::socket(raw.domain(), libc::SOCK_STREAM)?;
        set_no_delay(stream.as_raw_fd());
        // SAFETY: the pointer and the length are those of a valid address.
        let result = unsafe { libc::connect(stream.as_raw_fd(), raw.as_ptr(), raw.length()) };
        match errno::check(result) {
            // interrupted-connect: the attempt is pending, and is not repeated.
            Err(error) if !matches!(error.code(), Some(libc::EINPROGRESS | libc::EINTR)) => {
                Err(error)
            }
            _ => self.insert_socket(stream),
        }
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        let fd = self.sockets.get(source)?.fd;
        // error-once: only the first question has this answer.
        match fd::option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => {}
            code => return Err(errno::from_errno(code)),
        }
        let settled = is_settled(fd);
        match self.peer_address(source) {
            Err(error) if error.kind() == ErrorKind::NotConnected && !settled => {
                Err(Error::WOULD_BLOCK)
            }
            // A peer without an Internet address is a peer too.
            Err(error) if error.kind() != ErrorKind::Unsupported => Err(error),
            _ => Ok(()),
        }
    }

    #[inline]
    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        let Some((fd, is_socket)) = self.sockets.reading(source) else { return Err(stale()) };
        let result = if is_socket {
            match receive(fd, buffer) {
                count @ 1.. => count,
                result => self.receive_again(source, buffer, result),
            }
        } else {
            read(fd, buffer)
        };
        if result < 0 {
            return Err(error_of(result));
        }
        // SAFETY: the call was given no more than the buffer.
        Ok(unsafe { moved(result, buffer.len()) })
    }

    #[inline]
    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        let Some((fd, is_socket)) = self.sockets.writing(source) else { return Err(stale()) };
        let result = if is_socket {
            match send(fd, bytes) {
                count @ 0.. => count,
                result => self.send_again(source, bytes, result),
            }
        } else {
            write(fd, bytes)
        };
        if result < 0 {
            return Err(error_of(result));
        }
        // SAFETY: the call was given no more than the bytes.
        Ok(unsafe { moved(result, bytes.len()) })
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let fd = self.sockets.get(source)?.fd;
        // SAFETY: the call takes no pointers.
        errno::check(unsafe { libc::shutdown(fd, libc::SHUT_WR) })?;
        Ok(())
    }

    fn close(&mut self, source: Socket, how: Close) -> Result<(), Error> {
        let is_socket = self.sockets.get(source)?.is_socket;
        let fd = self.release(source)?;
        let reset = match how {
            Close::Abort if is_socket => fd::reset_on_close(fd.as_raw_fd()),
            _ => Ok(()),
        };
        // SAFETY: the descriptor was owned here, and is given up by this call whatever the call
        // says.
        let closed = unsafe { libc::close(fd.into_raw_fd()) };
        match errno::check(closed) {
            Err(error) if error.code() != Some(libc::EINTR) => Err(error),
            _ => reset,
        }
    }
}

/// Makes small messages leave at once. Failures are ignored: a source that is no TCP socket has no
/// such delay, and the first read of a connection that is gone returns the reason.
pub(super) fn set_no_delay(stream: RawFd) {
    let _ = fd::set_option(stream, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
}

/// Returns true if a connection attempt has ended, either way.
fn is_settled(fd: RawFd) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: `entry` is an array of one.
    unsafe { libc::poll(&raw mut entry, 1, 0) > 0 }
}

/// Limits the bytes of one call. Apple's systems refuse more than a signed 32-bit number; the others
/// take fewer by themselves.
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
unsafe fn moved(result: libc::ssize_t, length: usize) -> usize {
    let count = result.unsigned_abs();
    // SAFETY: no call moves more bytes than it is given, as the caller promises.
    unsafe { std::hint::assert_unchecked(count <= length) };
    count
}

/// Calls `recv` once.
#[inline]
fn receive(fd: RawFd, buffer: &mut [u8]) -> libc::ssize_t {
    // SAFETY: the buffer is valid for writes of its length.
    unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), bounded(buffer.len()), 0) }
}

/// Calls `send` once.
#[inline]
fn send(fd: RawFd, bytes: &[u8]) -> libc::ssize_t {
    // SAFETY: the bytes are valid for reads of their length.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bounded(bytes.len()), SEND_FLAGS) }
}

// These take the handle and look it up again, so that the first call keeps fewer values alive.
impl<S> Platform<S> {
    /// Finishes a [`receive`] that moved nothing, as [`retry_interrupted`] does.
    #[cold]
    #[inline(never)]
    fn receive_again(
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
    fn send_again(&self, source: Socket, bytes: &[u8], result: libc::ssize_t) -> libc::ssize_t {
        retry_interrupted(result, || {
            self.sockets.find(source).map_or(0, |entry| send(entry.fd, bytes))
        })
    }
}

/// Reads from what is no socket. The result is that of [`retry_interrupted`].
#[inline(never)]
fn read(fd: RawFd, buffer: &mut [u8]) -> libc::ssize_t {
    // SAFETY: the buffer is valid for writes of its length.
    let mut call = || unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), bounded(buffer.len())) };
    retry_interrupted(call(), call)
}

/// Writes to what is no socket. The result is that of [`retry_interrupted`].
#[inline(never)]
fn write(fd: RawFd, bytes: &[u8]) -> libc::ssize_t {
    // SAFETY: the bytes are valid for reads of their length.
    let call = || unsafe { libc::write(fd, bytes.as_ptr().cast(), bounded(bytes.len())) };
    retry_interrupted(call(), call)
}

/// Makes a call that moves bytes, and repeats it while it is interrupted.
pub(crate) fn retried(mut call: impl FnMut() -> libc::ssize_t) -> Result<usize, Error> {
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

/// Converts a negative error number of [`retry_interrupted`].
#[cold]
#[inline(never)]
fn error_of(number: libc::ssize_t) -> Error {
    #[expect(clippy::cast_possible_truncation, reason = "it was an `i32` before")]
    match -number as i32 {
        libc::EAGAIN => Error::WOULD_BLOCK,
        code => errno::from_errno(code),
    }
}

/// Returns the error of a handle that names nothing.
#[cold]
#[inline(never)]
fn stale() -> Error {
    Error::new(ErrorKind::Stale)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::DefaultSelector;

    #[test]
    fn reading_into_nothing_takes_nothing_and_waits_for_nothing() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 2).unwrap();
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let near = platform.adopt(OwnedFd::from(near)).unwrap();
        let far = platform.adopt(OwnedFd::from(far)).unwrap();
        assert_eq!(platform.read(near, &mut []), Ok(0));
        assert_eq!(platform.write(far, b"x"), Ok(1));
        assert_eq!(platform.read(near, &mut []), Ok(0));
        let mut buffer = [0; 2];
        assert_eq!(platform.read(near, &mut buffer), Ok(1));
        assert_eq!(platform.read(near, &mut buffer), Err(Error::WOULD_BLOCK));
        platform.close(far, Close::Graceful).unwrap();
        assert_eq!(platform.read(near, &mut buffer), Ok(0));
    }

    #[test]
    fn what_was_interrupted_is_made_retry_interrupted() {
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

    #[test]
    fn writing_to_a_peer_that_is_gone_is_an_error_and_no_signal() {
        thread_local! {
            /// The signal comes to the thread that wrote.
            static SIGNALLED: Cell<bool> = const { Cell::new(false) };
        }

        extern "C" fn note(_signal: libc::c_int) {
            SIGNALLED.set(true);
        }

        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 2).unwrap();
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let near = platform.adopt(OwnedFd::from(near)).unwrap();
        drop(far);
        // SAFETY: the handler only writes a variable of the thread, which needs no set-up.
        unsafe {
            libc::signal(libc::SIGPIPE, note as extern "C" fn(libc::c_int) as libc::sighandler_t)
        };
        let gone = platform.write(near, b"x").unwrap_err();
        // SAFETY: this is what Rust programs start with.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        assert!(gone.kind() == ErrorKind::BrokenPipe, "{gone:?}");
        assert!(!SIGNALLED.get());
    }
}
