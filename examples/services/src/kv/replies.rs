//! Replies of the Redis serialization protocol.

use selkie_core::{Peer, SendError};

use crate::decimal::Decimal;
use crate::output_buffer::OutputBuffer;

/// The longest reply without a value: an error with its text, or a number.
const SHORT: usize = 96;

/// Writes replies into what is gathered.
#[derive(Debug)]
pub(super) struct Replies {
    output: OutputBuffer,
}

impl Replies {
    pub(super) const fn new() -> Self {
        Self { output: OutputBuffer::new() }
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

    /// Adds bytes as they are.
    pub(super) fn raw(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) -> Result<(), SendError> {
        self.output.add(peer, bytes)
    }

    /// Adds an integer.
    pub(super) fn integer(&mut self, peer: &mut Peer<'_>, value: i64) -> Result<(), SendError> {
        let sign: &[u8] = if value < 0 { b":-" } else { b":" };
        self.raw(peer, sign)?;
        self.line(peer, value.unsigned_abs())
    }

    /// Adds the head of an array of `len` replies.
    pub(super) fn array(&mut self, peer: &mut Peer<'_>, len: usize) -> Result<(), SendError> {
        self.raw(peer, b"*")?;
        self.line(peer, len as u64)
    }

    /// Adds a byte string, or the null one.
    pub(super) fn bytes(
        &mut self,
        peer: &mut Peer<'_>,
        value: Option<&[u8]>,
    ) -> Result<(), SendError> {
        let Some(value) = value else { return self.raw(peer, b"$-1\r\n") };
        self.raw(peer, b"$")?;
        self.line(peer, value.len() as u64)?;
        self.raw(peer, value)?;
        self.raw(peer, b"\r\n")
    }

    /// Adds a number and the end of the line.
    fn line(&mut self, peer: &mut Peer<'_>, number: u64) -> Result<(), SendError> {
        self.raw(peer, Decimal::new(number).digits())?;
        self.raw(peer, b"\r\n")
    }
}
