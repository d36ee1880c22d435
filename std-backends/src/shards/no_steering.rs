//! Cores, on systems where threads and connections cannot be bound to one.

use std::os::fd::BorrowedFd;

use selkie_core::{Error, ErrorKind};

/// Returns an error: the system cannot bind a thread to a core.
///
/// # Errors
///
/// [`Unsupported`](ErrorKind::Unsupported).
pub fn pin_to_cpu(_index: usize) -> Result<(), Error> {
    Err(ErrorKind::Unsupported.into())
}

/// Returns an error: the system cannot choose a listener by the core of a connection.
///
/// # Errors
///
/// [`Unsupported`](ErrorKind::Unsupported).
pub fn steer_by_cpu(_listener: BorrowedFd<'_>, _listeners: usize) -> Result<(), Error> {
    Err(ErrorKind::Unsupported.into())
}
