//! Errors of WASI 0.2.

use selkie_core::{Error, ErrorKind};

use crate::p2::imports::{ErrorCode, INVALID_STATE, StreamError, WOULD_BLOCK};

/// Converts a case of `wasi:sockets/network.error-code`. The code of the error is the number of the
/// case plus one, since 0 means no code.
#[cold]
pub(crate) fn error(code: ErrorCode) -> Error {
    let kind = match code {
        1 => ErrorKind::PermissionDenied,
        2 => ErrorKind::Unsupported,
        3 | 17 => ErrorKind::InvalidInput,
        4 => ErrorKind::OutOfMemory,
        5 => ErrorKind::TimedOut,
        WOULD_BLOCK => ErrorKind::WouldBlock,
        INVALID_STATE => ErrorKind::NotConnected,
        10 => ErrorKind::OutOfDescriptors,
        // Also a name that has no address.
        11 | 18 | 20 => ErrorKind::AddressUnavailable,
        12 => ErrorKind::AddressInUse,
        13 => ErrorKind::Unreachable,
        14 => ErrorKind::ConnectionRefused,
        15 => ErrorKind::ConnectionReset,
        16 => ErrorKind::ConnectionAborted,
        _ => ErrorKind::Other,
    };
    Error::with_code(kind, i32::from(code) + 1)
}

/// Converts the error of a call that may have nothing to do yet.
#[inline]
pub(crate) fn non_blocking(code: ErrorCode) -> Error {
    if code == WOULD_BLOCK { Error::WOULD_BLOCK } else { error(code) }
}

/// Converts the error of a write.
#[cold]
pub(crate) fn write_error(error: StreamError) -> Error {
    Error::new(match error {
        // no-reason: on an established connection this is a reset.
        StreamError::Failed => ErrorKind::ConnectionReset,
        StreamError::Closed => ErrorKind::BrokenPipe,
    })
}
