//! The contract of streams.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind, Instant, Interest};

use super::endpoint::{End, Endpoint, Kind};
use super::memory::OUTPUT;
use super::operations::Submitter;
use super::{Uring, UringSocket};
use crate::platform::listener;
use crate::sys::address::RawAddress;
use crate::sys::io::receive;
use crate::sys::retry::retried;
use crate::sys::{file, socket};

impl Uring {
    /// Takes the bytes of `bytes` that fit into the output of a stream that has not failed, and
    /// returns their number.
    #[inline]
    fn put(&mut self, index: usize, bytes: &[u8]) -> usize {
        let start = self.output_of(index);
        let Some((_, endpoint)) = self.endpoints.at_mut(index) else { return 0 };
        let output = &mut endpoint.output;
        let count = bytes.len().min((OUTPUT - output.length) as usize);
        let end = ((output.start + output.length) % OUTPUT) as usize;
        let first = count.min(OUTPUT as usize - end);
        // SAFETY: both parts lie in the buffer of this place, behind what the kernel sends.
        unsafe {
            bytes.as_ptr().copy_to_nonoverlapping(start.add(end), first);
            if first < count {
                bytes.as_ptr().add(first).copy_to_nonoverlapping(start, count - first);
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most the size of the buffer")]
        let added = count as u32;
        output.length += added;
        output.declined = 0;
        if endpoint.kind == Kind::Stream {
            let submitter =
                &mut Submitter { ring: &mut self.ring, operations: &mut self.operations };
            if submitter.send(index, endpoint, start).is_err() {
                self.enqueue(index);
            }
        }
        count
    }

    /// Writes to a source that is no stream.
    #[cold]
    fn write_other(&mut self, source: UringSocket, bytes: &[u8]) -> Result<usize, Error> {
        let endpoint = self.live(source)?;
        let fd = endpoint.fd;
        match endpoint.kind {
            Kind::File => retried(|| file::write(fd, bytes)),
            _ => Err(ErrorKind::InvalidSource.into()),
        }
    }

    /// Looks for new input of a source in the kernel.
    #[cold]
    fn peek_again(&mut self, source: UringSocket, buffer: &mut [u8]) -> Result<usize, Error> {
        if !self.live(source)?.has_new_input() {
            // What the kernel has received may not be in the queue yet, and a server that judges a
            // deadline goes by this answer.
            self.begin_missing(source.0.index());
            self.submit()?;
        }
        let endpoint = self.live(source)?;
        if endpoint.input.unread > endpoint.left {
            return Ok(self.buffers.copy(&endpoint.input, buffer));
        }
        match endpoint.input_end {
            End::Open => Err(Error::WOULD_BLOCK),
            End::Ended => Ok(0),
            End::Failed(_) => Err(endpoint.input_end.failure().unwrap_or(ErrorKind::Other.into())),
        }
    }
}

/// Returns the failure of writing to a stream.
#[inline]
fn check_output(endpoint: &Endpoint) -> Result<(), Error> {
    match endpoint.output.end {
        End::Open if !endpoint.shuts_down && endpoint.input_end.failure().is_none() => Ok(()),
        _ => Err(output_failure(endpoint)),
    }
}

#[cold]
fn output_failure(endpoint: &Endpoint) -> Error {
    let failure = match endpoint.output.end {
        // A reset ends both directions.
        End::Open => endpoint.input_end.failure(),
        End::Ended => None,
        End::Failed(_) => endpoint.output.end.failure(),
    };
    failure.unwrap_or(ErrorKind::BrokenPipe.into())
}

impl Transport for Uring {
    type Address = SocketAddr;

    const OWNS_BUFFERS: bool = true;

    const REPORTS_ROOM: bool = true;

    fn address(address: SocketAddr) -> Option<SocketAddr> {
        Some(address)
    }

    /// Asks the system, since a multishot accept has no place for the addresses.
    fn remote_address(&mut self, source: UringSocket) -> Option<SocketAddr> {
        self.peer_address(source).ok()
    }

    fn accept(&mut self, listener: UringSocket) -> Result<UringSocket, Error> {
        let index = listener.0.index();
        let endpoint = self.live_mut(listener)?;
        let fd = endpoint.fd;
        if let Some(error) = endpoint.input_end.failure() {
            endpoint.input_end = End::Open;
            self.enqueue(index);
            return Err(error);
        }
        if !self.has_room() {
            // Closed ones have their places until the kernel has let go of them.
            self.submit()?;
            if !self.has_room() {
                return Err(ErrorKind::OutOfDescriptors.into());
            }
        }
        let Some((_, endpoint)) = self.endpoints.at_mut(index) else {
            return Err(ErrorKind::Stale.into());
        };
        if endpoint.kind != Kind::Listener {
            return Err(ErrorKind::InvalidSource.into());
        }
        if let Some(fd) = self.parked.pop(endpoint) {
            // SAFETY: the kernel has opened it for this platform, and it was in the list.
            return self.insert(unsafe { OwnedFd::from_raw_fd(fd) }, Kind::Stream);
        }
        // The kernel accepts for the ring only in a turn, and more may wait: a server that drains
        // goes by this answer.
        let stream = listener::accept(fd, &mut RawAddress::room())?;
        self.insert(stream, Kind::Stream)
    }

    fn connect(&mut self, address: &SocketAddr) -> Result<UringSocket, Error> {
        if !self.has_room() {
            return Err(ErrorKind::Full.into());
        }
        let remote = RawAddress::new(address);
        let stream = socket::stream(&remote)?;
        socket::set_no_delay(stream.as_raw_fd());
        let source = self.insert(stream, Kind::Connecting)?;
        self.begin_connect(source.0.index(), &remote)?;
        Ok(source)
    }

    fn connected(&mut self, source: UringSocket) -> Result<(), Error> {
        let endpoint = self.live(source)?;
        if endpoint.kind == Kind::Connecting {
            return Err(Error::WOULD_BLOCK);
        }
        if let Some(error) = endpoint.output.end.failure() {
            return Err(error);
        }
        // An own port without a listener can be connected to itself: a refusal.
        let (near, far) = (self.local_address(source), self.peer_address(source));
        if far.is_ok() && near == far {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        Ok(())
    }

    fn read(&mut self, source: UringSocket, buffer: &mut [u8]) -> Result<usize, Error> {
        let endpoint = self.live_mut(source)?;
        let fd = endpoint.fd;
        match endpoint.kind {
            Kind::File => return retried(|| file::read(fd, buffer)),
            Kind::Listener => return Err(ErrorKind::InvalidSource.into()),
            Kind::Stream if endpoint.is_untouched() => return retried(|| receive(fd, buffer)),
            Kind::Stream | Kind::Connecting => endpoint.left = 0,
        }
        let count = self.peek(source, buffer)?;
        self.consume(source, count, 0);
        Ok(count)
    }

    #[inline]
    fn peek(&mut self, source: UringSocket, buffer: &mut [u8]) -> Result<usize, Error> {
        let endpoint = self.live(source)?;
        if endpoint.input.unread > endpoint.left {
            return Ok(self.buffers.copy(&endpoint.input, buffer));
        }
        self.peek_again(source, buffer)
    }

    #[inline]
    fn consume(&mut self, source: UringSocket, count: usize, left: usize) {
        let Ok(endpoint) = self.endpoints.get_mut(source.0) else { return };
        if endpoint.closing.is_some() {
            return;
        }
        self.buffers.drop_first(&mut endpoint.input, count);
        #[expect(clippy::cast_possible_truncation, reason = "at most what was received")]
        let left = left as u32;
        endpoint.left = left;
        let is_served = endpoint.is_served();
        if endpoint.has_new_input() {
            self.enqueue(source.0.index());
        }
        if !is_served {
            self.begin_missing(source.0.index());
        }
    }

    #[inline]
    fn write(&mut self, source: UringSocket, bytes: &[u8]) -> Result<usize, Error> {
        let endpoint = self.live(source)?;
        if !matches!(endpoint.kind, Kind::Stream | Kind::Connecting) {
            return self.write_other(source, bytes);
        }
        check_output(endpoint)?;
        match self.put(source.0.index(), bytes) {
            0 if !bytes.is_empty() => Err(Error::WOULD_BLOCK),
            count => Ok(count),
        }
    }

    fn write_vectored(&mut self, source: UringSocket, parts: &[&[u8]]) -> Result<usize, Error> {
        let mut written = 0;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            match self.write(source, part) {
                Ok(count) => {
                    written += count;
                    if count < part.len() {
                        break;
                    }
                }
                Err(error) if written == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(written)
    }

    fn check(&mut self, source: UringSocket) -> Result<(), Error> {
        let endpoint = self.live(source)?;
        if endpoint.kind == Kind::File {
            return file::check(endpoint.fd);
        }
        if endpoint.input.unread > 0 {
            return Ok(());
        }
        match endpoint.input_end.failure().or(endpoint.output.end.failure()) {
            Some(error) => Err(error),
            None => socket::check(endpoint.fd),
        }
    }

    #[inline]
    fn write_room(&mut self, source: UringSocket) -> usize {
        let Ok(endpoint) = self.live_mut(source) else { return 1 };
        if endpoint.kind == Kind::Connecting {
            return 0;
        }
        if endpoint.kind == Kind::File {
            return OUTPUT as usize;
        }
        if endpoint.output.end != End::Open || endpoint.shuts_down {
            // Not 0, so that the write is made and returns the error.
            return OUTPUT as usize;
        }
        endpoint.output.declined = endpoint.room();
        endpoint.room() as usize
    }

    fn unacknowledged_since(&mut self, source: UringSocket) -> Option<Instant> {
        let now = self.clock.now();
        let output = &mut self.live_mut(source).ok()?.output;
        (output.length > 0).then(|| *output.since.get_or_insert(now))
    }

    fn shutdown_write(&mut self, source: UringSocket) -> Result<(), Error> {
        let endpoint = self.live_mut(source)?;
        if let Some(error) = endpoint.output.end.failure() {
            return Err(error);
        }
        if endpoint.kind == Kind::File {
            return socket::shutdown_write(endpoint.fd);
        }
        endpoint.shuts_down = true;
        self.begin_missing(source.0.index());
        Ok(())
    }

    fn close(&mut self, source: UringSocket, how: Close) -> Result<(), Error> {
        let endpoint = self.live_mut(source)?;
        endpoint.closing = Some(how);
        let reset = match how {
            Close::Abort if endpoint.kind != Kind::File => socket::reset_on_close(endpoint.fd),
            _ => Ok(()),
        };
        endpoint.armed = Interest::NONE;
        if let Some(token) = endpoint.token.take() {
            self.sources.remove(token);
        }
        self.enqueue(source.0.index());
        self.begin_missing(source.0.index());
        reset
    }
}
