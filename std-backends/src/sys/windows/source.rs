//! Sources: sockets.

use std::os::windows::io::{AsRawSocket, FromRawSocket, IntoRawSocket};

use selkie_core::Error;
use windows_sys::Win32::Networking::WinSock::{INVALID_SOCKET, SOCKET, closesocket};

use super::errno;

pub(crate) use std::os::windows::io::{
    BorrowedSocket as BorrowedSource, OwnedSocket as OwnedSource, RawSocket as RawSource,
};

/// A number that no source has.
pub(crate) const NONE: RawSource = INVALID_SOCKET as RawSource;

/// Returns the number of a source.
#[inline]
pub(crate) fn raw(source: &impl AsRawSocket) -> RawSource {
    source.as_raw_socket()
}

/// Returns the number of a source as Winsock takes it.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both have the size of a pointer")]
pub(super) const fn winsock(source: RawSource) -> SOCKET {
    source as SOCKET
}

/// Returns the number of a source that is given up: the caller is its owner from now on.
pub(crate) fn into_raw(source: OwnedSource) -> RawSource {
    source.into_raw_socket()
}

/// Takes ownership of a source.
///
/// # Safety
///
/// The source is open, and has no other owner.
pub(crate) unsafe fn owned(source: RawSource) -> OwnedSource {
    // SAFETY: as the caller promises.
    unsafe { OwnedSource::from_raw_socket(source) }
}

/// Borrows a source.
///
/// # Safety
///
/// The source stays open for the lifetime of the result.
pub(crate) unsafe fn borrowed<'a>(source: RawSource) -> BorrowedSource<'a> {
    // SAFETY: as the caller promises.
    unsafe { BorrowedSource::borrow_raw(source) }
}

/// Closes a source, and returns the failure that dropping it would hide.
pub(crate) fn close(source: OwnedSource) -> Result<(), Error> {
    // SAFETY: the source was owned, and this call gives it up. It can fail only where a lingering
    // close would block, and no socket of this crate lingers.
    errno::check(unsafe { closesocket(winsock(into_raw(source))) }).map(drop)
}
