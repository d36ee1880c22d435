//! Unix sockets, on a system where no selector of this crate watches them.

use std::convert::Infallible;
use std::path::Path;

use selkie_core::platform::ListenOptions;
use selkie_core::{Error, ErrorKind};

use super::{Platform, Socket};
use crate::selector::FdSelector;

/// The file of a Unix listener. There is none on this system.
#[derive(Debug)]
pub struct SocketFile(Infallible);

impl SocketFile {
    /// Returns the path of the file.
    #[must_use]
    pub const fn path(&self) -> &Path {
        match self.0 {}
    }

    /// Leaves the file where it is.
    pub const fn keep(self) {
        match self.0 {}
    }
}

impl<S: FdSelector> Platform<S> {
    /// Returns an error: this system's Unix sockets are not supported.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported).
    pub fn listen_unix(
        &mut self,
        _path: impl AsRef<Path>,
        _options: &ListenOptions,
    ) -> Result<(Socket, SocketFile), Error> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Returns an error: this system's Unix sockets are not supported.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported).
    pub fn connect_unix(&mut self, _path: impl AsRef<Path>) -> Result<Socket, Error> {
        Err(ErrorKind::Unsupported.into())
    }
}
