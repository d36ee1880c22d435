//! What the errors of WASI 0.1 mean.

use selkie_core::{Error, ErrorKind};

/// The error that an errno of the system stands for.
#[cold]
pub(crate) fn error(errno: wasi::Errno) -> Error {
    let kind = match errno {
        wasi::ERRNO_BADF | wasi::ERRNO_NOTSOCK => ErrorKind::InvalidSource,
        wasi::ERRNO_INVAL => ErrorKind::InvalidInput,
        wasi::ERRNO_NOTSUP | wasi::ERRNO_NOSYS => ErrorKind::Unsupported,
        wasi::ERRNO_AGAIN => ErrorKind::WouldBlock,
        wasi::ERRNO_ACCES | wasi::ERRNO_PERM | wasi::ERRNO_NOTCAPABLE => ErrorKind::PermissionDenied,
        wasi::ERRNO_CONNREFUSED => ErrorKind::ConnectionRefused,
        // (d)
        wasi::ERRNO_CONNRESET | wasi::ERRNO_NETRESET | wasi::ERRNO_IO => ErrorKind::ConnectionReset,
        wasi::ERRNO_CONNABORTED => ErrorKind::ConnectionAborted,
        wasi::ERRNO_NOTCONN => ErrorKind::NotConnected,
        wasi::ERRNO_PIPE => ErrorKind::BrokenPipe,
        wasi::ERRNO_TIMEDOUT => ErrorKind::TimedOut,
        wasi::ERRNO_HOSTUNREACH | wasi::ERRNO_NETUNREACH | wasi::ERRNO_NETDOWN => ErrorKind::Unreachable,
        wasi::ERRNO_MFILE | wasi::ERRNO_NFILE => ErrorKind::OutOfDescriptors,
        wasi::ERRNO_NOMEM | wasi::ERRNO_NOBUFS => ErrorKind::OutOfMemory,
        _ => ErrorKind::Other,
    };
    Error::with_code(kind, i32::from(errno.raw()))
}

/// The same for a call that may find nothing to do yet.
#[inline]
pub(crate) fn non_blocking(errno: wasi::Errno) -> nb::Error<Error> {
    if errno == wasi::ERRNO_AGAIN { nb::Error::WouldBlock } else { nb::Error::Other(error(errno)) }
}
