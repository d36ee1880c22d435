//! Errors of WASI 0.1.

use selkie_core::{Error, ErrorKind};

/// The kind of each errno.
const KINDS: [ErrorKind; 77] = {
    let mut kinds = [ErrorKind::Other; 77];
    let mut next = 0;
    while next < MEANINGS.len() {
        let (errno, kind) = MEANINGS[next];
        kinds[errno.raw() as usize] = kind;
        next += 1;
    }
    kinds
};

/// Kinds other than [`ErrorKind::Other`].
const MEANINGS: [(wasi::Errno, ErrorKind); 24] = [
    (wasi::ERRNO_BADF, ErrorKind::InvalidSource),
    (wasi::ERRNO_NOTSOCK, ErrorKind::InvalidSource),
    (wasi::ERRNO_INVAL, ErrorKind::InvalidInput),
    (wasi::ERRNO_NOTSUP, ErrorKind::Unsupported),
    (wasi::ERRNO_NOSYS, ErrorKind::Unsupported),
    (wasi::ERRNO_AGAIN, ErrorKind::WouldBlock),
    (wasi::ERRNO_ACCES, ErrorKind::PermissionDenied),
    (wasi::ERRNO_PERM, ErrorKind::PermissionDenied),
    (wasi::ERRNO_NOTCAPABLE, ErrorKind::PermissionDenied),
    (wasi::ERRNO_CONNREFUSED, ErrorKind::ConnectionRefused),
    // reset-as-io: some hosts report a reset as IO.
    (wasi::ERRNO_CONNRESET, ErrorKind::ConnectionReset),
    (wasi::ERRNO_NETRESET, ErrorKind::ConnectionReset),
    (wasi::ERRNO_IO, ErrorKind::ConnectionReset),
    (wasi::ERRNO_CONNABORTED, ErrorKind::ConnectionAborted),
    (wasi::ERRNO_NOTCONN, ErrorKind::NotConnected),
    (wasi::ERRNO_PIPE, ErrorKind::BrokenPipe),
    (wasi::ERRNO_TIMEDOUT, ErrorKind::TimedOut),
    (wasi::ERRNO_HOSTUNREACH, ErrorKind::Unreachable),
    (wasi::ERRNO_NETUNREACH, ErrorKind::Unreachable),
    (wasi::ERRNO_NETDOWN, ErrorKind::Unreachable),
    (wasi::ERRNO_MFILE, ErrorKind::OutOfDescriptors),
    (wasi::ERRNO_NFILE, ErrorKind::OutOfDescriptors),
    (wasi::ERRNO_NOMEM, ErrorKind::OutOfMemory),
    (wasi::ERRNO_NOBUFS, ErrorKind::OutOfMemory),
];

/// Converts an errno of the host.
#[cold]
#[inline(never)]
pub(crate) fn error(errno: wasi::Errno) -> Error {
    let kind = KINDS.get(usize::from(errno.raw())).copied().unwrap_or(ErrorKind::Other);
    Error::with_code(kind, i32::from(errno.raw()))
}

/// Converts the errno of a call that may have nothing to do yet.
#[inline]
pub(crate) fn non_blocking(errno: wasi::Errno) -> Error {
    if errno == wasi::ERRNO_AGAIN { Error::WOULD_BLOCK } else { error(errno) }
}
