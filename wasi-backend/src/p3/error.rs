//! Errors of WASI 0.3.

use selkie_core::{Error, ErrorKind};

/// Converts a case of `wasi:sockets/types.error-code`. The code of the error is the number of the
/// case plus one, since 0 means no code.
#[cold]
pub(super) const fn error(case: u32) -> Error {
    let kind = match case {
        0 => ErrorKind::PermissionDenied,
        1 => ErrorKind::Unsupported,
        2 => ErrorKind::InvalidInput,
        3 => ErrorKind::OutOfMemory,
        4 => ErrorKind::TimedOut,
        5 => ErrorKind::NotConnected,
        6 => ErrorKind::AddressUnavailable,
        7 => ErrorKind::AddressInUse,
        8 => ErrorKind::Unreachable,
        9 => ErrorKind::ConnectionRefused,
        10 => ErrorKind::BrokenPipe,
        11 => ErrorKind::ConnectionReset,
        12 => ErrorKind::ConnectionAborted,
        _ => ErrorKind::Other,
    };
    Error::with_code(kind, case.cast_signed() + 1)
}
