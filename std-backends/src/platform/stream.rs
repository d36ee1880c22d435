//! Streams.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *error-once*: a failed connection attempt gives its reason once, by `SO_ERROR`, and has no
//!   peer. A pending one has neither an error nor a peer, and is not writable yet.
//! * *unread-resets*: closing a socket with unread input resets the connection on most systems. To
//!   end gracefully, a stream is shut down for writing and read to its end before it is closed.
//! * *self-connect*: an attempt to reach an own ephemeral port can get that port as its source, and
//!   then connects to itself. The server that was meant does not run, so this is a refusal.
//! * *blocking-close*: closing a socket with `SO_LINGER` blocks, also a non-blocking one. So the
//!   option is removed from what is adopted.

use std::net::SocketAddr;

use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind};

use super::io::moved;
use super::{Platform, Socket};
use crate::selector::FdSelector;
use crate::sys::address::RawAddress;
use crate::sys::io::{receive, send, send_parts};
use crate::sys::retry::{error_of, retried};
use crate::sys::source::{self, raw};
use crate::sys::{file, socket};

impl<S: FdSelector> Transport for Platform<S> {
    type Address = SocketAddr;

    fn address(address: SocketAddr) -> Option<SocketAddr> {
        Some(address)
    }

    fn remote_address(&mut self, source: Socket) -> Option<SocketAddr> {
        if self.accepted == Some(source) {
            return self.accepted_from.decode().ok();
        }
        self.peer_address(source).ok()
    }

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        self.accept_stream(listener)
    }

    fn connect(&mut self, address: &SocketAddr) -> Result<Socket, Error> {
        if !self.sockets.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        let remote = RawAddress::new(address);
        let stream = socket::stream(&remote)?;
        socket::set_no_delay(raw(&stream));
        socket::connect(raw(&stream), &remote)?;
        self.insert_socket(stream)
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        let fd = self.sockets.get(source)?.fd;
        // error-once: only the first question has this answer.
        socket::pending_error(fd)?;
        let has_ended = socket::has_ended(fd);
        match self.peer_address(source) {
            Err(error) if error.kind() == ErrorKind::NotConnected && !has_ended => {
                Err(Error::WOULD_BLOCK)
            }
            // A peer without an Internet address is a peer too.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
            Err(error) => Err(error),
            // self-connect: the port that was asked for had no listener.
            Ok(peer) if self.local_address(source) == Ok(peer) => {
                Err(Error::new(ErrorKind::ConnectionRefused))
            }
            Ok(_) => Ok(()),
        }
    }

    #[inline]
    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        let result = match self.sockets.reading(source) {
            Some(fd) => match receive(fd, buffer) {
                count @ 1.. => count,
                result => self.receive_again(source, buffer, result),
            },
            None => self.read_file(source, buffer),
        };
        if result < 0 {
            return Err(error_of(result));
        }
        // SAFETY: the call was given no more than the buffer.
        Ok(unsafe { moved(result, buffer.len()) })
    }

    #[inline]
    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        let result = match self.sockets.answering(source) {
            Some(fd) => match send(fd, bytes) {
                count @ 0.. => count,
                result => self.send_again(source, bytes, result),
            },
            None => self.write_first(source, bytes),
        };
        if result < 0 {
            return Err(error_of(result));
        }
        // SAFETY: the call was given no more than the bytes.
        Ok(unsafe { moved(result, bytes.len()) })
    }

    fn write_vectored(&mut self, source: Socket, parts: &[&[u8]]) -> Result<usize, Error> {
        let entry = *self.sockets.get(source)?;
        if parts.iter().all(|part| part.is_empty()) {
            return Ok(0);
        }
        if entry.properties.is_socket {
            return retried(|| send_parts(entry.fd, parts));
        }
        let fd = self.sockets.nonblocking_file(source)?;
        retried(|| file::write_parts(fd, parts))
    }

    fn check(&mut self, source: Socket) -> Result<(), Error> {
        let entry = *self.sockets.get(source)?;
        if entry.properties.is_socket { socket::check(entry.fd) } else { file::check(entry.fd) }
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let fd = self.sockets.get(source)?.fd;
        socket::shutdown_write(fd)
    }

    fn close(&mut self, source: Socket, how: Close) -> Result<(), Error> {
        let is_socket = self.sockets.get(source)?.properties.is_socket;
        let fd = self.release(source)?;
        let reset = match how {
            Close::Abort if is_socket => socket::reset_on_close(raw(&fd)),
            _ => Ok(()),
        };
        source::close(fd)?;
        reset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selectors::DefaultSelector;
    use crate::sys::testing::pair;

    #[test]
    fn reading_into_nothing_takes_nothing_and_waits_for_nothing() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 2).unwrap();
        let (near, far) = pair();
        let (near, far) = (platform.adopt(near).unwrap(), platform.adopt(far).unwrap());
        assert_eq!(platform.read(near, &mut []), Ok(0));
        assert_eq!(platform.write(far, b"x"), Ok(1));
        assert_eq!(platform.read(near, &mut []), Ok(0));
        let mut buffer = [0; 2];
        assert_eq!(platform.read(near, &mut buffer), Ok(1));
        assert_eq!(platform.read(near, &mut buffer), Err(Error::WOULD_BLOCK));
        platform.close(far, Close::Graceful).unwrap();
        assert_eq!(platform.read(near, &mut buffer), Ok(0));
    }
}
