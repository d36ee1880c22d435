//! Sources that are no sockets: on this system nothing else can be watched, so there are none.

use selkie_core::{Error, ErrorKind};
use windows_sys::Win32::Networking::WinSock::WSAENOTSOCK;

use super::errno;
use super::source::{BorrowedSource, RawSource};

/// The error of every operation on a file.
const REFUSED: Error = Error::new(ErrorKind::Unsupported);

/// The negative error number that no call of this system returns.
pub(crate) const END_OF_TERMINAL: isize = isize::MIN;

/// Refuses.
pub(crate) const fn set_nonblocking(_source: BorrowedSource<'_>) -> Result<bool, Error> {
    Err(REFUSED)
}

/// Refuses.
pub(crate) const fn set_blocking(_source: BorrowedSource<'_>) -> Result<(), Error> {
    Err(REFUSED)
}

/// Returns false.
pub(crate) const fn is_terminal(_source: RawSource) -> bool {
    false
}

/// Fails.
pub(crate) fn read(_source: RawSource, _buffer: &mut [u8]) -> isize {
    errno::restore(WSAENOTSOCK);
    -1
}

/// Fails.
pub(crate) fn write(_source: RawSource, _bytes: &[u8]) -> isize {
    errno::restore(WSAENOTSOCK);
    -1
}

/// Fails.
pub(crate) fn write_parts(_source: RawSource, _parts: &[&[u8]]) -> isize {
    errno::restore(WSAENOTSOCK);
    -1
}

/// Refuses.
pub(crate) const fn check(_source: RawSource) -> Result<(), Error> {
    Err(REFUSED)
}
