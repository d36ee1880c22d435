//! Signals and the ends of child processes, on a system where neither is a source.

use std::convert::Infallible;
use std::process::Child;

use selkie_core::{Error, ErrorKind};

use crate::sys::source::OwnedSource;

/// Signals. On this system they are no source; the crate `ctrlc` calls a function at Ctrl-C.
#[derive(Debug)]
pub struct Signals(Infallible);

impl Signals {
    /// The terminal is gone; for services by custom: read the configuration again.
    pub const HANGUP: i32 = 1;
    /// Ctrl-C.
    pub const INTERRUPT: i32 = 2;
    /// The request to end.
    pub const TERMINATE: i32 = 15;
    /// The first signal without a meaning of its own.
    pub const USER_1: i32 = 10;
    /// The second signal without a meaning of its own.
    pub const USER_2: i32 = 12;
    /// A child process has ended or stopped.
    pub const CHILD: i32 = 17;

    /// Returns an error: this system has no signals.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported).
    pub const fn new(_signals: &[i32]) -> Result<Self, Error> {
        Err(Error::new(ErrorKind::Unsupported))
    }

    /// Returns the next signal.
    ///
    /// # Errors
    ///
    /// None: there is no such value.
    pub const fn read(&mut self) -> Result<i32, Error> {
        match self.0 {}
    }

    /// Opens a second source of these signals.
    ///
    /// # Errors
    ///
    /// None: there is no such value.
    pub const fn source(&self) -> Result<OwnedSource, Error> {
        match self.0 {}
    }
}

/// The end of a child process. On this system it is no source: a thread can wait for it, and wake
/// the loop.
#[derive(Debug)]
pub struct ChildExit(Infallible);

impl ChildExit {
    /// Returns an error: this system reports the end of a child in another way.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported).
    pub const fn new(_child: &Child) -> Result<Self, Error> {
        Err(Error::new(ErrorKind::Unsupported))
    }

    /// Opens a second source of this end.
    ///
    /// # Errors
    ///
    /// None: there is no such value.
    pub const fn source(&self) -> Result<OwnedSource, Error> {
        match self.0 {}
    }
}
