//! The filters of a source: adding and deleting them, and what their events mean. The quirks are
//! those at the head of the selector.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use selkie_core::{Error, ErrorKind, Interest, Readiness, Token};

use super::sys;
use crate::memory::Zeroable;
use crate::sys::errno;

/// field-types: the type of a filter.
#[cfg(target_os = "netbsd")]
pub(super) type Filter = u32;
/// field-types: the type of a filter.
#[cfg(not(target_os = "netbsd"))]
pub(super) type Filter = i16;
/// field-types: the type of the flags.
#[cfg(target_os = "netbsd")]
pub(super) type Flags = u32;
/// field-types: the type of the flags.
#[cfg(not(target_os = "netbsd"))]
pub(super) type Flags = u16;
/// field-types: the type of a number of events.
#[cfg(target_os = "netbsd")]
pub(super) type Count = usize;
/// field-types: the type of a number of events.
#[cfg(not(target_os = "netbsd"))]
pub(super) type Count = std::ffi::c_int;

/// The filter of each direction, with its flags.
pub(super) const FILTERS: &[(Interest, Filter, u32)] = &[
    (Interest::READABLE, sys::EVFILT_READ, 0),
    (Interest::WRITABLE, sys::EVFILT_WRITE, 0),
    // urgent: a filter that only Apple's systems have.
    #[cfg(target_vendor = "apple")]
    (Interest::PRIORITY, sys::EVFILT_EXCEPT, sys::NOTE_OOB),
];

// SAFETY: a struct of integers, and of a pointer, which may be null.
unsafe impl Zeroable for sys::kevent {}

/// Makes the same change to the filter of each direction. Returns the first failure that matters;
/// the other changes are made.
pub(super) fn change(
    queue: BorrowedFd<'_>,
    fd: RawFd,
    token: Token,
    directions: Interest,
    flags: Flags,
) -> Result<(), Error> {
    if directions.is_empty() {
        return Ok(());
    }
    // SAFETY: `Zeroable` says that the zeroed value is valid.
    let mut changes: [sys::kevent; FILTERS.len()] = unsafe { std::mem::zeroed() };
    let mut count = 0;
    for &(_, filter, fflags) in FILTERS.iter().filter(|(wanted, ..)| directions.contains(*wanted)) {
        let change = &mut changes[count];
        change.ident = fd.cast_unsigned() as usize;
        change.filter = filter;
        // receipts: the call returns one for each change.
        change.flags = flags | sys::EV_RECEIPT;
        change.fflags = fflags;
        // late-event: an event with an old generation is dropped.
        change.udata = std::ptr::without_provenance_mut(token.generation() as usize);
        count += 1;
    }
    let (array, count) = (changes.as_mut_ptr(), counted(count));
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the array has at least `count` entries, which the call may overwrite with receipts
    // once it has read them, and the time is valid for the call.
    let result =
        unsafe { sys::kevent(queue.as_raw_fd(), array, count, array, count, &raw const at_once) };
    match errno::check(result) {
        Err(error) if error.code() != Some(libc::EINTR) => return Err(error),
        _ => {}
    }
    let receipts = &changes[..usize::try_from(result).unwrap_or(0)];
    receipts.iter().try_for_each(|receipt| receipt_result(receipt, flags))
}

/// Converts a number of changes or events to the type of the call.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "limited to 31 bits"
)]
pub(super) const fn counted(count: usize) -> Count {
    (if count > i32::MAX as usize { i32::MAX as usize } else { count }) as Count
}

/// Returns the interests that have a filter.
pub(super) fn watchable() -> Interest {
    FILTERS.iter().fold(Interest::NONE, |all, (interest, ..)| all | *interest)
}

/// Refuses an interest that has no filter (urgent). Removes [`Interest::HANGUP`] beside another
/// interest, which reports hang-ups too.
pub(super) fn supported(interest: Interest) -> Result<Interest, Error> {
    if interest == Interest::HANGUP {
        return Ok(interest);
    }
    let interest = interest - Interest::HANGUP;
    if watchable().contains(interest) {
        Ok(interest)
    } else {
        Err(Error::new(ErrorKind::Unsupported))
    }
}

/// Returns the directions that an interest is watched by.
pub(super) fn directions(interest: Interest) -> Interest {
    if interest == Interest::HANGUP {
        // hangup-by-edges: either direction may be the last to end.
        Interest::READABLE | Interest::WRITABLE
    } else {
        interest
    }
}

/// Returns the failure of a change, unless it is harmless (receipts, pipe-without-reader).
fn receipt_result(receipt: &sys::kevent, flags: Flags) -> Result<(), Error> {
    let code = error_code(receipt);
    let harmless = match code {
        libc::ENOENT | libc::EBADF => flags & sys::EV_DELETE != 0,
        libc::EPIPE => flags & sys::EV_ADD != 0,
        code => code == 0,
    };
    if harmless { Ok(()) } else { Err(errno::from_errno(code)) }
}

/// Returns the error number of a receipt or an event, or 0.
fn error_code(kernel: &sys::kevent) -> i32 {
    if kernel.flags & sys::EV_ERROR == 0 {
        0
    } else {
        i32::try_from(kernel.data).unwrap_or(i32::MAX)
    }
}

/// Returns the direction of a fetched event.
pub(super) fn direction(kernel: &sys::kevent) -> Interest {
    let filter = FILTERS.iter().find(|(_, filter, _)| *filter == kernel.filter);
    filter.map_or(Interest::NONE, |(interest, ..)| *interest)
}

/// Converts a fetched event.
pub(super) fn readiness(kernel: &sys::kevent) -> Readiness {
    let mut readiness = Readiness::from_bits(u32::from(direction(kernel).bits()));
    if kernel.flags & sys::EV_EOF != 0 {
        if kernel.filter == sys::EVFILT_READ {
            readiness |= Readiness::READ_CLOSED;
        }
        // The end of a connection that failed comes with its error.
        if kernel.fflags != 0 && direction(kernel) != Interest::PRIORITY {
            readiness |= Readiness::ERROR;
        }
    }
    if error_code(kernel) != 0 {
        readiness |= Readiness::ERROR;
    }
    readiness
}

/// Returns true if an event means that its direction will move nothing more.
pub(super) fn is_end(kernel: &sys::kevent) -> bool {
    kernel.flags & sys::EV_EOF != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(filter: Filter, flags: Flags) -> sys::kevent {
        // SAFETY: `Zeroable` says that the zeroed value is valid.
        let mut kernel: sys::kevent = unsafe { std::mem::zeroed() };
        kernel.filter = filter;
        kernel.flags = flags;
        kernel
    }

    #[test]
    fn converts() {
        assert_eq!(readiness(&kernel(sys::EVFILT_READ, 0)), Readiness::READABLE);
        assert_eq!(readiness(&kernel(sys::EVFILT_WRITE, 0)), Readiness::WRITABLE);
        let end = Readiness::READABLE | Readiness::READ_CLOSED;
        assert_eq!(readiness(&kernel(sys::EVFILT_READ, sys::EV_EOF)), end);
        let mut failed = kernel(sys::EVFILT_WRITE, sys::EV_EOF);
        failed.fflags = 1;
        assert_eq!(readiness(&failed), Readiness::ERROR | Readiness::WRITABLE);
    }

    #[test]
    #[allow(clippy::cast_lossless, reason = "the type differs from system to system")]
    fn receipts_that_mean_nothing_are_no_errors() {
        let mut receipt = kernel(sys::EVFILT_WRITE, sys::EV_ERROR);
        assert_eq!(receipt_result(&receipt, sys::EV_ADD), Ok(()));
        receipt.data = libc::EPIPE as _;
        assert_eq!(receipt_result(&receipt, sys::EV_ADD), Ok(()));
        receipt.data = libc::ENOENT as _;
        assert_eq!(receipt_result(&receipt, sys::EV_DELETE), Ok(()));
        assert!(receipt_result(&receipt, sys::EV_ADD).is_err());
    }
}
