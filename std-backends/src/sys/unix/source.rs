//! Sources: descriptors.

use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};

use selkie_core::Error;

use super::errno;

pub(crate) use std::os::fd::{
    BorrowedFd as BorrowedSource, OwnedFd as OwnedSource, RawFd as RawSource,
};

/// A number that no source has.
pub(crate) const NONE: RawSource = -1;

/// Returns the number of a source.
#[inline]
pub(crate) fn raw(source: &impl AsRawFd) -> RawSource {
    source.as_raw_fd()
}

/// Returns the number of a source that is given up: the caller is its owner from now on.
pub(crate) fn into_raw(source: OwnedSource) -> RawSource {
    source.into_raw_fd()
}

/// Takes ownership of a source.
///
/// # Safety
///
/// The source is open, and has no other owner.
pub(crate) unsafe fn owned(source: RawSource) -> OwnedSource {
    // SAFETY: as the caller promises.
    unsafe { OwnedSource::from_raw_fd(source) }
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
    // SAFETY: the source was owned, and this call gives it up even if it fails.
    let closed = unsafe { libc::close(into_raw(source)) };
    match errno::check(closed) {
        Err(error) if error.code() != Some(libc::EINTR) => Err(error),
        _ => Ok(()),
    }
}
