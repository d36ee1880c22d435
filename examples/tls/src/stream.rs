//! The TLS streams of all connections, each beside the slot of its connection.

use std::io::{ErrorKind, Read, Result, Write};

use rustls::Connection;
use selkie_core::Token;
use selkie_core::layers::{Ending, PeerOps};

/// The most decrypted bytes that are kept for the inner service.
pub(crate) const DECRYPTED_MAX: usize = 16 << 10;
/// The most bytes that a record has beside those of the service, rounded up.
const RECORD_OVERHEAD: usize = 64;
/// The most bytes of a service in one record.
const RECORD: usize = 16 << 10;

/// The TLS stream of one connection.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not the states of one thing")]
pub(crate) struct Stream {
    token: Token,
    pub(crate) tls: Connection,
    /// Decrypted bytes that the inner service has not taken.
    pub(crate) decrypted: Vec<u8>,
    /// The inner service knows the connection: the handshake is complete.
    pub(crate) is_open: bool,
    /// The inner service has paused reading.
    pub(crate) is_paused: bool,
    /// The peer has ended its stream in order, and the inner service was told.
    pub(crate) is_end_told: bool,
    /// The inner service has asked to be called when the peer takes bytes.
    pub(crate) wants_writable: bool,
    /// The inner service is offered again what it has left.
    pub(crate) offers_again: bool,
    /// Our stream ends after what was sent.
    pub(crate) is_shut_down: bool,
    /// The connection closes after what was sent, or was aborted.
    pub(crate) ending: Option<Ending>,
    /// The room of an empty output buffer.
    pub(crate) room_max: usize,
}

impl Stream {
    /// Moves what is decrypted out of the session, as far as there is room. Returns whether it has
    /// more room after that.
    pub(crate) fn decrypt(&mut self) -> bool {
        let mut piece = [0; 4096];
        while self.decrypted.len() < DECRYPTED_MAX {
            let room = piece.len().min(DECRYPTED_MAX - self.decrypted.len());
            // No bytes, an end or a failure: all that was decrypted is moved.
            let Ok(count @ 1..) = self.tls.reader().read(&mut piece[..room]) else { return true };
            self.decrypted.extend_from_slice(&piece[..count]);
        }
        false
    }

    /// Returns whether nothing more is received or sent but what waits.
    pub(crate) const fn is_closing(&self) -> bool {
        matches!(self.ending, Some(Ending::Flushed | Ending::Aborted))
    }

    /// Returns whether the service may send.
    pub(crate) const fn is_sendable(&self) -> bool {
        self.is_open && !self.is_shut_down && !self.is_closing()
    }
}

/// The streams of all connections, by slot.
pub(crate) struct Streams {
    slots: Vec<Option<Box<Stream>>>,
}

/// A peer as something that takes bytes.
struct Sink<'p> {
    below: &'p mut dyn PeerOps,
    token: Token,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.below.send_some(self.token, bytes) {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Streams {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| None).collect() }
    }

    /// Adds the stream of a new connection. Returns whether there is a place for it.
    pub(crate) fn open(&mut self, token: Token, tls: Connection, room_max: usize) -> bool {
        let Some(slot) = self.slots.get_mut(token.index()) else { return false };
        *slot = Some(Box::new(Stream {
            token,
            tls,
            decrypted: Vec::with_capacity(DECRYPTED_MAX),
            is_open: false,
            is_paused: false,
            is_end_told: false,
            wants_writable: false,
            offers_again: false,
            is_shut_down: false,
            ending: None,
            room_max,
        }));
        true
    }

    /// Returns the stream of a connection.
    pub(crate) fn get(&mut self, token: Token) -> Option<&mut Stream> {
        let stream = self.slots.get_mut(token.index())?.as_deref_mut()?;
        (stream.token == token).then_some(stream)
    }

    /// Takes the stream of a connection out.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Box<Stream>> {
        self.slots.get_mut(token.index())?.take_if(|stream| stream.token == token)
    }

    /// Returns the bytes that a service can send now in whole records. None while records wait, so
    /// what waits is never more than an outbox, and what TLS itself sends.
    pub(crate) fn room(&mut self, below: &mut dyn PeerOps, token: Token) -> usize {
        match self.get(token) {
            Some(stream) if stream.is_sendable() && !stream.tls.wants_write() => {
                room_in_records(below.room(token))
            }
            _ => 0,
        }
    }

    /// Hands records to the connection below, ends it where that is due, and asks for a call when
    /// there is room for more.
    pub(crate) fn flush(&mut self, below: &mut dyn PeerOps, token: Token) {
        let Some(stream) = self.get(token) else { return };
        if stream.ending == Some(Ending::Aborted) {
            return;
        }
        if stream.ending == Some(Ending::Finished) && !stream.wants_writable {
            stream.ending = Some(Ending::Flushed);
            stream.tls.send_close_notify();
        }
        while stream.tls.wants_write() {
            if stream.tls.write_tls(&mut Sink { below: &mut *below, token }).is_err() {
                break;
            }
        }
        if stream.tls.wants_write() || stream.wants_writable || stream.offers_again {
            below.request_writable(token);
        } else if stream.is_closing() {
            below.close(token, Ending::Flushed);
        } else if stream.is_shut_down {
            below.shutdown_write(token);
        }
    }
}

/// Returns the bytes of a service that fit into so many bytes of records.
pub(crate) const fn room_in_records(room: usize) -> usize {
    room.saturating_sub(RECORD_OVERHEAD * (room / RECORD + 1))
}
