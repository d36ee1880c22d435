//! Windows.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::windows::io::{
    AsRawHandle, AsRawSocket, AsSocket, BorrowedSocket, FromRawSocket, IntoRawSocket, OwnedSocket,
    RawSocket,
};
use std::ptr::null;
use std::time::Duration;

use selkie_core::{Error, ErrorKind};
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, FIONBIO, INVALID_SOCKET, LINGER, MSG_OOB, SO_LINGER, SOCK_STREAM, SOCKET, SOL_SOCKET,
    WSA_FLAG_OVERLAPPED, WSASocketW, closesocket, ioctlsocket, recv, send, setsockopt,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::Win32::System::Threading::{GetCurrentThread, GetThreadTimes};

use super::{from_io, settle};

pub(crate) type Owned = OwnedSocket;
pub(crate) type Borrowed<'a> = BorrowedSocket<'a>;
pub(crate) type Raw = RawSocket;
/// A far end of a connection.
pub(crate) type End = TcpStream;

/// A thread that signals interrupt: there are no signals.
pub(crate) enum Interrupted {}

impl Interrupted {
    /// Refuses.
    pub(crate) fn this_thread() -> Result<Self, Error> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Does nothing.
    pub(crate) fn interrupt(&self) {
        match *self {}
    }
}

/// Ends the stream of a far end.
pub(crate) fn shutdown_write(end: &End) -> Result<(), Error> {
    end.shutdown(std::net::Shutdown::Write).map_err(|error| from_io(&error))
}

/// Makes closing reset a connection. Wine sends the end of the stream before the reset, which the
/// other side then takes for an orderly end.
pub(crate) fn reset_on_close(end: &End) -> Result<(), Error> {
    if is_wine() {
        return Err(ErrorKind::Unsupported.into());
    }
    let linger = LINGER { l_onoff: 1, l_linger: 0 };
    // SAFETY: `linger` is valid for reads of its size.
    check(unsafe {
        let value = (&raw const linger).cast();
        setsockopt(winsock(end), SOL_SOCKET, SO_LINGER, value, length_of::<LINGER>())
    })
    .map(drop)
}

/// Returns true under Wine.
fn is_wine() -> bool {
    // SAFETY: the names are strings that end with a zero. The module is loaded in every process.
    unsafe {
        let module = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
        GetProcAddress(module, c"wine_get_version".as_ptr().cast()).is_some()
    }
}

/// Sends the urgent byte.
pub(crate) fn write_urgent(end: &End) -> Result<(), Error> {
    // SAFETY: the byte is valid for a read of its size.
    let sent = unsafe { send(winsock(end), c"!".as_ptr().cast(), 1, MSG_OOB) };
    if sent == 1 { Ok(()) } else { Err(last()) }
}

/// Makes a pair of connected sockets, by way of a listener.
pub(crate) fn pair() -> Result<(Owned, Owned), Error> {
    connected().map_err(|error| from_io(&error))
}

thread_local! {
    /// One listener for all pairs of a test, as making one takes Wine long.
    static LISTENER: std::io::Result<TcpListener> = TcpListener::bind("127.0.0.1:0");
}

fn connected() -> std::io::Result<(Owned, Owned)> {
    LISTENER.with(|listener| {
        let listener = listener.as_ref().map_err(std::io::Error::kind)?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        Ok((near.into(), far.into()))
    })
}

/// Refuses: a pipe is no socket.
pub(crate) fn one_way() -> Result<(Owned, Owned), Error> {
    Err(ErrorKind::Unsupported.into())
}

/// Makes a socket that is not connected.
pub(crate) fn unconnected() -> Result<Owned, Error> {
    // SAFETY: a null pointer means that no protocol in particular is asked for.
    let socket =
        unsafe { WSASocketW(AF_INET.into(), SOCK_STREAM, 0, null(), 0, WSA_FLAG_OVERLAPPED) };
    if socket == INVALID_SOCKET {
        return Err(last());
    }
    // SAFETY: the socket is new, so it has no other owner.
    Ok(unsafe { OwnedSocket::from_raw_socket(socket as RawSocket) })
}

/// Refuses: a file is no socket.
pub(crate) fn regular_file() -> Result<Owned, Error> {
    Err(ErrorKind::Unsupported.into())
}

/// Duplicates a socket.
pub(crate) fn duplicate(source: Borrowed<'_>) -> Result<Owned, Error> {
    source.as_socket().try_clone_to_owned().map_err(|error| from_io(&error))
}

/// Returns the number of a socket that is given up.
pub(crate) fn into_raw(socket: Owned) -> Raw {
    socket.into_raw_socket()
}

/// Returns the number of a socket.
pub(crate) fn raw(socket: Borrowed<'_>) -> Raw {
    socket.as_raw_socket()
}

/// Borrows a socket.
///
/// # Safety
///
/// The socket is open while it is used.
pub(crate) unsafe fn borrowed(raw: Raw) -> Borrowed<'static> {
    // SAFETY: as the caller promises.
    unsafe { BorrowedSocket::borrow_raw(raw) }
}

/// Reads from a socket.
pub(crate) fn read(source: Borrowed<'_>, buffer: &mut [u8]) -> Result<usize, Error> {
    let length = buffer.len().try_into().unwrap_or(i32::MAX);
    // SAFETY: the buffer is valid for writes of its length.
    let count = unsafe { recv(winsock(&source), buffer.as_mut_ptr(), length, 0) };
    usize::try_from(count).map_err(|_| last())
}

/// Writes to a socket.
pub(crate) fn write(source: Borrowed<'_>, bytes: &[u8]) -> Result<usize, Error> {
    let length = bytes.len().try_into().unwrap_or(i32::MAX);
    // SAFETY: the bytes are valid for reads of their length.
    let count = unsafe { send(winsock(&source), bytes.as_ptr(), length, 0) };
    usize::try_from(count).map_err(|_| last())
}

/// Closes a socket.
///
/// # Safety
///
/// The caller owns it.
pub(crate) unsafe fn close(raw: Raw) -> Result<(), Error> {
    // SAFETY: as the caller promises.
    check(unsafe { closesocket(number(raw)) }).map(drop)
}

/// A file that has got the number of a closed socket, so that no socket of another test gets it.
pub(crate) struct Placeholder {
    _file: File,
}

/// Closes a socket, and gives its number to a file. Refuses if another test was quicker.
///
/// # Safety
///
/// The caller owns it.
pub(crate) unsafe fn close_and_hold(raw: Raw) -> Result<Placeholder, Error> {
    const TRIES: usize = 64;
    let program = std::env::current_exe().map_err(|error| from_io(&error))?;
    let mut others = Vec::with_capacity(TRIES);
    // SAFETY: as the caller promises.
    unsafe { close(raw) }?;
    for _ in 0..TRIES {
        let file = File::open(&program).map_err(|error| from_io(&error))?;
        if file.as_raw_handle().addr() == number(raw) {
            return Ok(Placeholder { _file: file });
        }
        others.push(file);
    }
    Err(ErrorKind::Unsupported.into())
}

/// Returns the processor time that this thread has used.
pub(crate) fn busy_time() -> Result<Duration, Error> {
    let zero = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut created, mut ended, mut kernel, mut user) = (zero, zero, zero, zero);
    // SAFETY: the four are valid places for the results.
    let result = unsafe {
        GetThreadTimes(
            GetCurrentThread(),
            &raw mut created,
            &raw mut ended,
            &raw mut kernel,
            &raw mut user,
        )
    };
    if result == 0 {
        return Err(last());
    }
    let ticks =
        |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Ok(Duration::from_nanos(100 * (ticks(kernel) + ticks(user))))
}

/// Does nothing: there is no limit of sockets.
pub(crate) const fn raise_limit() {}

/// Returns the socket as it is: no number is safe from being given to another one.
#[expect(clippy::unnecessary_wraps, reason = "other systems can fail at this")]
pub(crate) fn moved(socket: Owned) -> Result<Owned, Error> {
    Ok(socket)
}

/// Returns an address without a listener, for as long as the socket that has it is open.
pub(crate) fn refusing() -> Result<(Owned, SocketAddr), Error> {
    // A socket that is connected to elsewhere has its port, and accepts no connection.
    let (near, far) = pair()?;
    let address = TcpStream::from(near.try_clone().map_err(|error| from_io(&error))?).local_addr();
    settle();
    drop(far);
    Ok((near, address.map_err(|error| from_io(&error))?))
}

fn check(result: i32) -> Result<i32, Error> {
    if result < 0 { Err(last()) } else { Ok(result) }
}

fn last() -> Error {
    from_io(&std::io::Error::last_os_error())
}

fn winsock(source: &impl AsRawSocket) -> SOCKET {
    number(source.as_raw_socket())
}

/// Returns the number of a socket as Winsock takes it.
#[expect(clippy::cast_possible_truncation, reason = "both have the size of a pointer")]
const fn number(raw: Raw) -> SOCKET {
    raw as SOCKET
}

fn length_of<T>() -> i32 {
    i32::try_from(size_of::<T>()).expect("a few bytes")
}

/// Makes a socket non-blocking.
pub(crate) fn unblock(socket: &Owned) -> Result<(), Error> {
    let mut on = 1;
    // SAFETY: `on` is valid for reads and writes.
    check(unsafe { ioctlsocket(winsock(socket), FIONBIO, &raw mut on) }).map(drop)
}
