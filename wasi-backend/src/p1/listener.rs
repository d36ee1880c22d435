//! Adoption of descriptors that the host has opened. `mod.rs` lists the quirks.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use selkie_core::{Error, ErrorKind};

use super::descriptor::{Descriptor, Kind, is_ready_alone};
use super::{PollOneoff, error};
use crate::shared::socket_table::Socket;

/// The first descriptor behind the standard streams.
const FIRST_FD: wasi::Fd = 3;
/// The next descriptor to look at: each descriptor of the host is adopted once. (Modules have one
/// thread; the atomics are plain memory that safe code can share.)
static NEXT: AtomicU32 = AtomicU32::new(0);
/// The first descriptor that the host has not opened, or 0 if not known yet. Behind it are
/// descriptors that the program has opened, and gaps where it has closed some.
static END: AtomicU32 = AtomicU32::new(0);

impl PollOneoff<'_> {
    /// Adopts the first listening socket that the host has opened and that no platform has adopted
    /// this way yet, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// [`InvalidSource`](ErrorKind::InvalidSource) if the host has opened none, because it was not
    /// asked to or gives modules no sockets; [`Full`](ErrorKind::Full); and errors of the host.
    pub fn preopened_listener(&mut self) -> Result<Socket, Error> {
        let end = END.load(Relaxed);
        let (mut fd, mut found) = (FIRST_FD, None);
        while fd != end {
            match status(fd) {
                Ok(status) if found.is_none() && fd >= NEXT.load(Relaxed) => {
                    found = (status.fs_filetype == wasi::FILETYPE_SOCKET_STREAM)
                        .then_some((fd, status.fs_flags));
                }
                Err(_) if end == 0 => {
                    // The descriptors of the host are consecutive.
                    END.store(fd, Relaxed);
                    break;
                }
                _ => {}
            }
            fd += 1;
        }
        let Some((fd, flags)) = found else { return Err(Error::new(ErrorKind::InvalidSource)) };
        // Each descriptor is adopted once, since the next search begins behind it.
        let listener = self.adopt_with_flags(fd, Kind::Listener, flags)?;
        NEXT.store(fd + 1, Relaxed);
        Ok(listener)
    }

    /// Adopts a listening socket, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full), and errors of the host; the descriptor then still belongs to the
    /// caller.
    ///
    /// # Safety
    ///
    /// The descriptor belongs to the caller, who gives it away: the platform closes it.
    pub unsafe fn adopt_listener(&mut self, fd: u32) -> Result<Socket, Error> {
        self.adopt(fd, Kind::Listener)
    }

    /// Adopts a connection, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// As [`adopt_listener`](Self::adopt_listener).
    ///
    /// # Safety
    ///
    /// As for [`adopt_listener`](Self::adopt_listener).
    pub unsafe fn adopt_stream(&mut self, fd: u32) -> Result<Socket, Error> {
        self.adopt(fd, Kind::Stream)
    }

    /// Adopts a descriptor that is no socket, such as standard input.
    ///
    /// # Errors
    ///
    /// As [`adopt_listener`](Self::adopt_listener).
    ///
    /// # Safety
    ///
    /// As for [`adopt_listener`](Self::adopt_listener).
    pub unsafe fn adopt_other(&mut self, fd: u32) -> Result<Socket, Error> {
        self.adopt(fd, Kind::Other)
    }

    /// Opens standard input as a source that can be read. It stays open when the source is closed.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full).
    pub fn stdin(&mut self) -> Result<Socket, Error> {
        /// The descriptor of standard input.
        const FD: wasi::Fd = 0;

        if !self.list.sockets.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        // It stays blocking: hosts do not change that, and a terminal would stay as it was made.
        let confirm = Some(is_ready_alone as fn(_, _) -> _);
        Ok(self.list.sockets.insert(Descriptor { fd: FD, kind: Kind::Input, confirm }))
    }

    /// Adopts a descriptor of this kind.
    fn adopt(&mut self, fd: wasi::Fd, kind: Kind) -> Result<Socket, Error> {
        let status = status(fd).map_err(error::error)?;
        self.adopt_with_flags(fd, kind, status.fs_flags)
    }

    /// Adopts a descriptor that has these flags.
    fn adopt_with_flags(
        &mut self,
        fd: wasi::Fd,
        kind: Kind,
        flags: wasi::Fdflags,
    ) -> Result<Socket, Error> {
        if !self.list.sockets.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        if flags & wasi::FDFLAGS_NONBLOCK == 0 {
            // SAFETY: the call takes no pointers.
            unsafe { wasi::fd_fdstat_set_flags(fd, flags | wasi::FDFLAGS_NONBLOCK) }
                .map_err(error::error)?;
        }
        Ok(self.list.sockets.insert(Descriptor::new(fd, kind)))
    }

    /// Returns the descriptor of a source, for calls that this platform does not offer.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale).
    pub fn fd(&mut self, source: Socket) -> Result<u32, Error> {
        self.list.sockets.get(source).map(|(_, entry)| entry.platform.fd)
    }
}

/// Returns the status of a descriptor.
fn status(fd: wasi::Fd) -> Result<wasi::Fdstat, wasi::Errno> {
    // SAFETY: the call takes no pointers of ours.
    unsafe { wasi::fd_fdstat_get(fd) }
}
