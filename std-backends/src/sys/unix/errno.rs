//! Conversion of the system's error numbers to the errors of the contracts.

use selkie_core::{Error, ErrorKind};

/// Returns the contracts' error for an error number, which stays in [`Error::code`].
#[must_use]
pub const fn from_errno(code: i32) -> Error {
    let kind = match code {
        libc::EEXIST => ErrorKind::AlreadyRegistered,
        libc::ENOENT => ErrorKind::NotRegistered,
        libc::EBADF => ErrorKind::InvalidSource,
        libc::EINVAL | libc::EMSGSIZE | libc::EDESTADDRREQ => ErrorKind::InvalidInput,
        libc::EAFNOSUPPORT
        | libc::EOPNOTSUPP
        | libc::EPROTONOSUPPORT
        | libc::ENOSYS
        | libc::ENOTSOCK => ErrorKind::Unsupported,
        libc::EAGAIN | libc::EINPROGRESS | libc::EALREADY => ErrorKind::WouldBlock,
        libc::EADDRINUSE => ErrorKind::AddressInUse,
        libc::EADDRNOTAVAIL => ErrorKind::AddressUnavailable,
        libc::EPERM | libc::EACCES => ErrorKind::PermissionDenied,
        libc::ECONNREFUSED => ErrorKind::ConnectionRefused,
        libc::ECONNRESET => ErrorKind::ConnectionReset,
        libc::ECONNABORTED => ErrorKind::ConnectionAborted,
        libc::ENOTCONN => ErrorKind::NotConnected,
        libc::EPIPE => ErrorKind::BrokenPipe,
        libc::ETIMEDOUT => ErrorKind::TimedOut,
        libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EHOSTDOWN | libc::ENETDOWN => {
            ErrorKind::Unreachable
        }
        libc::EMFILE | libc::ENFILE => ErrorKind::OutOfDescriptors,
        libc::ENOMEM | libc::ENOBUFS => ErrorKind::OutOfMemory,
        libc::ENOSPC => ErrorKind::Full,
        _ => ErrorKind::Other,
    };
    Error::with_code(kind, code)
}

/// The number of a call that a signal interrupted.
pub(crate) const INTERRUPTED: i32 = libc::EINTR;

/// The number of a call that would block.
pub(crate) const WOULD_BLOCK: i32 = libc::EAGAIN;

/// The number of an `accept` whose connection is gone already.
#[cfg(test)]
pub(crate) const ABORTED: i32 = libc::ECONNABORTED;

/// Returns true for the number of a waiting call that found no memory. `poll` and `select` need
/// memory for what they wait for: Linux then returns ENOMEM, other systems EAGAIN.
pub(crate) const fn is_memory_shortage(code: i32) -> bool {
    matches!(code, libc::EAGAIN | libc::ENOMEM)
}

/// Returns true for the number of an `accept` that failed for the new connection only.
pub(crate) const fn is_of_connection(code: i32) -> bool {
    matches!(
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
    )
}

/// Returns the place of the calling thread's error number.
fn location() -> *mut libc::c_int {
    // SAFETY: the function has no preconditions.
    #[cfg(any(target_os = "linux", target_os = "dragonfly"))]
    let location = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    let location = unsafe { libc::__error() };
    // SAFETY: as above.
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    let location = unsafe { libc::__errno() };
    // SAFETY: as above.
    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    let location = unsafe { libc::___errno() };
    location
}

/// Returns the calling thread's error number.
#[inline]
pub(crate) fn number() -> i32 {
    // SAFETY: the location is valid for reads as long as the thread runs.
    unsafe { *location() }
}

/// Restores an error number, for code that may run in a signal handler and must not change it.
pub(crate) fn restore(number: i32) {
    // SAFETY: the location is valid for writes as long as the thread runs.
    unsafe { *location() = number }
}

/// Returns the error of this thread's last failed call.
pub(crate) fn last() -> Error {
    from_errno(number())
}

/// Returns the result of a call that returns -1 when it fails.
pub(crate) fn check(result: libc::c_int) -> Result<libc::c_int, Error> {
    if result < 0 { Err(last()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_meaning() {
        assert_eq!(from_errno(libc::EMFILE).kind(), ErrorKind::OutOfDescriptors);
        assert_eq!(from_errno(libc::ENOBUFS).kind(), ErrorKind::OutOfMemory);
        assert_eq!(from_errno(libc::EMFILE).code(), Some(libc::EMFILE));
        assert_eq!(from_errno(i32::MAX).kind(), ErrorKind::Other);
    }

    #[test]
    fn a_failed_accept_is_the_connections_or_the_listeners() {
        assert!(is_of_connection(libc::EPROTO));
        for code in [libc::EMFILE, libc::ENOBUFS, libc::EBADF] {
            assert!(!is_of_connection(code));
        }
    }

    #[test]
    fn a_failed_call_is_told_by_its_number() {
        // SAFETY: closing a descriptor that cannot exist touches none.
        let error = check(unsafe { libc::close(-1) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSource);
        restore(libc::EINTR);
        assert_eq!(number(), libc::EINTR);
    }
}
