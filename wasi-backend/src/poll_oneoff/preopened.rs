//! Taking over what the host has opened. The quirks are those of `mod.rs`.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use selkie_core::{Error, ErrorKind};

use super::descriptor::{Descriptor, Kind};
use super::{PollOneoff, errno};
use crate::handles::Socket;

/// The first descriptor that is none of the standard streams.
const FIRST_FD: wasi::Fd = 3;
/// The next descriptor to look at, since each that the host has opened is given away once. (Modules
/// have one thread; the atomics are plain memory that safe code can share.)
static NEXT: AtomicU32 = AtomicU32::new(0);
/// The first descriptor that the host has not opened, once it is known: later there are descriptors
/// that the program has opened, and gaps where it has closed some.
static END: AtomicU32 = AtomicU32::new(0);

impl PollOneoff<'_> {
    /// Takes over the first listening socket that the host has opened for the program and that no
    /// platform has taken over this way yet, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// [`InvalidSource`](ErrorKind::InvalidSource) if the host has opened none: it was not asked
    /// to, or is one of those that give programs of WASI 0.1 no sockets.
    /// [`Full`](ErrorKind::Full), and what the host says.
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
                    // What the host has opened follows each other.
                    END.store(fd, Relaxed);
                    break;
                }
                _ => {}
            }
            fd += 1;
        }
        let Some((fd, flags)) = found else { return Err(Error::new(ErrorKind::InvalidSource)) };
        // The host has opened it for this program, and nobody else here takes it over: not later,
        // since the next search begins behind it, and not before.
        let listener = self.take_over(fd, Kind::Listener, flags)?;
        NEXT.store(fd + 1, Relaxed);
        Ok(listener)
    }

    /// Takes over a listening socket, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full), and what the host says; the descriptor is still the caller's
    /// then.
    ///
    /// # Safety
    ///
    /// The descriptor belongs to the caller, who gives it away: it is going to be closed here.
    pub unsafe fn adopt_listener(&mut self, fd: u32) -> Result<Socket, Error> {
        self.adopt(fd, Kind::Listener)
    }

    /// Takes over a connection, and makes it non-blocking.
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

    /// Takes over a descriptor that is no socket, such as standard input.
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

    fn adopt(&mut self, fd: wasi::Fd, kind: Kind) -> Result<Socket, Error> {
        let status = status(fd).map_err(errno::error)?;
        self.take_over(fd, kind, status.fs_flags)
    }

    /// Takes over a descriptor that has these flags.
    fn take_over(
        &mut self,
        fd: wasi::Fd,
        kind: Kind,
        flags: wasi::Fdflags,
    ) -> Result<Socket, Error> {
        if !self.watched.handles.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        if flags & wasi::FDFLAGS_NONBLOCK == 0 {
            // SAFETY: the call takes no pointers.
            unsafe { wasi::fd_fdstat_set_flags(fd, flags | wasi::FDFLAGS_NONBLOCK) }
                .map_err(errno::error)?;
        }
        Ok(self.watched.handles.insert(Descriptor { fd, kind }))
    }

    /// The descriptor of a source, for what this platform does not offer.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale).
    pub fn fd(&mut self, source: Socket) -> Result<u32, Error> {
        self.watched.handles.get(source).map(|(_, entry)| entry.platform.fd)
    }
}

/// What the host says of a descriptor.
fn status(fd: wasi::Fd) -> Result<wasi::Fdstat, wasi::Errno> {
    // SAFETY: the call takes no pointers of ours.
    unsafe { wasi::fd_fdstat_get(fd) }
}
