//! Sockets: making them, and their options.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *start-up*: Winsock refuses every call until the process has started it up.
//! * *inheritable*: a socket that `accept` makes is inherited by child processes, unless that is
//!   changed afterwards.
//! * *reuse-hijacks*: `SO_REUSEADDR` lets a listener take the port of another that still listens.
//!   An address in `TIME_WAIT` can be taken without it.
//! * *ten-probes*: systems before version 1703 of Windows 10 send ten probes to a silent peer, and
//!   take no other number.
//! * *udp-reset*: a datagram that no one took makes a later `recvfrom` fail with WSAECONNRESET,
//!   unless that is switched off.

use std::net::SocketAddr;
use std::ptr::{null, null_mut};
use std::sync::Once;

use selkie_core::platform::KeepAlive;
use selkie_core::{Error, ErrorKind};
use windows_sys::Win32::Foundation::{HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation};
#[cfg(test)]
use windows_sys::Win32::Networking::WinSock::SO_KEEPALIVE;
use windows_sys::Win32::Networking::WinSock::{
    self, FIONBIO, IPPROTO_IPV6, IPPROTO_TCP, IPV6_V6ONLY, LINGER, MSG_PEEK, SD_SEND,
    SIO_KEEPALIVE_VALS, SIO_UDP_CONNRESET, SO_ACCEPTCONN, SO_ERROR, SO_LINGER, SO_TYPE, SOCK_DGRAM,
    SOCK_STREAM, SOL_SOCKET, TCP_KEEPCNT, TCP_NODELAY, WSA_FLAG_NO_HANDLE_INHERIT,
    WSA_FLAG_OVERLAPPED, WSADATA, WSAEWOULDBLOCK, WSAIoctl, WSASocketW, WSAStartup, tcp_keepalive,
};

use super::address::RawAddress;
use super::errno;
use super::select;
use super::source::{self, BorrowedSource, OwnedSource, RawSource, raw, winsock};

/// True if accepted connections inherit `TCP_NODELAY` from their listener.
pub(crate) const INHERITS_NO_DELAY: bool = false;

/// Starts Winsock up (start-up). A failure shows in the first call that needs it.
pub(crate) fn start_up() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // SAFETY: all bits zero is a valid value of this struct of integers and pointers.
        let mut data: WSADATA = unsafe { std::mem::zeroed() };
        // SAFETY: `data` is a valid place for the result. It is never cleaned up: the system does
        // so when the process ends.
        unsafe { WSAStartup(0x202, &raw mut data) };
    });
}

/// Takes ownership of the socket that a call has just made, or returns its error.
fn owned(socket: WinSock::SOCKET) -> Result<OwnedSource, Error> {
    if socket == WinSock::INVALID_SOCKET {
        return Err(errno::last());
    }
    // SAFETY: the socket is new, so it has no other owner.
    Ok(unsafe { source::owned(socket as RawSource) })
}

/// Makes a socket of a domain and a type.
fn socket(domain: i32, kind: i32) -> Result<OwnedSource, Error> {
    start_up();
    let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    // SAFETY: a null pointer means that no protocol in particular is asked for.
    let socket = owned(unsafe { WSASocketW(domain, kind, 0, null(), 0, flags) })?;
    set_nonblocking(raw(&socket))?;
    Ok(socket)
}

/// Makes a socket for streams to or from an address.
pub(crate) fn stream(address: &RawAddress) -> Result<OwnedSource, Error> {
    socket(address.domain(), SOCK_STREAM)
}

/// Makes a socket for datagrams to or from an address.
pub(crate) fn datagram(address: &RawAddress) -> Result<OwnedSource, Error> {
    let socket = socket(address.domain(), SOCK_DGRAM)?;
    // udp-reset: a system that does not know the option has no such error either.
    let _ = control(raw(&socket), SIO_UDP_CONNRESET, &0_u32);
    Ok(socket)
}

/// Binds a socket to its address.
pub(crate) fn bind(socket: RawSource, address: &RawAddress) -> Result<(), Error> {
    // SAFETY: the pointer and the length are those of a valid address.
    errno::check(unsafe { WinSock::bind(winsock(socket), address.as_ptr(), address.length()) })
        .map(drop)
}

/// Makes a bound socket a listener.
pub(crate) fn listen(socket: RawSource, backlog: i32) -> Result<(), Error> {
    // SAFETY: the call takes no pointers.
    errno::check(unsafe { WinSock::listen(winsock(socket), backlog) }).map(drop)
}

/// Begins to connect a socket.
pub(crate) fn connect(socket: RawSource, address: &RawAddress) -> Result<(), Error> {
    // SAFETY: the pointer and the length are those of a valid address.
    let result = unsafe { WinSock::connect(winsock(socket), address.as_ptr(), address.length()) };
    match errno::check(result) {
        Err(error) if error.code() != Some(WSAEWOULDBLOCK) => Err(error),
        _ => Ok(()),
    }
}

/// Ends the stream of a socket to its peer.
pub(crate) fn shutdown_write(socket: RawSource) -> Result<(), Error> {
    // SAFETY: the call takes no pointers.
    errno::check(unsafe { WinSock::shutdown(winsock(socket), SD_SEND) }).map(drop)
}

/// Accepts a waiting connection, and writes the address of its other end to `peer`.
pub(crate) fn accept(listener: RawSource, peer: &mut RawAddress) -> Result<OwnedSource, Error> {
    let result = peer.fill(|address, length| {
        // SAFETY: the pointers that `fill` gives are valid for the call.
        unsafe { WinSock::accept(winsock(listener), address, length) }
    });
    let socket = owned(result)?;
    // inheritable: a failure means only that a child process may get the socket too.
    let _ = close_on_exec(raw(&socket));
    set_nonblocking(raw(&socket))?;
    Ok(socket)
}

/// Prepares a socket that was opened elsewhere.
pub(crate) fn adopt(socket: BorrowedSource<'_>) -> Result<(), Error> {
    set_nonblocking(raw(&socket))
}

/// Makes a socket non-blocking.
fn set_nonblocking(socket: RawSource) -> Result<(), Error> {
    let mut on = 1;
    // SAFETY: `on` is valid for reads and writes.
    errno::check(unsafe { WinSock::ioctlsocket(winsock(socket), FIONBIO, &raw mut on) }).map(drop)
}

/// Returns true if a connection attempt has ended, either way.
pub(crate) fn has_ended(socket: RawSource) -> bool {
    select::has_ended(socket)
}

/// Returns the failure that is pending on a socket.
pub(crate) fn pending_error(socket: RawSource) -> Result<(), Error> {
    match option(socket, SOL_SOCKET, SO_ERROR)? {
        0 => Ok(()),
        code => Err(errno::from_errno(code)),
    }
}

/// Returns the failure of a socket whose peer is gone: that of a look at the next byte, which takes
/// nothing.
pub(crate) fn check(socket: RawSource) -> Result<(), Error> {
    pending_error(socket)?;
    let mut byte = 0_u8;
    // SAFETY: `byte` is valid for a write of one byte.
    let result = unsafe { WinSock::recv(winsock(socket), (&raw mut byte).cast(), 1, MSG_PEEK) };
    match errno::number() {
        _ if result >= 0 => Ok(()),
        errno::WOULD_BLOCK | errno::INTERRUPTED => Ok(()),
        code => Err(errno::from_errno(code)),
    }
}

/// Returns true if a source is a socket: always, as there is nothing else.
pub(crate) const fn is_socket(_source: BorrowedSource<'_>) -> bool {
    true
}

/// Returns true if a source is a listening socket.
pub(crate) fn is_listener(socket: RawSource) -> bool {
    option(socket, SOL_SOCKET, SO_ACCEPTCONN).is_ok_and(|value| value & 0xff != 0)
}

/// Keeps a socket from programs that are started.
pub(crate) fn close_on_exec(socket: RawSource) -> Result<(), Error> {
    let handle = winsock(socket) as HANDLE;
    // SAFETY: the handle is that of an open socket.
    errno::check_true(unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) })
}

/// Makes small messages leave at once. Failures are ignored: a source that is no TCP socket has no
/// such delay, and the first read of a connection that is gone returns the reason.
pub(crate) fn set_no_delay(stream: RawSource) {
    let _ = set_option(stream, IPPROTO_TCP, TCP_NODELAY, 1);
}

/// Returns true if small messages leave at once.
#[cfg(test)]
pub(crate) fn no_delay(stream: RawSource) -> Result<bool, Error> {
    option(stream, IPPROTO_TCP, TCP_NODELAY).map(|value| value & 0xff != 0)
}

/// Does nothing (reuse-hijacks).
#[expect(clippy::unnecessary_wraps, reason = "other systems can fail at this")]
pub(crate) const fn set_reuse_address(_listener: RawSource) -> Result<(), Error> {
    Ok(())
}

/// Refuses (reuse-hijacks): no option of this system shares out connections.
pub(crate) const fn set_reuse_port(_listener: RawSource) -> Result<(), Error> {
    Err(Error::new(ErrorKind::Unsupported))
}

/// Restricts a socket with an IPv6 address to IPv6, or not.
pub(crate) fn set_v6_only(socket: RawSource, is_v6_only: bool) -> Result<(), Error> {
    set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, i32::from(is_v6_only))
}

/// Makes the system probe silent peers (ten-probes).
pub(crate) fn set_keep_alive(socket: RawSource, keep_alive: &KeepAlive) -> Result<(), Error> {
    let times = tcp_keepalive {
        onoff: 1,
        keepalivetime: keep_alive.idle_seconds().saturating_mul(1000),
        keepaliveinterval: keep_alive.interval_seconds().saturating_mul(1000),
    };
    // ten-probes: the number of probes is refused by older systems.
    let _ = set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, i32::from(keep_alive.probes_max()));
    control(socket, SIO_KEEPALIVE_VALS, &times)
}

/// Returns true if silent peers are probed.
#[cfg(test)]
pub(crate) fn keeps_alive(socket: RawSource) -> Result<bool, Error> {
    option(socket, SOL_SOCKET, SO_KEEPALIVE).map(|value| value & 0xff != 0)
}

/// Passes a value to a control code of Winsock.
fn control<T>(socket: RawSource, code: u32, value: &T) -> Result<(), Error> {
    let mut length = 0;
    // SAFETY: the value is valid for reads of its size, and `length` is a valid place for the
    // result. Without an OVERLAPPED the call is over when it returns.
    let result = unsafe {
        WSAIoctl(
            winsock(socket),
            code,
            std::ptr::from_ref(value).cast(),
            length_of::<T>().cast_unsigned(),
            null_mut(),
            0,
            &raw mut length,
            null_mut(),
            None,
        )
    };
    errno::check(result).map(drop)
}

/// Returns the address of this end of a socket.
pub(crate) fn local_address(socket: RawSource) -> Result<SocketAddr, Error> {
    RawAddress::query(|address, length| {
        // SAFETY: the pointers that `ask` gives are valid for the call.
        unsafe { WinSock::getsockname(winsock(socket), address, length) }
    })
}

/// Returns the address of the other end of a connection.
pub(crate) fn peer_address(socket: RawSource) -> Result<SocketAddr, Error> {
    RawAddress::query(|address, length| {
        // SAFETY: the pointers that `ask` gives are valid for the call.
        unsafe { WinSock::getpeername(winsock(socket), address, length) }
    })
}

/// Sets a socket option that is a number.
fn set_option(socket: RawSource, level: i32, name: i32, value: i32) -> Result<(), Error> {
    // SAFETY: `value` is valid for reads of its size.
    let result = unsafe {
        let value = (&raw const value).cast();
        WinSock::setsockopt(winsock(socket), level, name, value, length_of::<i32>())
    };
    errno::check(result).map(drop)
}

/// Returns a socket option that is a number.
fn option(socket: RawSource, level: i32, name: i32) -> Result<i32, Error> {
    let mut value = 0_i32;
    let mut length = length_of::<i32>();
    // SAFETY: `value` is valid for writes of `length` bytes.
    let result = unsafe {
        let value = (&raw mut value).cast();
        WinSock::getsockopt(winsock(socket), level, name, value, &raw mut length)
    };
    errno::check(result).map(|_| value)
}

/// Makes closing reset the connection.
pub(crate) fn reset_on_close(socket: RawSource) -> Result<(), Error> {
    set_linger(socket, LINGER { l_onoff: 1, l_linger: 0 })
}

/// Makes closing return at once. Returns true if it could have blocked, or reset the connection.
pub(crate) fn clear_linger(socket: RawSource) -> Result<bool, Error> {
    let mut linger = LINGER { l_onoff: 0, l_linger: 0 };
    let mut length = length_of::<LINGER>();
    // SAFETY: `linger` is valid for writes of `length` bytes.
    let result = unsafe {
        let value = (&raw mut linger).cast();
        WinSock::getsockopt(winsock(socket), SOL_SOCKET, SO_LINGER, value, &raw mut length)
    };
    match errno::check(result) {
        Err(error) if error.kind() == ErrorKind::Unsupported || is_no_stream(socket) => {
            // A datagram socket has nothing to send when it is closed.
            return Ok(false);
        }
        result => result?,
    };
    if linger.l_onoff == 0 {
        return Ok(false);
    }
    set_linger(socket, LINGER { l_onoff: 0, l_linger: 0 })?;
    Ok(true)
}

/// Returns true if a socket has another type than that of streams.
fn is_no_stream(socket: RawSource) -> bool {
    option(socket, SOL_SOCKET, SO_TYPE).is_ok_and(|kind| kind != SOCK_STREAM)
}

/// Sets if closing sends or drops the bytes that were not sent yet.
fn set_linger(socket: RawSource, linger: LINGER) -> Result<(), Error> {
    // SAFETY: `linger` is valid for reads of its size.
    let result = unsafe {
        let value = (&raw const linger).cast();
        let length = length_of::<LINGER>();
        WinSock::setsockopt(winsock(socket), SOL_SOCKET, SO_LINGER, value, length)
    };
    errno::check(result).map(drop)
}

/// Returns the size of a type as system calls take it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the types are a few bytes"
)]
pub(crate) const fn length_of<T>() -> i32 {
    size_of::<T>() as i32
}
