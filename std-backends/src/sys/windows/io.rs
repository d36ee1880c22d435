//! The calls that move bytes over sockets.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *signed-length*: a length is a signed number of 32 bits.
//! * *too-long-is-an-error*: a datagram that is longer than the buffer fills it, and fails with
//!   WSAEMSGSIZE.

use std::net::SocketAddr;

use selkie_core::Error;
use selkie_core::platform::Datagram;
use windows_sys::Win32::Networking::WinSock::{self, WSABUF, WSAEMSGSIZE, WSASend};

use super::address::RawAddress;
use super::source::{RawSource, winsock};
use crate::sys::retry::{error_of, retry_interrupted};

/// Limits the bytes of one call (signed-length).
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the length was limited before"
)]
const fn bounded(length: usize) -> i32 {
    if length > i32::MAX as usize { i32::MAX } else { length as i32 }
}

/// Makes one `recv` call.
#[inline]
pub(crate) fn receive(socket: RawSource, buffer: &mut [u8]) -> isize {
    if buffer.is_empty() {
        // A read of nothing takes nothing, and waits for nothing.
        return 0;
    }
    // SAFETY: the buffer is valid for writes of its length.
    unsafe {
        WinSock::recv(winsock(socket), buffer.as_mut_ptr(), bounded(buffer.len()), 0) as isize
    }
}

/// Makes one `send` call.
#[inline]
pub(crate) fn send(socket: RawSource, bytes: &[u8]) -> isize {
    // SAFETY: the bytes are valid for reads of their length.
    unsafe { WinSock::send(winsock(socket), bytes.as_ptr(), bounded(bytes.len()), 0) as isize }
}

/// Largest number of parts that one call takes, as elsewhere.
const PARTS_MAX: usize = 16;

/// Makes one `WSASend` call with several parts.
pub(crate) fn send_parts(socket: RawSource, parts: &[&[u8]]) -> isize {
    let mut vector = [WSABUF { len: 0, buf: std::ptr::null_mut() }; PARTS_MAX];
    let (mut count, mut length) = (0, 0);
    for part in parts.iter().filter(|part| !part.is_empty()).take(PARTS_MAX) {
        // signed-length: what is beyond is written by the next call.
        let part = &part[..part.len().min(i32::MAX as usize - length)];
        let bytes = bounded(part.len()).cast_unsigned();
        vector[count as usize] = WSABUF { len: bytes, buf: part.as_ptr().cast_mut() };
        count += 1_u32;
        length += part.len();
    }
    let mut sent = 0;
    // SAFETY: the first `count` parts are valid for reads of their lengths, and `sent` is a valid
    // place for the result. Without an OVERLAPPED the call is over when it returns.
    let result = unsafe {
        let socket = winsock(socket);
        WSASend(socket, vector.as_ptr(), count, &raw mut sent, 0, std::ptr::null_mut(), None)
    };
    if result == 0 { isize::try_from(sent).unwrap_or(isize::MAX) } else { -1 }
}

/// Receives a datagram.
pub(crate) fn receive_from(
    socket: RawSource,
    buffer: &mut [u8],
) -> Result<Datagram<SocketAddr>, Error> {
    let (address, result) = RawAddress::query_with(|address, length| {
        let mut call = || {
            let (start, size) = (buffer.as_mut_ptr(), bounded(buffer.len()));
            // SAFETY: the buffer is valid for writes of its length, and so is the place for the
            // address.
            unsafe { WinSock::recvfrom(winsock(socket), start, size, 0, address, length) as isize }
        };
        retry_interrupted(call(), call)
    });
    // too-long-is-an-error: the buffer is full.
    let is_truncated = result == -(WSAEMSGSIZE as isize);
    if result < 0 && !is_truncated {
        return Err(error_of(result));
    }
    Ok(Datagram {
        length: if is_truncated { buffer.len() } else { result.unsigned_abs() },
        is_truncated,
        sender: address.decode().ok(),
    })
}

/// Makes one `sendto` call.
pub(crate) fn send_to(socket: RawSource, bytes: &[u8], to: &RawAddress) -> isize {
    let (start, size) = (bytes.as_ptr(), bounded(bytes.len()));
    // SAFETY: the bytes and the address are valid for reads of their lengths.
    unsafe { WinSock::sendto(winsock(socket), start, size, 0, to.as_ptr(), to.length()) as isize }
}
