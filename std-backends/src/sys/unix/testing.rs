//! Sources for tests.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::source::{BorrowedSource, OwnedSource};

/// Returns the two ends of a connection.
pub(crate) fn pair() -> (OwnedSource, OwnedSource) {
    let (near, far) = UnixStream::pair().unwrap();
    (near.into(), far.into())
}

/// Lends a source.
pub(crate) fn lend(source: &OwnedSource) -> BorrowedSource<'_> {
    source.as_fd()
}
