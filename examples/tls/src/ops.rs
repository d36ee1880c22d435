//! The peer of a service inside TLS.

use std::io::Write;
use std::net::SocketAddr;

use selkie_core::layers::{Ending, PeerOps};
use selkie_core::peers::Origin;
use selkie_core::{Counters, Error, ErrorKind, Instant, SendError, Token};

use crate::stream::{DECRYPTED_MAX, Streams, room_in_records};

/// The operations of the inner service: bytes are encrypted, all else is passed on. Each names its
/// connection, so a service sends to others through the layer.
pub(crate) struct TlsOps<'p> {
    pub(crate) below: &'p mut dyn PeerOps,
    pub(crate) streams: &'p mut Streams,
    /// Connections out are encrypted too.
    pub(crate) connects: bool,
}

impl TlsOps<'_> {
    /// Encrypts bytes that there is room for, and sends the records.
    fn encrypt(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        let stream = self.streams.get(token).ok_or(SendError::Closed)?;
        // It is kept by rustls until it is flushed, which takes all that the room allows.
        stream.tls.writer().write_all(bytes).map_err(|_| SendError::Full)
    }

    /// Checks that a stream takes so many bytes.
    fn check(&mut self, token: Token, count: usize) -> Result<(), SendError> {
        let stream = self.streams.get(token).filter(|stream| stream.is_sendable());
        let room_max = stream.ok_or(SendError::Closed)?.room_max;
        if count > room_in_records(room_max) {
            return Err(SendError::TooLong);
        }
        if count > self.room(token) { Err(SendError::Full) } else { Ok(()) }
    }
}

impl PeerOps for TlsOps<'_> {
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        self.send_parts(token, &[bytes])
    }

    fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room(token));
        self.send(token, &bytes[..count]).map_or(0, |()| count)
    }

    fn send_parts(&mut self, token: Token, parts: &[&[u8]]) -> Result<(), SendError> {
        self.check(token, parts.iter().map(|part| part.len()).sum())?;
        for part in parts {
            self.encrypt(token, part)?;
        }
        self.streams.flush(self.below, token);
        Ok(())
    }

    fn room(&mut self, token: Token) -> usize {
        self.streams.room(self.below, token)
    }

    fn received_max(&self) -> usize {
        DECRYPTED_MAX
    }

    fn counters(&self) -> &Counters {
        self.below.counters()
    }

    fn now(&mut self) -> Instant {
        self.below.now()
    }

    fn set_timer(&mut self, token: Token, deadline: Option<Instant>) {
        // Before that, the timer is the layer's.
        if self.streams.get(token).is_some_and(|stream| stream.is_open) {
            self.below.set_timer(token, deadline);
        }
    }

    fn request_writable(&mut self, token: Token) {
        if let Some(stream) = self.streams.get(token).filter(|stream| stream.is_sendable()) {
            stream.wants_writable = true;
            self.below.request_writable(token);
        }
    }

    fn set_reading(&mut self, token: Token, reads: bool) {
        self.below.set_reading(token, reads);
        let Some(stream) = self.streams.get(token) else { return };
        stream.is_paused = !reads;
        if reads && !stream.decrypted.is_empty() {
            // The connection below may have nothing more that it would offer.
            stream.offers_again = true;
            self.below.request_writable(token);
        }
    }

    fn shutdown_write(&mut self, token: Token) {
        if let Some(stream) = self.streams.get(token).filter(|stream| stream.is_sendable()) {
            stream.is_shut_down = true;
            stream.wants_writable = false;
            stream.tls.send_close_notify();
            self.streams.flush(self.below, token);
        }
    }

    fn close(&mut self, token: Token, ending: Ending) {
        let Some(stream) = self.streams.get(token) else { return };
        match (ending, stream.ending) {
            (Ending::Aborted, _) => {
                stream.ending = Some(ending);
                self.below.close(token, ending);
            }
            (Ending::Finished, None) => {
                stream.ending = Some(ending);
                // In a moment: the service may ask for more in the same call.
                self.below.request_writable(token);
            }
            (Ending::Flushed, None | Some(Ending::Finished)) => {
                stream.ending = Some(ending);
                stream.wants_writable = false;
                stream.tls.send_close_notify();
                self.streams.flush(self.below, token);
            }
            _ => {}
        }
    }

    fn origin(&self, token: Token) -> Origin {
        self.below.origin(token)
    }

    fn remote_address(&mut self, token: Token) -> Option<SocketAddr> {
        self.below.remote_address(token)
    }

    /// Returns an error if connections out would not be encrypted by this layer.
    fn connect(&mut self, by: Option<Token>, address: SocketAddr) -> Result<Token, Error> {
        if self.connects {
            self.below.connect(by, address)
        } else {
            Err(ErrorKind::Unsupported.into())
        }
    }
}
