//! Streams and listeners.
//!
//! (a) Linux hands errors of the network that are waiting on a new connection to `accept`; they are
//! that connection's,     not the listener's.
//! (b) A connection attempt that failed tells why once, by `SO_ERROR`, and has no peer; one that is
//! pending has no error     and no peer either, but is not writable yet.
//! (c) `connect` that is interrupted goes on by itself.
//! (d) Closing a socket with bytes in it that nobody read resets the connection, on most systems. A
//! stream that is to end     gracefully is shut down for writing, and read to its end, before it is
//! closed. (e) On a socket `recv` does what `read` does with less work in the kernel, which need
//! not look for what else a descriptor     can be. Only for no bytes at all they differ: `recv` of
//! nothing waits for something.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

use selkie_core::{Close, Error, ErrorKind, Transport};

use crate::address::RawAddress;
use crate::descriptor::{self, SEND_FLAGS};
use crate::errno;
use crate::handles::Socket;
use crate::platform::Platform;
use crate::sources::Native;

impl<S: Native> Transport for Platform<S> {
    type Address = SocketAddr;

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        let fd = self.handles.get(listener)?.fd;
        if !self.handles.has_room() {
            // As at the limit of the process, the connection keeps waiting.
            return Err(Error::new(ErrorKind::OutOfDescriptors));
        }
        let stream = loop {
            match descriptor::accept(fd) {
                Ok(stream) => break stream,
                Err(error) => accept_failed(error)?,
            }
        };
        set_no_delay(stream.as_raw_fd());
        self.take_in(stream)
    }

    fn connect(&mut self, address: &SocketAddr) -> Result<Socket, Error> {
        if !self.handles.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        let raw = RawAddress::new(address);
        let stream = descriptor::socket(raw.domain(), libc::SOCK_STREAM)?;
        set_no_delay(stream.as_raw_fd());
        // SAFETY: the pointer and the length are those of a valid address.
        let result = unsafe { libc::connect(stream.as_raw_fd(), raw.as_ptr(), raw.length()) };
        match errno::check(result) {
            // (c)
            Err(error) if !matches!(error.code(), Some(libc::EINPROGRESS | libc::EINTR)) => {
                Err(error)
            }
            _ => self.take_in(stream),
        }
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        let fd = self.handles.get(source)?.fd;
        // (b)
        match descriptor::option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => {}
            code => return Err(errno::from_errno(code)),
        }
        let settled = is_settled(fd);
        match self.peer_address(source) {
            Err(error) if error.kind() == ErrorKind::NotConnected && !settled => {
                Err(Error::WOULD_BLOCK)
            }
            // A peer without an Internet address is a peer.
            Err(error) if error.kind() != ErrorKind::Unsupported => Err(error),
            _ => Ok(()),
        }
    }

    #[inline]
    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        let Some((fd, is_socket)) = self.handles.reading(source) else { return Err(stale()) };
        let result = if is_socket {
            match receive(fd, buffer) {
                count @ 1.. => count,
                result => self.receive_again(source, buffer, result),
            }
        } else {
            read(fd, buffer)
        };
        if result < 0 {
            return Err(failed(result));
        }
        // SAFETY: the call was given no more than the buffer.
        Ok(unsafe { moved(result, buffer.len()) })
    }

    #[inline]
    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        let Some((fd, is_socket)) = self.handles.writing(source) else { return Err(stale()) };
        let result = if is_socket {
            match send(fd, bytes) {
                count @ 0.. => count,
                result => self.send_again(source, bytes, result),
            }
        } else {
            write(fd, bytes)
        };
        if result < 0 {
            return Err(failed(result));
        }
        // SAFETY: the call was given no more than the bytes.
        Ok(unsafe { moved(result, bytes.len()) })
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let fd = self.handles.get(source)?.fd;
        // SAFETY: the call takes no pointers.
        errno::check(unsafe { libc::shutdown(fd, libc::SHUT_WR) })?;
        Ok(())
    }

    fn close(&mut self, source: Socket, how: Close) -> Result<(), Error> {
        let is_socket = self.handles.get(source)?.is_socket;
        let fd = self.release(source)?;
        let reset = match how {
            Close::Abort if is_socket => descriptor::reset_on_close(fd.as_raw_fd()),
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

/// What a failed `accept` means: nothing to report if it was only interrupted.
fn accept_failed(error: Error) -> Result<(), Error> {
    let Some(code) = error.code() else { return Err(error) };
    match code {
        libc::EINTR => return Ok(()),
        libc::EAGAIN => return Err(Error::WOULD_BLOCK),
        _ => {}
    }
    // (a)
    let is_of_the_connection = matches!(
        code,
        libc::EPROTO
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::ETIMEDOUT
            | libc::ECONNRESET
            | libc::EPERM
    );
    let kind = if is_of_the_connection { ErrorKind::ConnectionAborted } else { error.kind() };
    Err(Error::with_code(kind, code))
}

/// Sends small messages at once. What is no TCP socket has no such delay, and a connection that is
/// gone tells by its first read, so failing here is nothing.
fn set_no_delay(stream: RawFd) {
    let _ = descriptor::set_option(stream, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
}

/// Whether a connection attempt came to an end, either way.
fn is_settled(fd: RawFd) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: `entry` is an array of one.
    unsafe { libc::poll(&raw mut entry, 1, 0) > 0 }
}

/// How many bytes one call is given. Apple's systems refuse more than a signed 32-bit number; the
/// others take less by themselves.
#[inline]
const fn bounded(length: usize) -> usize {
    if cfg!(target_vendor = "apple") && length > i32::MAX as usize {
        i32::MAX as usize
    } else {
        length
    }
}

/// The `result` of a call that moved bytes.
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

/// One `recv`. (e)
#[inline]
fn receive(fd: RawFd, buffer: &mut [u8]) -> libc::ssize_t {
    // SAFETY: the buffer is valid for writes of its length.
    unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), bounded(buffer.len()), 0) }
}

/// One `send`.
#[inline]
fn send(fd: RawFd, bytes: &[u8]) -> libc::ssize_t {
    // SAFETY: the bytes are valid for reads of their length.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bounded(bytes.len()), SEND_FLAGS) }
}

// What follows a call that moved nothing is told the handle only, so that the call itself has
// nothing else to remember.
impl<S> Platform<S> {
    /// What a [`receive`] comes to that moved nothing, as [`again`] has it.
    #[cold]
    #[inline(never)]
    fn receive_again(
        &self,
        source: Socket,
        buffer: &mut [u8],
        result: libc::ssize_t,
    ) -> libc::ssize_t {
        match again(result, || {
            self.handles.find(source).map_or(0, |entry| receive(entry.fd, buffer))
        }) {
            // (e)
            NOTHING_YET if buffer.is_empty() => 0,
            result => result,
        }
    }

    /// What a [`send`] comes to that failed, as [`again`] has it.
    #[cold]
    #[inline(never)]
    fn send_again(&self, source: Socket, bytes: &[u8], result: libc::ssize_t) -> libc::ssize_t {
        again(result, || self.handles.find(source).map_or(0, |entry| send(entry.fd, bytes)))
    }
}

/// Reads from what is no socket; what comes of it, as [`again`] has it.
#[inline(never)]
fn read(fd: RawFd, buffer: &mut [u8]) -> libc::ssize_t {
    // SAFETY: the buffer is valid for writes of its length.
    let mut call = || unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), bounded(buffer.len())) };
    again(call(), call)
}

/// Writes to what is no socket; what comes of it, as [`again`] has it.
#[inline(never)]
fn write(fd: RawFd, bytes: &[u8]) -> libc::ssize_t {
    // SAFETY: the bytes are valid for reads of their length.
    let call = || unsafe { libc::write(fd, bytes.as_ptr().cast(), bounded(bytes.len())) };
    again(call(), call)
}

/// Makes a call that moves bytes, again if it was interrupted.
pub(crate) fn retried(mut call: impl FnMut() -> libc::ssize_t) -> Result<usize, Error> {
    let result = again(call(), call);
    if result < 0 { Err(failed(result)) } else { Ok(result.unsigned_abs()) }
}

/// What the `result` of a call that moves bytes comes to, which is made again while it is
/// interrupted: a number of bytes, or the number of the error, negative. One word, so that it can
/// be given in a register.
#[inline]
fn again(mut result: libc::ssize_t, mut call: impl FnMut() -> libc::ssize_t) -> libc::ssize_t {
    while result < 0 {
        match errno::number() {
            libc::EINTR => result = call(),
            code => return -(code as libc::ssize_t),
        }
    }
    result
}

/// What [`again`] gives where there is nothing to be done yet.
const NOTHING_YET: libc::ssize_t = -(libc::EAGAIN as libc::ssize_t);

/// What the negative number of an error means that [`again`] gave.
#[cold]
#[inline(never)]
fn failed(number: libc::ssize_t) -> Error {
    #[expect(clippy::cast_possible_truncation, reason = "it was an `i32` before")]
    match -number as i32 {
        libc::EAGAIN => Error::WOULD_BLOCK,
        code => errno::from_errno(code),
    }
}

/// What is said of a handle that names nothing.
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
    fn what_failed_in_accept_says_whose_failure_it_is() {
        let failed = |code| accept_failed(errno::from_errno(code)).map_err(Error::kind);
        assert_eq!(failed(libc::EINTR), Ok(()));
        assert_eq!(failed(libc::EAGAIN), Err(ErrorKind::WouldBlock));
        assert_eq!(failed(libc::EPROTO), Err(ErrorKind::ConnectionAborted));
        assert_eq!(failed(libc::ECONNABORTED), Err(ErrorKind::ConnectionAborted));
        assert_eq!(failed(libc::EMFILE), Err(ErrorKind::OutOfDescriptors));
        assert_eq!(failed(libc::ENOBUFS), Err(ErrorKind::OutOfMemory));
        assert_eq!(failed(libc::EBADF), Err(ErrorKind::InvalidSource));
    }

    #[test]
    fn connections_send_at_once_and_wait_when_the_table_is_full() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 2).unwrap();
        let listener = platform.listen(([127, 0, 0, 1], 0).into(), 16).unwrap();
        let address = platform.local_address(listener).unwrap();
        let _clients: Vec<_> =
            (0..2).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let first = platform.accept(listener).unwrap();
        let fd = platform.fd(first).unwrap().as_raw_fd();
        assert_ne!(descriptor::option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY), Ok(0));
        let full = platform.accept(listener).unwrap_err();
        assert!(full.kind() == ErrorKind::OutOfDescriptors, "{full:?}");
        platform.close(first, Close::Abort).unwrap();
        assert!(platform.accept(listener).is_ok(), "the connection kept waiting");
    }

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
    fn what_was_interrupted_is_made_again() {
        let mut results = [-1, -1, 3].into_iter();
        errno::restore(libc::EINTR);
        assert_eq!(again(-1, || results.next().unwrap()), 3);
        assert_eq!(results.next(), None);
        errno::restore(libc::EPIPE);
        assert_eq!(
            again(-1, || unreachable!("it failed for good")),
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
