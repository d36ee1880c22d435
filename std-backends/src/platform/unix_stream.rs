//! Unix sockets, named by a path.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *stale-file*: the file of a socket outlives the process that made it, and keeps its path from
//!   being used. Connecting to it is refused then, which distinguishes it from one in use.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use selkie_core::platform::ListenOptions;
use selkie_core::{Error, ErrorKind};

use super::{Platform, Socket};
use crate::selector::FdSelector;
use crate::sys::address::RawAddress;
use crate::sys::source::raw;
use crate::sys::{errno, socket};

/// The file of a Unix listener. Dropping it removes the file, unless another listener has replaced
/// it.
#[derive(Debug)]
#[must_use = "the file is removed when this value is dropped"]
pub struct SocketFile {
    path: PathBuf,
    /// The device and the number of the file on it.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file where it is, for a process that has inherited the listener.
    pub fn keep(mut self) {
        self.identity = None;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path).ok() == self.identity {
            // A folder that became read-only keeps it; the next listener replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl<S: FdSelector> Platform<S> {
    /// Opens a listener for streams at `path`. Of the options only the backlog applies.
    ///
    /// A file that a listener has left behind is replaced; one that is in use, or that is no
    /// socket, is not. The file is removed when the [`SocketFile`] is dropped. Who may connect is
    /// said by the permissions of the file and its folder.
    ///
    /// ```
    /// use selkie_core::platform::ListenOptions;
    /// use selkie_std::selectors::DefaultSelector;
    /// use selkie_std::Platform;
    ///
    /// let mut platform = Platform::new(DefaultSelector::new(8)?, 8)?;
    /// let path = std::env::temp_dir().join(format!("selkie-doc-{}", std::process::id()));
    /// let (listener, file) = platform.listen_unix(&path, &ListenOptions::DEFAULT)?;
    /// let client = std::os::unix::net::UnixStream::connect(file.path())?;
    /// # let _ = (listener, client);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AddressInUse`](ErrorKind::AddressInUse) by another program, or by a file that is no
    /// socket; [`PermissionDenied`](ErrorKind::PermissionDenied) if the folder cannot be written
    /// to; [`NotRegistered`](ErrorKind::NotRegistered) if there is no such folder;
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path of more than about 100 bytes;
    /// [`Full`](ErrorKind::Full), or another error of the system.
    pub fn listen_unix(
        &mut self,
        path: impl AsRef<Path>,
        options: &ListenOptions,
    ) -> Result<(Socket, SocketFile), Error> {
        let path = path.as_ref();
        let address = RawAddress::of_path(path)?;
        let listener = socket::stream(&address)?;
        if let Err(error) = socket::bind(raw(&listener), &address) {
            if error.kind() != ErrorKind::AddressInUse || !is_left_behind(path, &address) {
                return Err(error);
            }
            // stale-file: nothing listens there any more.
            fs::remove_file(path).map_err(|error| of_io(&error))?;
            socket::bind(raw(&listener), &address)?;
        }
        let file = SocketFile { path: path.to_owned(), identity: identity(path).ok() };
        socket::listen(raw(&listener), backlog(options))?;
        Ok((self.insert_socket(listener)?, file))
    }

    /// Starts a connection to the Unix listener at `path`, as
    /// [`connect`](selkie_core::platform::Transport::connect) does to an Internet address.
    ///
    /// # Errors
    ///
    /// [`ConnectionRefused`](ErrorKind::ConnectionRefused) if nothing listens there,
    /// [`NotRegistered`](ErrorKind::NotRegistered) if there is no such file,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied),
    /// [`WouldBlock`](ErrorKind::WouldBlock) while the listener's backlog is full: try again later;
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path that is too long,
    /// [`Full`](ErrorKind::Full), or another error of the system.
    pub fn connect_unix(&mut self, path: impl AsRef<Path>) -> Result<Socket, Error> {
        if !self.sockets.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        let address = RawAddress::of_path(path.as_ref())?;
        let stream = socket::stream(&address)?;
        socket::connect(raw(&stream), &address)?;
        self.insert_socket(stream)
    }
}

/// Returns the backlog as system calls take it.
fn backlog(options: &ListenOptions) -> i32 {
    i32::try_from(options.backlog_max()).unwrap_or(i32::MAX)
}

/// Returns true if `path` is the file of a socket that nothing listens on.
fn is_left_behind(path: &Path, address: &RawAddress) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let Ok(probe) = socket::stream(address) else { return false };
    let refused = socket::connect(raw(&probe), address).map_err(Error::kind);
    is_socket && refused == Err(ErrorKind::ConnectionRefused)
}

/// Returns the device of a file, and its number there.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Returns the contracts' error for one of the standard library.
fn of_io(error: &io::Error) -> Error {
    errno::from_errno(error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use selkie_core::platform::Transport;

    use super::*;
    use crate::selectors::DefaultSelector;

    fn platform() -> Platform<DefaultSelector<'static>> {
        Platform::new(DefaultSelector::new(8).unwrap(), 8).unwrap()
    }

    /// Returns a path that no other test uses.
    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("selkie-{}-{name}", std::process::id()))
    }

    #[test]
    fn clients_reach_a_path_and_the_file_is_removed_at_the_end() {
        let (mut platform, path) = (platform(), path("reach"));
        let (listener, file) = platform.listen_unix(&path, &ListenOptions::DEFAULT).unwrap();
        let client = platform.connect_unix(&path).unwrap();
        assert_eq!(platform.connected(client), Ok(()));
        let accepted = platform.accept(listener).unwrap();
        assert_eq!(platform.write(client, b"hello"), Ok(5));
        let mut buffer = [0; 8];
        assert_eq!(platform.read(accepted, &mut buffer), Ok(5));
        assert_eq!(file.path(), path);
        drop(file);
        assert!(!path.exists());
        assert_eq!(platform.connect_unix(&path).unwrap_err().kind(), ErrorKind::NotRegistered);
    }

    #[test]
    fn a_file_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
        let (mut platform, path) = (platform(), path("stale"));
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(platform.connect_unix(&path).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let (_, first) = platform.listen_unix(&path, &ListenOptions::DEFAULT).unwrap();
        let second = platform.listen_unix(&path, &ListenOptions::DEFAULT).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::AddressInUse);
        // The file of a successor is not removed.
        fs::remove_file(&path).unwrap();
        let (_, successor) = platform.listen_unix(&path, &ListenOptions::DEFAULT).unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
        drop(successor);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let (mut platform, path) = (platform(), path("file"));
        fs::write(&path, "precious").unwrap();
        let error = platform.listen_unix(&path, &ListenOptions::DEFAULT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
        let long = "x".repeat(200);
        let error = platform.listen_unix(long, &ListenOptions::DEFAULT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
