//! What the errors of WASI 0.2 mean.

use selkie_core::{Error, ErrorKind};

use crate::imports::{ErrorCode, StreamError, WOULD_BLOCK};

/// The error that a case of `wasi:sockets/network.error-code` stands for. Its number, counted from
/// one, is the platform's code, since zero is none.
#[cold]
pub(crate) fn error(code: ErrorCode) -> Error {
    let kind = match code {
        1 => ErrorKind::PermissionDenied,
        2 => ErrorKind::Unsupported,
        3 | 17 => ErrorKind::InvalidInput,
        4 => ErrorKind::OutOfMemory,
        5 => ErrorKind::TimedOut,
        WOULD_BLOCK => ErrorKind::WouldBlock,
        9 => ErrorKind::NotConnected,
        10 => ErrorKind::OutOfDescriptors,
        11 => ErrorKind::AddressUnavailable,
        12 => ErrorKind::AddressInUse,
        13 => ErrorKind::Unreachable,
        14 => ErrorKind::ConnectionRefused,
        15 => ErrorKind::ConnectionReset,
        16 => ErrorKind::ConnectionAborted,
        _ => ErrorKind::Other,
    };
    Error::with_code(kind, i32::from(code) + 1)
}

/// The same for a call that may find nothing to do yet.
#[inline]
pub(crate) fn non_blocking(code: ErrorCode) -> Error {
    if code == WOULD_BLOCK { Error::WOULD_BLOCK } else { error(code) }
}

/// The error of a write.
#[cold]
pub(crate) fn write_error(error: StreamError) -> Error {
    Error::new(match error {
        // (e)
        StreamError::Failed => ErrorKind::ConnectionReset,
        StreamError::Closed => ErrorKind::BrokenPipe,
    })
}
