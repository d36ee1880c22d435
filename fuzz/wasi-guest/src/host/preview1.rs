//! WASI 0.1: functions with the signatures of the crate `wasi`.

use preview1::{
    Ciovec, Errno, Event, Eventtype, Fd, Fdflags, Fdstat, Filetype, Iovec, Riflags, Sdflags, Size,
    Subscription,
};

use super::{array, byte, check, clock, drop_handle, issue, must_go_on, number};

type Outcome<T> = Result<T, Errno>;

/// Returns any errno at all.
fn errno() -> Errno {
    let number = u16::from(byte());
    // SAFETY: the type is a transparent wrapper of the number, of which every value is sound.
    unsafe { core::mem::transmute::<u16, Errno>(number) }
}

/// Returns a success in most cases.
fn verdict() -> Outcome<()> {
    if byte() < 200 { Ok(()) } else { Err(errno()) }
}

/// Opens a descriptor for the guest to adopt.
#[must_use]
pub fn open() -> Fd {
    issue()
}

/// Reports any readiness of any subscription.
///
/// # Safety
///
/// As in the crate `wasi`: there are so many subscriptions, and as many places for events.
pub unsafe fn poll_oneoff(
    subscriptions: *const Subscription,
    events: *mut Event,
    count: Size,
) -> Outcome<Size> {
    assert!(count > 0, "a call without subscriptions");
    verdict()?;
    let reported = usize::from(byte()).min(count);
    for place in 0..reported {
        // SAFETY: the caller promises that there are so many.
        let asked = unsafe { subscriptions.add(usize::from(byte()) % count).read() };
        let userdata = if byte() < 220 { asked.userdata } else { u64::from_le_bytes(array()) };
        let mut report = Event {
            userdata,
            error: preview1::ERRNO_SUCCESS,
            type_: preview1::EVENTTYPE_CLOCK,
            fd_readwrite: preview1::EventFdReadwrite { nbytes: number(), flags: byte().into() },
        };
        if byte() >= 200 {
            report.error = errno();
        }
        // SAFETY: a transparent wrapper of a byte, of which every value is sound.
        report.type_ = unsafe { core::mem::transmute::<u8, Eventtype>(byte()) };
        // SAFETY: the caller promises that there are so many places.
        unsafe { events.add(place).write(report) };
    }
    if reported == 0 && must_go_on() {
        // An error that ends a wait.
        return Err(preview1::ERRNO_NOSYS);
    }
    // The count, too, may be wrong.
    Ok(if byte() < 250 { reported } else { usize::from(byte()) })
}

/// Returns an arbitrary time.
///
/// # Safety
///
/// As in the crate `wasi`.
pub unsafe fn clock_time_get(_: preview1::Clockid, _: u64) -> Outcome<u64> {
    Ok(clock())
}

/// Receives an arbitrary number of bytes.
///
/// # Safety
///
/// As in the crate `wasi`.
pub unsafe fn sock_recv(fd: Fd, _: &[Iovec], _: Riflags) -> Outcome<(Size, u16)> {
    check(fd);
    verdict()?;
    Ok((size(), byte().into()))
}

/// Returns a byte count, sometimes more than there were bytes.
fn size() -> Size {
    usize::try_from(number()).unwrap_or(usize::MAX)
}

/// Accepts a connection, or fails.
///
/// # Safety
///
/// As in the crate `wasi`.
pub unsafe fn sock_accept(fd: Fd, _: Fdflags) -> Outcome<Fd> {
    check(fd);
    verdict()?;
    Ok(issue())
}

/// Shuts a direction down, or fails.
///
/// # Safety
///
/// As in the crate `wasi`.
pub unsafe fn sock_shutdown(fd: Fd, _: Sdflags) -> Outcome<()> {
    check(fd);
    verdict()
}

/// Reads an arbitrary number of bytes.
///
/// # Safety
///
/// As in the crate `wasi`.
pub unsafe fn fd_read(fd: Fd, _: &[Iovec]) -> Outcome<Size> {
    check(fd);
    verdict()?;
    Ok(size())
}

/// Writes an arbitrary number of bytes.
///
/// # Safety
///
/// As in the crate `wasi`.
pub unsafe fn fd_write(fd: Fd, _: &[Ciovec]) -> Outcome<Size> {
    check(fd);
    verdict()?;
    Ok(size())
}

/// Closes a descriptor, or fails.
///
/// # Safety
///
/// As in the crate `wasi`.
pub unsafe fn fd_close(fd: Fd) -> Outcome<()> {
    drop_handle(fd);
    verdict()
}

/// Returns arbitrary flags of a descriptor.
///
/// # Safety
///
/// As in the crate `wasi`.
pub unsafe fn fd_fdstat_get(_: Fd) -> Outcome<Fdstat> {
    verdict()?;
    // SAFETY: a transparent wrapper of a byte, of which every value is sound.
    let fs_filetype = unsafe { core::mem::transmute::<u8, Filetype>(byte()) };
    Ok(Fdstat { fs_filetype, fs_flags: byte().into(), fs_rights_base: 0, fs_rights_inheriting: 0 })
}

/// Sets flags of a descriptor, or fails.
///
/// # Safety
///
/// As in the crate `wasi`.
pub unsafe fn fd_fdstat_set_flags(_: Fd, _: Fdflags) -> Outcome<()> {
    verdict()
}
