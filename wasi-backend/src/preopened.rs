//! Streams and listeners on WASI 0.1. The quirks are those of `poll_oneoff.rs`.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use selkie_core::{Close, Error, ErrorKind, Transport};

use crate::errno;
use crate::handles::Socket;
use crate::poll_oneoff::{Descriptor, Kind, PollOneoff};

/// The first descriptor that is none of the standard streams.
const FIRST_FD: wasi::Fd = 3;
/// The next descriptor to look at, since each that the host has opened is given away once. (Modules have one thread; the
/// atomics are plain memory that safe code can share.)
static NEXT: AtomicU32 = AtomicU32::new(FIRST_FD);
/// The first descriptor that the host has not opened, once it is known.
static END: AtomicU32 = AtomicU32::new(0);

impl PollOneoff<'_> {
    /// Takes over the first listening socket that the host has opened for the program and that no platform has taken over
    /// this way yet, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// [`InvalidSource`](ErrorKind::InvalidSource) if the host has opened none: it was not asked to, or is one of those
    /// that give programs of WASI 0.1 no sockets. [`Full`](ErrorKind::Full), and what the host says.
    pub fn preopened_listener(&mut self) -> Result<Socket, Error> {
        let end = opened_by_the_host();
        for fd in NEXT.load(Relaxed)..end {
            if status(fd).is_ok_and(|status| status.fs_filetype == wasi::FILETYPE_SOCKET_STREAM) {
                // SAFETY: the host has opened it for this program, and nobody else here takes it over: not later, since
                // the next search begins behind it, and not before.
                let listener = unsafe { self.adopt_listener(fd) }?;
                NEXT.store(fd + 1, Relaxed);
                return Ok(listener);
            }
        }
        Err(Error::new(ErrorKind::InvalidSource))
    }

    /// Takes over a listening socket, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full), and what the host says; the descriptor is still the caller's then.
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
        if !self.watched.handles.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        set_nonblocking(fd)?;
        self.watched.handles.insert(Descriptor::new(fd, kind)).map_err(|_| Error::new(ErrorKind::Full))
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

/// The first descriptor that the host has not opened for the program. This is found out once, because later there are
/// descriptors that the program has opened, and gaps where it has closed some.
fn opened_by_the_host() -> wasi::Fd {
    if END.load(Relaxed) == 0 {
        // What the host has opened follows each other.
        let mut end = FIRST_FD;
        while status(end).is_ok() {
            end += 1;
        }
        END.store(end, Relaxed);
    }
    END.load(Relaxed)
}

/// What the host says of a descriptor.
fn status(fd: wasi::Fd) -> Result<wasi::Fdstat, wasi::Errno> {
    // SAFETY: the call takes no pointers of ours.
    unsafe { wasi::fd_fdstat_get(fd) }
}

/// Calls on this descriptor do not block from now on.
fn set_nonblocking(fd: wasi::Fd) -> Result<(), Error> {
    let status = status(fd).map_err(errno::error)?;
    if status.fs_flags & wasi::FDFLAGS_NONBLOCK != 0 {
        return Ok(());
    }
    // SAFETY: the call takes no pointers.
    unsafe { wasi::fd_fdstat_set_flags(fd, status.fs_flags | wasi::FDFLAGS_NONBLOCK) }.map_err(errno::error)
}

/// Closes a descriptor.
fn close(fd: wasi::Fd) -> Result<(), Error> {
    // SAFETY: the platform owned the descriptor, and has forgotten it.
    unsafe { wasi::fd_close(fd) }.map_err(errno::error)
}

impl Transport for PollOneoff<'_> {
    type Address = SocketAddr;

    fn accept(&mut self, listener: Socket) -> nb::Result<Socket, Error> {
        let fd = self.fd(listener)?;
        if !self.watched.handles.has_room() {
            // As at the limit of the process, the connection keeps waiting.
            return Err(nb::Error::Other(Error::new(ErrorKind::OutOfDescriptors)));
        }
        // SAFETY: the call takes no pointers of ours.
        let stream = unsafe { wasi::sock_accept(fd, wasi::FDFLAGS_NONBLOCK) }.map_err(errno::non_blocking)?;
        self.watched.handles.insert(Descriptor::new(stream, Kind::Stream)).map_err(|refused| {
            // There was room a moment ago.
            let _ = close(refused.fd);
            nb::Error::Other(Error::new(ErrorKind::OutOfDescriptors))
        })
    }

    fn connect(&mut self, _address: &SocketAddr) -> Result<Socket, Error> {
        // (g)
        Err(Error::new(ErrorKind::Unsupported))
    }

    fn connected(&mut self, source: Socket) -> nb::Result<(), Error> {
        // Whatever has a handle here is connected, or never will be.
        self.fd(source)?;
        Ok(())
    }

    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        let fd = self.fd(source)?;
        let place = [wasi::Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() }];
        // SAFETY: the list names the buffer, which is valid for writes of its length.
        unsafe { wasi::fd_read(fd, &place) }.map(|count| count.min(buffer.len())).map_err(errno::non_blocking)
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> nb::Result<usize, Error> {
        let fd = self.fd(source)?;
        let place = [wasi::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() }];
        // SAFETY: the list names the bytes, which are valid for reads of their length.
        match unsafe { wasi::fd_write(fd, &place) } {
            Ok(0) if !bytes.is_empty() => Err(nb::Error::WouldBlock),
            Ok(count) => Ok(count.min(bytes.len())),
            Err(errno) => Err(errno::non_blocking(errno)),
        }
    }

    fn shutdown_write(&mut self, source: Socket) -> nb::Result<(), Error> {
        let fd = self.fd(source)?;
        // SAFETY: the call takes no pointers.
        unsafe { wasi::sock_shutdown(fd, wasi::SDFLAGS_WR) }.map_err(errno::non_blocking)
    }

    fn close(&mut self, source: Socket, _how: Close) -> Result<(), Error> {
        // (g)
        let slot = self.watched.forget(source)?;
        close(self.watched.handles.vacate(slot).fd)
    }
}

impl Drop for PollOneoff<'_> {
    fn drop(&mut self) {
        for (_, entry) in self.watched.handles.iter() {
            // Nothing is left to be done about an error.
            let _ = close(entry.platform.fd);
        }
    }
}
