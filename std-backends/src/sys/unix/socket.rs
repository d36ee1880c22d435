//! Sockets: making them, and their options.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *no-flags*: Apple's systems have neither `accept4` nor the flags of `socket`. There a socket
//!   is prepared after it was made; a program that is executed in between inherits it.
//! * *no-msg-nosignal*: Apple's systems do not have `MSG_NOSIGNAL` everywhere. There each socket
//!   gets `SO_NOSIGPIPE`.
//! * *hup-half*: HUP means that both directions are closed only on Linux and FreeBSD.
//! * *reuse-port*: `SO_REUSEPORT` shares out connections on Linux. FreeBSD has an option of its own
//!   for that; elsewhere the listener that was opened last gets them all.
//! * *keep-alive-names*: Apple's systems have another name for the time before the first probe.
//!   OpenBSD has one setting for the whole system.
//! * *interrupted-connect*: a `connect` that is interrupted goes on by itself.

use std::ffi::c_int;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use selkie_core::platform::KeepAlive;
use selkie_core::{Error, ErrorKind};

use super::address::RawAddress;
use super::file::set_nonblocking;
use crate::sys::errno;

/// Takes ownership of the descriptor that a call has just made, or returns its error.
pub(crate) fn owned(result: c_int) -> Result<OwnedFd, Error> {
    let fd = errno::check(result)?;
    // SAFETY: the descriptor is new, so it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a socket of a domain (`AF_INET`) and a type (`SOCK_STREAM`).
pub(crate) fn socket(domain: c_int, kind: c_int) -> Result<OwnedFd, Error> {
    #[cfg(not(target_vendor = "apple"))]
    let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the call takes no pointers.
    let socket = owned(unsafe { libc::socket(domain, kind, 0) })?;
    #[cfg(target_vendor = "apple")]
    prepare(&socket)?;
    silence(socket.as_raw_fd())?;
    Ok(socket)
}

/// Makes a socket for streams to or from an address.
pub(crate) fn stream(address: &RawAddress) -> Result<OwnedFd, Error> {
    socket(address.domain(), libc::SOCK_STREAM)
}

/// Makes a socket for datagrams to or from an address.
pub(crate) fn datagram(address: &RawAddress) -> Result<OwnedFd, Error> {
    socket(address.domain(), libc::SOCK_DGRAM)
}

/// Binds a socket to its address.
pub(crate) fn bind(socket: RawFd, address: &RawAddress) -> Result<(), Error> {
    // SAFETY: the pointer and the length are those of a valid address.
    errno::check(unsafe { libc::bind(socket, address.as_ptr(), address.length()) }).map(drop)
}

/// Makes a bound socket a listener.
pub(crate) fn listen(socket: RawFd, backlog: c_int) -> Result<(), Error> {
    // SAFETY: the call takes no pointers.
    errno::check(unsafe { libc::listen(socket, backlog) }).map(drop)
}

/// Begins to connect a socket.
pub(crate) fn connect(socket: RawFd, address: &RawAddress) -> Result<(), Error> {
    // SAFETY: the pointer and the length are those of a valid address.
    match errno::check(unsafe { libc::connect(socket, address.as_ptr(), address.length()) }) {
        // interrupted-connect: the attempt is pending, and is not repeated.
        Err(error) if !matches!(error.code(), Some(libc::EINPROGRESS | libc::EINTR)) => Err(error),
        _ => Ok(()),
    }
}

/// Ends the stream of a socket to its peer.
pub(crate) fn shutdown_write(socket: RawFd) -> Result<(), Error> {
    // SAFETY: the call takes no pointers.
    errno::check(unsafe { libc::shutdown(socket, libc::SHUT_WR) }).map(drop)
}

/// Accepts a waiting connection, and writes the address of its other end to `peer`.
pub(crate) fn accept(listener: RawFd, peer: &mut RawAddress) -> Result<OwnedFd, Error> {
    #[cfg(not(target_vendor = "apple"))]
    let result = peer.fill(|address, length| {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the pointers that `fill` gives are valid for the call.
        unsafe { libc::accept4(listener, address, length, flags) }
    });
    #[cfg(target_vendor = "apple")]
    let result = peer.fill(|address, length| {
        // SAFETY: the pointers that `fill` gives are valid for the call.
        unsafe { libc::accept(listener, address, length) }
    });
    let socket = owned(result)?;
    #[cfg(target_vendor = "apple")]
    prepare(&socket)?;
    // A failure means that the connection is gone; its first read returns the reason.
    let _ = silence(socket.as_raw_fd());
    Ok(socket)
}

/// Prepares a socket that was opened elsewhere. It stays non-blocking: another owner of it may rely
/// on that by now.
pub(crate) fn adopt(socket: BorrowedFd<'_>) -> Result<(), Error> {
    silence(socket.as_raw_fd())?;
    set_nonblocking(socket).map(drop)
}

/// Makes a descriptor non-blocking and close-on-exec (no-flags).
#[cfg(target_vendor = "apple")]
pub(super) fn prepare(fd: &OwnedFd) -> Result<(), Error> {
    use std::os::fd::AsFd;

    // SAFETY: the call takes no pointers.
    errno::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    set_nonblocking(fd.as_fd()).map(drop)
}

/// True if POLLHUP means that both directions are closed. Apple's systems report it also for one,
/// and other systems differ.
pub(crate) const HUP_IS_CLOSED: bool =
    cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd"));

/// True if accepted connections inherit `TCP_NODELAY` from their listener.
pub(crate) const INHERITS_NO_DELAY: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Returns what a descriptor is ready for now, of `events` and of what `poll` reports always.
pub(crate) fn poll(fd: RawFd, events: i16) -> i16 {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: `entry` is an array of one.
    if unsafe { libc::poll(&raw mut entry, 1, 0) } > 0 { entry.revents } else { 0 }
}

/// Returns the number of bytes that can be read now; 0 where the system does not count them.
pub(crate) fn unread(fd: RawFd) -> c_int {
    let mut count: c_int = 0;
    // SAFETY: the request writes a `c_int`, for which `count` is a valid place.
    if unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut count) } < 0 { 0 } else { count }
}

/// Returns true if a connection attempt has ended, either way.
pub(crate) fn has_ended(socket: RawFd) -> bool {
    poll(socket, libc::POLLOUT) != 0
}

/// Returns the failure that is pending on a socket. Only the first question has this answer.
pub(crate) fn pending_error(socket: RawFd) -> Result<(), Error> {
    match option(socket, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        code => Err(errno::from_errno(code)),
    }
}

/// Returns the failure of a socket whose peer is gone.
pub(crate) fn check(socket: RawFd) -> Result<(), Error> {
    let reported = poll(socket, 0);
    if reported == 0 && HUP_IS_CLOSED {
        return Ok(());
    }
    pending_error(socket)?;
    if !HUP_IS_CLOSED {
        // hup-half: a look at the next byte, which takes nothing, finds out.
        return peek(socket);
    }
    // Both directions have ended. Input that was received before is still there to be read.
    if reported & libc::POLLHUP == 0 || unread(socket) > 0 {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::NotConnected))
    }
}

/// Returns the failure of a socket that its next read would return, and takes nothing.
fn peek(fd: RawFd) -> Result<(), Error> {
    let mut byte = 0_u8;
    // SAFETY: `byte` is valid for a write of one byte.
    let result =
        unsafe { libc::recv(fd, (&raw mut byte).cast(), 1, libc::MSG_PEEK | libc::MSG_DONTWAIT) };
    match errno::number() {
        _ if result >= 0 => Ok(()),
        libc::EAGAIN | libc::EINTR => Ok(()),
        code => Err(errno::from_errno(code)),
    }
}

/// Flags of every `recv`: it does not block, even if another owner of the socket has made it
/// blocking.
pub(crate) const RECEIVE_FLAGS: c_int = libc::MSG_DONTWAIT;

/// Flags of every `send`: as for `recv`, and a peer that is gone is an error and not a signal.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
/// Flags of every `send`: as for `recv` (no-msg-nosignal).
#[cfg(target_vendor = "apple")]
pub(crate) const SEND_FLAGS: c_int = libc::MSG_DONTWAIT;

/// Makes a write to a socket whose peer is gone an error and not a signal (no-msg-nosignal).
#[cfg_attr(
    not(target_vendor = "apple"),
    expect(clippy::unnecessary_wraps, reason = "it can fail on Apple's systems")
)]
pub(crate) fn silence(socket: RawFd) -> Result<(), Error> {
    #[cfg(target_vendor = "apple")]
    return set_option(socket, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, 1);
    #[cfg(not(target_vendor = "apple"))]
    {
        let _ = socket;
        Ok(())
    }
}

/// Returns true if a descriptor is a socket.
pub(crate) fn is_socket(fd: BorrowedFd<'_>) -> bool {
    option(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TYPE).is_ok()
}

/// Returns true if a descriptor is a listening socket.
pub(crate) fn is_listener(socket: RawFd) -> bool {
    option(socket, libc::SOL_SOCKET, libc::SO_ACCEPTCONN).is_ok_and(|value| value != 0)
}

/// Keeps a descriptor from programs that are started.
pub(crate) fn close_on_exec(fd: RawFd) -> Result<(), Error> {
    // SAFETY: the call takes no pointers.
    errno::check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Makes small messages leave at once. Failures are ignored: a source that is no TCP socket has no
/// such delay, and the first read of a connection that is gone returns the reason.
pub(crate) fn set_no_delay(stream: RawFd) {
    let _ = set_option(stream, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
}

/// Returns true if small messages leave at once.
#[cfg(test)]
pub(crate) fn no_delay(stream: RawFd) -> Result<bool, Error> {
    option(stream, libc::IPPROTO_TCP, libc::TCP_NODELAY).map(|value| value != 0)
}

/// Lets a listener take an address whose earlier connections are not over yet.
pub(crate) fn set_reuse_address(listener: RawFd) -> Result<(), Error> {
    set_option(listener, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)
}

/// Lets other listeners have the same address, among which the system shares out connections
/// (reuse-port).
pub(crate) fn set_reuse_port(listener: RawFd) -> Result<(), Error> {
    #[cfg(target_os = "freebsd")]
    let name = libc::SO_REUSEPORT_LB;
    #[cfg(not(any(target_os = "freebsd", target_os = "illumos", target_os = "solaris")))]
    let name = libc::SO_REUSEPORT;
    #[cfg(not(any(target_os = "illumos", target_os = "solaris")))]
    return set_option(listener, libc::SOL_SOCKET, name, 1);
    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    {
        let _ = listener;
        Err(Error::new(ErrorKind::Unsupported))
    }
}

/// Restricts a socket with an IPv6 address to IPv6, or not.
pub(crate) fn set_v6_only(socket: RawFd, is_v6_only: bool) -> Result<(), Error> {
    set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, c_int::from(is_v6_only))
}

/// Enables probes of silent peers (keep-alive-names).
pub(crate) fn set_keep_alive(socket: RawFd, keep_alive: &KeepAlive) -> Result<(), Error> {
    #[cfg(target_vendor = "apple")]
    const IDLE: c_int = libc::TCP_KEEPALIVE;
    #[cfg(not(any(target_vendor = "apple", target_os = "openbsd")))]
    const IDLE: c_int = libc::TCP_KEEPIDLE;
    set_option(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    #[cfg(not(target_os = "openbsd"))]
    for (name, value) in [
        (IDLE, keep_alive.idle_seconds()),
        (libc::TCP_KEEPINTVL, keep_alive.interval_seconds()),
        (libc::TCP_KEEPCNT, u32::from(keep_alive.probes_max())),
    ] {
        set_option(socket, libc::IPPROTO_TCP, name, value.cast_signed())?;
    }
    #[cfg(target_os = "openbsd")]
    let _ = keep_alive;
    Ok(())
}

/// Returns whether silent peers are probed.
#[cfg(test)]
pub(crate) fn keeps_alive(socket: RawFd) -> Result<bool, Error> {
    option(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE).map(|value| value != 0)
}

/// Returns the address of this end of a socket.
pub(crate) fn local_address(socket: RawFd) -> Result<SocketAddr, Error> {
    // SAFETY: the pointers that `ask` gives are valid for the call.
    RawAddress::query(|address, length| unsafe { libc::getsockname(socket, address, length) })
}

/// Returns the address of the other end of a connection.
pub(crate) fn peer_address(socket: RawFd) -> Result<SocketAddr, Error> {
    // SAFETY: the pointers that `ask` gives are valid for the call.
    RawAddress::query(|address, length| unsafe { libc::getpeername(socket, address, length) })
}

/// Sets a socket option that is a number.
pub(crate) fn set_option(
    socket: RawFd,
    level: c_int,
    name: c_int,
    value: c_int,
) -> Result<(), Error> {
    // SAFETY: `value` is valid for reads of its size.
    let result = unsafe {
        libc::setsockopt(socket, level, name, (&raw const value).cast(), length_of::<c_int>())
    };
    errno::check(result).map(drop)
}

/// Returns a socket option that is a number.
pub(crate) fn option(socket: RawFd, level: c_int, name: c_int) -> Result<c_int, Error> {
    let mut value: c_int = 0;
    let mut length = length_of::<c_int>();
    // SAFETY: `value` is valid for writes of `length` bytes.
    let result =
        unsafe { libc::getsockopt(socket, level, name, (&raw mut value).cast(), &raw mut length) };
    errno::check(result).map(|_| value)
}

/// Makes closing reset the connection.
pub(crate) fn reset_on_close(socket: RawFd) -> Result<(), Error> {
    set_linger(socket, libc::linger { l_onoff: 1, l_linger: 0 })
}

/// Makes closing return at once. Returns true if it could have blocked, or reset the connection.
pub(crate) fn clear_linger(socket: RawFd) -> Result<bool, Error> {
    let mut linger = libc::linger { l_onoff: 0, l_linger: 0 };
    let mut length = length_of::<libc::linger>();
    // SAFETY: `linger` is valid for writes of `length` bytes.
    let result = unsafe {
        let value = (&raw mut linger).cast();
        libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_LINGER, value, &raw mut length)
    };
    errno::check(result)?;
    if linger.l_onoff == 0 {
        return Ok(false);
    }
    set_linger(socket, libc::linger { l_onoff: 0, l_linger: 0 })?;
    Ok(true)
}

/// Sets if closing sends or drops the bytes that were not sent yet.
fn set_linger(socket: RawFd, linger: libc::linger) -> Result<(), Error> {
    // SAFETY: `linger` is valid for reads of its size.
    let result = unsafe {
        let value = (&raw const linger).cast();
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            value,
            length_of::<libc::linger>(),
        )
    };
    errno::check(result).map(drop)
}

/// Returns the size of a type as system calls take it.
#[expect(clippy::cast_possible_truncation, reason = "the types are a few bytes")]
pub(crate) const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::file::pipe;

    #[test]
    fn new_descriptors_neither_block_nor_are_inherited() {
        let (read, write) = pipe().unwrap();
        let stream = socket(libc::AF_INET, libc::SOCK_STREAM).unwrap();
        for fd in [&read, &write, &stream] {
            // SAFETY: the calls take no pointers.
            let (status, flags) = unsafe {
                (
                    libc::fcntl(fd.as_raw_fd(), libc::F_GETFL),
                    libc::fcntl(fd.as_raw_fd(), libc::F_GETFD),
                )
            };
            assert_ne!(status & libc::O_NONBLOCK, 0);
            assert_ne!(flags & libc::FD_CLOEXEC, 0);
        }
        assert!(is_socket(stream.as_fd()));
        assert!(!is_socket(read.as_fd()));
    }
}
