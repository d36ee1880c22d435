//! The calls that move bytes over sockets.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *signed-length*: Apple's systems refuse more bytes than a signed 32-bit number; the others
//!   take fewer by themselves.
//! * *no-name*: a datagram of a Unix socket that was not bound has no address.

use std::net::SocketAddr;
use std::os::fd::RawFd;

use selkie_core::Error;
use selkie_core::platform::Datagram;

use super::address::RawAddress;
use super::socket::{RECEIVE_FLAGS, SEND_FLAGS};
use crate::sys::retry::retried;

/// Limits the bytes of one call (signed-length).
#[inline]
pub(super) const fn bounded(length: usize) -> usize {
    if cfg!(target_vendor = "apple") && length > i32::MAX as usize {
        i32::MAX as usize
    } else {
        length
    }
}

/// Makes one `recv` call.
#[inline]
pub(crate) fn receive(fd: RawFd, buffer: &mut [u8]) -> isize {
    // SAFETY: the buffer is valid for writes of its length.
    unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), bounded(buffer.len()), RECEIVE_FLAGS) }
}

/// Makes one `send` call.
#[inline]
pub(crate) fn send(fd: RawFd, bytes: &[u8]) -> isize {
    // SAFETY: the bytes are valid for reads of their length.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bounded(bytes.len()), SEND_FLAGS) }
}

/// Largest number of parts that one call takes. POSIX promises 16.
pub(super) const PARTS_MAX: usize = 16;

/// Returns the parts that are not empty, as system calls take them, and their number.
pub(super) fn vector_of(parts: &[&[u8]]) -> ([libc::iovec; PARTS_MAX], usize) {
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
    (vector, count)
}

/// Makes one `sendmsg` call with several parts.
pub(crate) fn send_parts(fd: RawFd, parts: &[&[u8]]) -> isize {
    let (mut vector, count) = vector_of(parts);
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
    unsafe { libc::sendmsg(fd, &raw const message, SEND_FLAGS) }
}

/// Receives a datagram.
pub(crate) fn receive_from(fd: RawFd, buffer: &mut [u8]) -> Result<Datagram<SocketAddr>, Error> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all bits zero is a valid value of this struct of integers and pointers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let (address, received) = RawAddress::query_with(|address, length| {
        message.msg_name = address.cast();
        // SAFETY: the length of the place for the address is valid for reads.
        message.msg_namelen = unsafe { *length };
        // SAFETY: the message has one part, which is valid for writes of its length, and so is the
        // place for the address.
        retried(|| unsafe { libc::recvmsg(fd, &raw mut message, RECEIVE_FLAGS) })
    });
    Ok(Datagram {
        length: received?,
        is_truncated: message.msg_flags & libc::MSG_TRUNC != 0,
        // no-name: the sender has no address, or none of the Internet.
        sender: if message.msg_namelen == 0 { None } else { address.decode().ok() },
    })
}

/// Makes one `sendto` call.
pub(crate) fn send_to(fd: RawFd, bytes: &[u8], to: &RawAddress) -> isize {
    // SAFETY: the bytes and the address are valid for reads of their lengths.
    unsafe {
        libc::sendto(fd, bytes.as_ptr().cast(), bytes.len(), SEND_FLAGS, to.as_ptr(), to.length())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use selkie_core::ErrorKind;
    use selkie_core::platform::{Datagrams, Transport};

    use super::*;
    use crate::Platform;
    use crate::selectors::DefaultSelector;
    use crate::sys::testing::pair;

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
        let (near, far) = pair();
        let near = platform.adopt(near).unwrap();
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

    #[test]
    fn a_datagram_of_a_sender_without_an_address_is_received() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 4).unwrap();
        let (near, far) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let near = platform.adopt(near.into()).unwrap();
        far.send(b"unnamed").unwrap();
        let mut buffer = [0; 16];
        let datagram = platform.receive_from(near, &mut buffer).unwrap();
        assert_eq!(datagram, Datagram { length: 7, is_truncated: false, sender: None });
        assert_eq!(&buffer[..7], b"unnamed");
    }
}
