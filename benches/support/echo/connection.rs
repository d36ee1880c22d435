//! One connection as the users of mio and of polling write it: a stream, and the bytes that it did
//! not take.

use std::io::{ErrorKind, Read, Write};

/// A stream and the bytes that it did not take.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) stream: S,
    pending: Vec<u8>,
}

/// The condition that a connection waits for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Read,
    Write,
    Close,
}

impl<S: Read + Write> Connection<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// Returns the condition that the connection waits for until it is served.
    #[inline]
    pub(super) const fn waits_for(&self) -> Next {
        if self.pending.is_empty() { Next::Read } else { Next::Write }
    }

    /// Flushes, then echoes until the stream has nothing more.
    ///
    /// A read that does not fill the buffer has emptied the stream, so that not even an
    /// edge-triggered loop has to read again only to be told so.
    #[inline]
    pub(super) fn serve(&mut self, buffer: &mut [u8]) -> Next {
        while !self.pending.is_empty() {
            match self.stream.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Write,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Next::Close,
            }
        }
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Next::Close,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Next::Close,
            };
            match self.stream.write(&buffer[..count]) {
                Ok(written) if written == count => {}
                Ok(written) => self.pending.extend_from_slice(&buffer[written..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.pending.extend_from_slice(&buffer[..count]);
                }
                Err(_) => return Next::Close,
            }
            if !self.pending.is_empty() {
                return Next::Write;
            }
            if count < buffer.len() {
                return Next::Read;
            }
        }
    }
}
