//! Unix.

use std::fs::File;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use std::{io, mem};

use selkie_core::Error;
use selkie_std::raise_descriptor_limit;

use super::from_io;

pub(crate) type Owned = OwnedFd;
pub(crate) type Borrowed<'a> = BorrowedFd<'a>;
pub(crate) type Raw = RawFd;
/// A far end of a connection.
pub(crate) type End = File;

/// A thread that signals interrupt.
pub(crate) struct Interrupted(libc::pthread_t);

// SAFETY: the name of a thread is valid in all threads.
unsafe impl Send for Interrupted {}

impl Interrupted {
    /// Prepares this thread for a signal that does nothing.
    pub(crate) fn this_thread() -> Result<Self, Error> {
        extern "C" fn nothing(_signal: libc::c_int) {}

        // SAFETY: all bits zero is a valid value of this struct: no flags, so calls are not
        // restarted, and an empty mask.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        // SAFETY: the action is valid for the call, and its handler does nothing.
        check(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) })?;
        // SAFETY: the call has no preconditions.
        Ok(Self(unsafe { libc::pthread_self() }))
    }

    /// Sends the signal.
    pub(crate) fn interrupt(&self) {
        // SAFETY: the target waits for this thread before it ends.
        unsafe { libc::pthread_kill(self.0, libc::SIGUSR1) };
    }
}

/// Ends the stream of a far end.
pub(crate) fn shutdown_write(end: &End) -> Result<(), Error> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::shutdown(end.as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

/// Makes closing reset a connection of TCP.
pub(crate) fn reset_on_close(end: &End) -> Result<(), Error> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: `linger` is valid for reads of its size.
    check(unsafe {
        let value = (&raw const linger).cast();
        let length = length_of::<libc::linger>();
        libc::setsockopt(end.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, length)
    })
    .map(drop)
}

/// Sends the urgent byte of TCP.
pub(crate) fn write_urgent(end: &End) -> Result<(), Error> {
    // SAFETY: the byte is valid for a read of its size.
    let sent = unsafe { libc::send(end.as_raw_fd(), c"!".as_ptr().cast(), 1, libc::MSG_OOB) };
    if sent == 1 { Ok(()) } else { Err(last()) }
}

/// Makes a pair of connected sockets.
pub(crate) fn pair() -> Result<(Owned, Owned), Error> {
    let (near, far) = UnixStream::pair().map_err(|error| from_io(&error))?;
    Ok((near.into(), far.into()))
}

/// Makes a pipe: the end to write to, and the end to read from.
pub(crate) fn one_way() -> Result<(Owned, Owned), Error> {
    let (read, write) = io::pipe().map_err(|error| from_io(&error))?;
    Ok((write.into(), read.into()))
}

/// Makes a socket that is not connected.
pub(crate) fn unconnected() -> Result<Owned, Error> {
    // SAFETY: the call takes no pointers.
    owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) })
}

/// Opens a regular file.
pub(crate) fn regular_file() -> Result<Owned, Error> {
    let file = std::env::current_exe().and_then(File::open).map_err(|error| from_io(&error))?;
    Ok(file.into())
}

/// Duplicates a descriptor.
pub(crate) fn duplicate(source: Borrowed<'_>) -> Result<Owned, Error> {
    source.as_fd().try_clone_to_owned().map_err(|error| from_io(&error))
}

/// Returns the number of a descriptor that is given up.
pub(crate) fn into_raw(fd: Owned) -> Raw {
    fd.into_raw_fd()
}

/// Returns the number of a descriptor.
pub(crate) fn raw(fd: Borrowed<'_>) -> Raw {
    fd.as_raw_fd()
}

/// Borrows a descriptor.
///
/// # Safety
///
/// The descriptor is open, or its number is given to no other file meanwhile.
pub(crate) unsafe fn borrowed(raw: Raw) -> Borrowed<'static> {
    // SAFETY: as the caller promises, nothing else is reached by it.
    unsafe { BorrowedFd::borrow_raw(raw) }
}

/// Reads from a descriptor.
pub(crate) fn read(source: Borrowed<'_>, buffer: &mut [u8]) -> Result<usize, Error> {
    // SAFETY: the buffer is valid for writes of its length.
    let count = unsafe { libc::read(source.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(count).map_err(|_| last())
}

/// Writes to a descriptor.
pub(crate) fn write(source: Borrowed<'_>, bytes: &[u8]) -> Result<usize, Error> {
    // SAFETY: the bytes are valid for reads of their length.
    let count = unsafe { libc::write(source.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(count).map_err(|_| last())
}

/// Closes a descriptor.
///
/// # Safety
///
/// The caller owns it, or has closed it on purpose.
pub(crate) unsafe fn close(raw: Raw) -> Result<(), Error> {
    // SAFETY: as the caller promises.
    check(unsafe { libc::close(raw) }).map(drop)
}

/// Nothing: no other test gets the number of a closed source, as all numbers are moved up.
pub(crate) struct Placeholder;

/// Closes a source behind the back of its selector.
///
/// # Safety
///
/// The caller owns it.
pub(crate) unsafe fn close_and_hold(raw: Raw) -> Result<Placeholder, Error> {
    // SAFETY: as the caller promises.
    unsafe { close(raw) }.map(|()| Placeholder)
}

/// Returns the processor time that this thread has used.
pub(crate) fn busy_time() -> Result<Duration, Error> {
    // SAFETY: all bits zero is a valid value of this struct of integers.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: `time` is a valid place for the result.
    check(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) })?;
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Ok(Duration::new(seconds.expect("not negative"), nanos.expect("below a second")))
}

/// Returns numbers for descriptors that a test closes behind its selector's back. Each is used once
/// before any is used again, so that no other test gets one while it is expected to be closed. Some
/// systems' `select` takes none from 1024 on.
fn numbers() -> Range<RawFd> {
    static NUMBERS: OnceLock<Range<RawFd>> = OnceLock::new();
    let numbers = NUMBERS.get_or_init(|| {
        if cfg!(target_vendor = "apple") {
            return 400..1_000;
        }
        // As many as can be had: where there are too few, the cases that need more are not
        // applicable.
        let limit =
            raise_descriptor_limit(16_384).or_else(|limit| raise_descriptor_limit(limit.allowed));
        let limit = limit.ok().and_then(|limit| RawFd::try_from(limit).ok()).unwrap_or(1_024);
        limit.min(4_000) / 2..limit.min(16_384)
    });
    numbers.clone()
}

/// Makes room for the descriptors of all tests that run at the same time.
pub(crate) fn raise_limit() {
    numbers();
}

/// Moves a descriptor to a number of its own, so that it can be closed without anybody else getting
/// the number.
#[expect(clippy::needless_pass_by_value, reason = "the old number is given up")]
pub(crate) fn moved(fd: OwnedFd) -> Result<OwnedFd, Error> {
    static NEXT: AtomicI32 = AtomicI32::new(0);
    let numbers = numbers();
    let number =
        numbers.start + NEXT.fetch_add(1, Ordering::Relaxed) % (numbers.end - numbers.start);
    // SAFETY: the call takes no pointers.
    owned(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number) })
}

/// Returns an address without a listener, for as long as the descriptor that has it is open.
pub(crate) fn refusing() -> Result<(OwnedFd, SocketAddr), Error> {
    // SAFETY: the call takes no pointers.
    let socket = owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) })?;
    // SAFETY: all bits zero is a valid value of this struct of integers.
    let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
    address.sin_family =
        libc::sa_family_t::try_from(libc::AF_INET).expect("families are small numbers");
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let mut length = length_of::<libc::sockaddr_in>();
    // SAFETY: the address is valid for reads of its length.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    // SAFETY: the address is valid for writes of its length, and so is the length.
    check(unsafe {
        libc::getsockname(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut length)
    })?;
    Ok((socket, ([127, 0, 0, 1], u16::from_be(address.sin_port)).into()))
}

/// Takes the descriptor that a call has just made.
fn owned(result: libc::c_int) -> Result<OwnedFd, Error> {
    let fd = check(result)?;
    // SAFETY: the descriptor is new, so it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(result: libc::c_int) -> Result<libc::c_int, Error> {
    if result < 0 { Err(last()) } else { Ok(result) }
}

fn last() -> Error {
    from_io(&io::Error::last_os_error())
}

/// Makes a descriptor non-blocking.
pub(crate) fn unblock(fd: &OwnedFd) -> Result<(), Error> {
    // SAFETY: the calls take no pointers.
    unsafe {
        let flags = check(libc::fcntl(fd.as_raw_fd(), libc::F_GETFL))?;
        check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK)).map(drop)
    }
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("a few bytes")
}
