//! Streams and listeners of WASI 0.1. `mod.rs` lists the quirks.

use core::net::SocketAddr;

use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind};

use super::descriptor::{Descriptor, Kind};
use super::{PollOneoff, error};
use crate::shared::socket_table::Socket;

/// Largest number of parts in one write; the rest is left for the next one.
const PARTS_MAX: usize = 16;

/// A part without bytes.
const NO_BYTES: wasi::Ciovec = wasi::Ciovec { buf: core::ptr::null(), buf_len: 0 };

/// Writes the bytes of `parts`, each of which is valid for reads of its length.
fn write(fd: wasi::Fd, parts: &[wasi::Ciovec]) -> Result<usize, Error> {
    let len = parts.iter().map(|part| part.buf_len).sum();
    // SAFETY: each part names bytes that are valid for reads of their length: the callers above
    // have just made them from slices.
    match unsafe { wasi::fd_write(fd, parts) } {
        Ok(0) if len > 0 => Err(Error::WOULD_BLOCK),
        Ok(count) => Ok(count.min(len)),
        Err(errno) => Err(error::non_blocking(errno)),
    }
}

/// Closes a descriptor, but not standard input.
fn close(Descriptor { fd, kind, .. }: Descriptor) -> Result<(), Error> {
    if kind == Kind::Input {
        return Ok(());
    }
    // SAFETY: the platform owned the descriptor, and has forgotten it.
    unsafe { wasi::fd_close(fd) }.map_err(error::error)
}

impl Transport for PollOneoff<'_> {
    type Address = SocketAddr;

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        let fd = self.fd(listener)?;
        if !self.list.sockets.has_room() {
            // As at the descriptor limit of a process, the connection keeps waiting.
            return Err(Error::new(ErrorKind::OutOfDescriptors));
        }
        // SAFETY: the call takes no pointers of ours.
        let stream = unsafe { wasi::sock_accept(fd, wasi::FDFLAGS_NONBLOCK) }
            .map_err(error::non_blocking)?;
        Ok(self.list.sockets.insert(Descriptor::new(stream, Kind::Stream)))
    }

    fn connect(&mut self, _address: &SocketAddr) -> Result<Socket, Error> {
        // no-bind: nor is there a `connect`.
        Err(Error::new(ErrorKind::Unsupported))
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        // no-bind: a source is connected from the beginning, or never.
        self.fd(source)?;
        Ok(())
    }

    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        let fd = self.fd(source)?;
        let place = [wasi::Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() }];
        // SAFETY: the list names the buffer, which is valid for writes of its length.
        unsafe { wasi::fd_read(fd, &place) }
            .map(|count| count.min(buffer.len()))
            .map_err(error::non_blocking)
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        let fd = self.fd(source)?;
        write(fd, &[wasi::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() }])
    }

    fn write_vectored(&mut self, source: Socket, parts: &[&[u8]]) -> Result<usize, Error> {
        let fd = self.fd(source)?;
        let (mut list, mut count) = ([NO_BYTES; PARTS_MAX], 0);
        for part in parts.iter().filter(|part| !part.is_empty()).take(PARTS_MAX) {
            list[count] = wasi::Ciovec { buf: part.as_ptr(), buf_len: part.len() };
            count += 1;
        }
        write(fd, &list[..count])
    }

    fn check(&mut self, source: Socket) -> Result<(), Error> {
        let (_, entry) = self.list.sockets.get(source)?;
        if entry.platform.kind != Kind::Stream {
            return Ok(());
        }
        // peek-is-all: without input, a peek fails on a connection that was reset.
        match entry.platform.peek() {
            Ok(()) | Err(wasi::ERRNO_AGAIN) => Ok(()),
            Err(errno) => Err(error::error(errno)),
        }
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let fd = self.fd(source)?;
        // SAFETY: the call takes no pointers.
        unsafe { wasi::sock_shutdown(fd, wasi::SDFLAGS_WR) }.map_err(error::non_blocking)
    }

    fn close(&mut self, source: Socket, _how: Close) -> Result<(), Error> {
        // no-reset: both kinds of closing are the same.
        self.list.unregister(source)?;
        close(self.list.sockets.vacate(source.slot()))
    }
}

impl Drop for PollOneoff<'_> {
    fn drop(&mut self) {
        for slot in 0..self.list.sockets.capacity() {
            if let Some(source) = self.list.sockets.find(slot) {
                // Nothing is left to be done about an error.
                let _ = close(source.platform);
            }
        }
    }
}
