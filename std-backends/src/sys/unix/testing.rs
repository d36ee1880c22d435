//! Sources for tests.

use std::fs::File;
use std::io::Read;
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

/// Reads a byte, and returns the number of bytes: 0 at the end of the stream.
pub(crate) fn read_byte(source: OwnedSource) -> usize {
    // Not by `recv`, which Miri does not have.
    File::from(source).read(&mut [0]).unwrap()
}
