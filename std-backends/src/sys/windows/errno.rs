//! Conversion of the system's error numbers, those of Winsock and of Windows itself, to the errors
//! of the contracts.

use selkie_core::{Error, ErrorKind};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER,
    ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_SUPPORTED, ERROR_OUTOFMEMORY,
    ERROR_TOO_MANY_OPEN_FILES, GetLastError, NTSTATUS, RtlNtStatusToDosError, SetLastError,
    WIN32_ERROR,
};
use windows_sys::Win32::Networking::WinSock;
use windows_sys::Win32::Networking::WinSock::{
    WSAEACCES, WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, WSAEALREADY, WSAEBADF,
    WSAECONNABORTED, WSAECONNREFUSED, WSAECONNRESET, WSAEDESTADDRREQ, WSAEFAULT, WSAEHOSTDOWN,
    WSAEHOSTUNREACH, WSAEINPROGRESS, WSAEINVAL, WSAEMFILE, WSAEMSGSIZE, WSAENETDOWN, WSAENETRESET,
    WSAENETUNREACH, WSAENOBUFS, WSAENOTCONN, WSAENOTSOCK, WSAEOPNOTSUPP, WSAEPROTONOSUPPORT,
    WSAESHUTDOWN, WSAETIMEDOUT, WSAEWOULDBLOCK,
};

/// Returns the contracts' error for an error number, which stays in [`Error::code`].
#[must_use]
pub const fn from_errno(code: i32) -> Error {
    let kind = match code {
        WSAEBADF => ErrorKind::InvalidSource,
        WSAEINVAL | WSAEMSGSIZE | WSAEDESTADDRREQ | WSAEFAULT => ErrorKind::InvalidInput,
        WSAEAFNOSUPPORT | WSAEOPNOTSUPP | WSAEPROTONOSUPPORT | WSAENOTSOCK => {
            ErrorKind::Unsupported
        }
        WSAEWOULDBLOCK | WSAEINPROGRESS | WSAEALREADY => ErrorKind::WouldBlock,
        WSAEADDRINUSE => ErrorKind::AddressInUse,
        WSAEADDRNOTAVAIL => ErrorKind::AddressUnavailable,
        WSAEACCES => ErrorKind::PermissionDenied,
        WSAECONNREFUSED => ErrorKind::ConnectionRefused,
        WSAECONNRESET | WSAENETRESET => ErrorKind::ConnectionReset,
        WSAECONNABORTED => ErrorKind::ConnectionAborted,
        WSAENOTCONN => ErrorKind::NotConnected,
        WSAESHUTDOWN => ErrorKind::BrokenPipe,
        WSAETIMEDOUT => ErrorKind::TimedOut,
        WSAEHOSTUNREACH | WSAENETUNREACH | WSAEHOSTDOWN | WSAENETDOWN => ErrorKind::Unreachable,
        WSAEMFILE => ErrorKind::OutOfDescriptors,
        WSAENOBUFS => ErrorKind::OutOfMemory,
        code => of_windows(code.cast_unsigned()),
    };
    Error::with_code(kind, code)
}

/// Returns the kind of an error number that is not Winsock's.
const fn of_windows(code: WIN32_ERROR) -> ErrorKind {
    match code {
        ERROR_INVALID_HANDLE => ErrorKind::InvalidSource,
        ERROR_INVALID_PARAMETER => ErrorKind::InvalidInput,
        ERROR_NOT_SUPPORTED => ErrorKind::Unsupported,
        ERROR_ACCESS_DENIED => ErrorKind::PermissionDenied,
        ERROR_BROKEN_PIPE => ErrorKind::BrokenPipe,
        ERROR_TOO_MANY_OPEN_FILES => ErrorKind::OutOfDescriptors,
        ERROR_NOT_ENOUGH_MEMORY | ERROR_OUTOFMEMORY | ERROR_NO_SYSTEM_RESOURCES => {
            ErrorKind::OutOfMemory
        }
        _ => ErrorKind::Other,
    }
}

/// Returns the error for a status of the kernel's own calls.
pub(crate) fn from_status(status: NTSTATUS) -> Error {
    // SAFETY: the function takes any number.
    from_errno(unsafe { RtlNtStatusToDosError(status) }.cast_signed())
}

/// The number of a call that was interrupted.
pub(crate) const INTERRUPTED: i32 = WinSock::WSAEINTR;

/// The number of a call that would block.
pub(crate) const WOULD_BLOCK: i32 = WSAEWOULDBLOCK;

/// The number of an `accept` whose connection is gone already.
#[cfg(test)]
pub(crate) const ABORTED: i32 = WSAECONNABORTED;

/// Returns true for the number of a waiting call that found no memory.
pub(crate) const fn is_memory_shortage(code: i32) -> bool {
    code == WSAENOBUFS
}

/// Returns true for the number of an `accept` that failed for the new connection only. Wine says of
/// one that was reset meanwhile that it is not connected.
pub(crate) const fn is_of_connection(code: i32) -> bool {
    matches!(code, WSAECONNRESET | WSAENETRESET | WSAETIMEDOUT | WSAENOTCONN)
}

/// Returns the calling thread's error number.
#[inline]
pub(crate) fn number() -> i32 {
    // SAFETY: the function has no preconditions. Winsock's numbers are kept in the same place.
    unsafe { GetLastError() }.cast_signed()
}

/// Restores an error number, for code whose caller may be about to read it.
pub(crate) fn restore(number: i32) {
    // SAFETY: the function has no preconditions.
    unsafe { SetLastError(number.cast_unsigned()) }
}

/// Returns the error of this thread's last failed call.
pub(crate) fn last() -> Error {
    from_errno(number())
}

/// Returns the result of a call that returns -1 when it fails.
pub(crate) fn check(result: i32) -> Result<i32, Error> {
    if result < 0 { Err(last()) } else { Ok(result) }
}

/// Checks the result of a call that returns 0 when it fails.
pub(crate) fn check_true(result: i32) -> Result<(), Error> {
    if result == 0 { Err(last()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Foundation::STATUS_INVALID_HANDLE;

    use super::*;

    #[test]
    fn numbers_keep_their_meaning() {
        assert_eq!(from_errno(WSAEMFILE).kind(), ErrorKind::OutOfDescriptors);
        assert_eq!(from_errno(WSAEMFILE).code(), Some(WSAEMFILE));
        assert_eq!(from_errno(i32::MAX).kind(), ErrorKind::Other);
        assert_eq!(from_status(STATUS_INVALID_HANDLE).kind(), ErrorKind::InvalidSource);
    }

    #[test]
    fn a_failed_call_is_told_by_its_number() {
        restore(WSAECONNREFUSED);
        assert_eq!(check(-1).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(check_true(0).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(number(), WSAECONNREFUSED);
    }
}
