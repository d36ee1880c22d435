//! Output of many small pieces that is sent as few large ones.

use selkie_core::{Peer, SendError};

/// Bytes that are gathered before they are sent.
const CAPACITY: usize = 4096;

/// The replies of one callback, gathered into one send. It never takes more than the connection had
/// room for when it began, so a send never fails for want of room.
#[derive(Debug)]
pub(crate) struct OutputBuffer {
    bytes: [u8; CAPACITY],
    len: usize,
    /// Bytes that the connection still takes, those gathered included.
    room: usize,
}

impl OutputBuffer {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; CAPACITY], len: 0, room: 0 }
    }

    /// Begins to gather for a connection that takes `room` bytes.
    pub(crate) const fn begin(&mut self, room: usize) {
        self.len = 0;
        self.room = room;
    }

    /// Returns the bytes that can still be added.
    pub(crate) const fn room(&self) -> usize {
        self.room.saturating_sub(self.len)
    }

    /// Returns whether bytes wait to be sent.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sends what was gathered.
    pub(crate) fn flush(&mut self, peer: &mut Peer<'_>) -> Result<(), SendError> {
        let len = core::mem::take(&mut self.len);
        if len == 0 {
            return Ok(());
        }
        self.room = self.room.saturating_sub(len);
        peer.send(&self.bytes[..len])
    }

    /// Adds bytes.
    pub(crate) fn add(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) -> Result<(), SendError> {
        if bytes.len() > CAPACITY - self.len {
            self.flush(peer)?;
        }
        let Some(place) = self.bytes.get_mut(self.len..self.len + bytes.len()) else {
            self.room = self.room.saturating_sub(bytes.len());
            return peer.send(bytes);
        };
        place.copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }
}
