//! Replies of the Redis serialization protocol.

use selkie_core::{Instant, Peer, SendError};

use crate::decimal::Decimal;
use crate::output_buffer::OutputBuffer;

/// The longest reply without a value: an error with its text, or a number.
pub(super) const SHORT: usize = 96;

/// The place that replies are written to.
pub(super) trait Output {
    /// Returns the time of this turn.
    fn now(&mut self) -> Instant;

    /// Adds a reply that is always the same.
    fn fixed(&mut self, reply: &'static [u8]) -> Result<(), SendError>;

    /// Adds an integer.
    fn integer(&mut self, value: i64) -> Result<(), SendError>;

    /// Adds a byte string, or the null one.
    fn bytes(&mut self, value: Option<&[u8]>) -> Result<(), SendError>;
}

/// The replies of one callback, many of them in one send.
#[derive(Debug)]
pub(super) struct Replies {
    output: OutputBuffer,
    /// Connections that were closed since they sent no request.
    pub(super) malformed: u64,
    /// Connections whose client ended its stream within a request.
    pub(super) cut_off: u64,
}

impl Replies {
    pub(super) const fn new() -> Self {
        Self { output: OutputBuffer::new(), malformed: 0, cut_off: 0 }
    }

    /// Begins to gather for a connection that takes `room` bytes.
    pub(super) const fn begin(&mut self, room: usize) {
        self.output.begin(room);
    }

    /// Returns whether `values` values of together at most `len` bytes can be replied, or an
    /// error. A request is executed only then, so it is never answered in part.
    pub(super) const fn has_room(&self, values: usize, len: usize) -> bool {
        self.output.room() >= SHORT * (values + 1) + len
    }

    /// Returns whether replies wait to be sent.
    pub(super) const fn has_gathered(&self) -> bool {
        !self.output.is_empty()
    }

    /// Sends what was gathered.
    pub(super) fn flush(&mut self, peer: &mut Peer<'_>) -> Result<(), SendError> {
        self.output.flush(peer)
    }

    /// Returns the output to a peer.
    pub(super) const fn to<'r, 'p>(&'r mut self, peer: &'r mut Peer<'p>) -> ToPeer<'r, 'p> {
        ToPeer { replies: self, peer }
    }
}

/// The output to one peer.
pub(super) struct ToPeer<'r, 'p> {
    replies: &'r mut Replies,
    peer: &'r mut Peer<'p>,
}

impl ToPeer<'_, '_> {
    /// Adds the head of an array of `len` replies.
    pub(super) fn array(&mut self, len: usize) -> Result<(), SendError> {
        self.raw(b"*")?;
        self.line(len as u64)
    }

    /// Adds bytes as they are.
    #[inline]
    fn raw(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.replies.output.add(self.peer, bytes)
    }

    /// Adds a number and the end of the line.
    fn line(&mut self, number: u64) -> Result<(), SendError> {
        self.raw(Decimal::new(number).digits())?;
        self.raw(b"\r\n")
    }
}

impl Output for ToPeer<'_, '_> {
    fn now(&mut self) -> Instant {
        self.peer.now()
    }

    #[inline]
    fn fixed(&mut self, reply: &'static [u8]) -> Result<(), SendError> {
        self.raw(reply)
    }

    fn integer(&mut self, value: i64) -> Result<(), SendError> {
        let sign: &[u8] = if value < 0 { b":-" } else { b":" };
        self.raw(sign)?;
        self.line(value.unsigned_abs())
    }

    #[inline]
    fn bytes(&mut self, value: Option<&[u8]>) -> Result<(), SendError> {
        let Some(value) = value else { return self.raw(b"$-1\r\n") };
        self.raw(b"$")?;
        self.line(value.len() as u64)?;
        self.raw(value)?;
        self.raw(b"\r\n")
    }
}
