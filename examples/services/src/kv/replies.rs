//! Replies: gathered in a buffer, and sent when it is full or all requests are answered.

use selkie_core::{Peer, SendError};

/// Bytes of replies that are gathered before they are sent.
const GATHERED: usize = 4096;
/// The longest reply without a value: an error with its text, or a number.
const SHORT: usize = 96;

/// Gathers replies. They never exceed the room that the connection had when it began.
#[derive(Debug)]
pub(super) struct Replies {
    bytes: [u8; GATHERED],
    len: usize,
    /// Bytes that the connection still takes, those gathered included.
    room: usize,
}

impl Replies {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; GATHERED], len: 0, room: 0 }
    }

    /// Begins to gather for a connection that takes `room` bytes.
    pub(super) const fn begin(&mut self, room: usize) {
        self.len = 0;
        self.room = room;
    }

    /// Returns whether `values` values of together at most `len` bytes can be replied, or an
    /// error. A request is executed only then, so it is never answered in part.
    pub(super) const fn has_room(&self, values: usize, len: usize) -> bool {
        self.room >= SHORT * (values + 1) + len + self.len
    }

    /// Returns whether replies wait to be sent.
    pub(super) const fn has_gathered(&self) -> bool {
        self.len > 0
    }

    /// Sends what was gathered.
    pub(super) fn flush(&mut self, peer: &mut Peer<'_>) -> Result<(), SendError> {
        let len = core::mem::take(&mut self.len);
        if len == 0 {
            return Ok(());
        }
        self.room = self.room.saturating_sub(len);
        peer.send(&self.bytes[..len])
    }

    /// Adds bytes as they are.
    pub(super) fn raw(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) -> Result<(), SendError> {
        if bytes.len() > GATHERED - self.len {
            self.flush(peer)?;
        }
        if let Some(place) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
            Ok(())
        } else {
            self.room = self.room.saturating_sub(bytes.len());
            peer.send(bytes)
        }
    }

    /// Adds an integer.
    pub(super) fn integer(&mut self, peer: &mut Peer<'_>, value: i64) -> Result<(), SendError> {
        self.raw(peer, Digits::new(b':', value).line())
    }

    /// Adds the head of an array of `len` replies.
    pub(super) fn array(&mut self, peer: &mut Peer<'_>, len: usize) -> Result<(), SendError> {
        self.raw(peer, Digits::new(b'*', i64::try_from(len).unwrap_or(i64::MAX)).line())
    }

    /// Adds a byte string, or the null one.
    pub(super) fn bytes(
        &mut self,
        peer: &mut Peer<'_>,
        value: Option<&[u8]>,
    ) -> Result<(), SendError> {
        let Some(value) = value else { return self.raw(peer, b"$-1\r\n") };
        let len = i64::try_from(value.len()).unwrap_or(i64::MAX);
        self.raw(peer, Digits::new(b'$', len).line())?;
        self.raw(peer, value)?;
        self.raw(peer, b"\r\n")
    }
}

/// A number in decimal digits.
pub(super) struct Digits {
    /// A mark, up to 20 digits and a sign, CR and LF; at the end of the array.
    text: [u8; 24],
    start: usize,
}

impl Digits {
    /// Writes `mark`, the number and CR LF.
    pub(super) fn new(mark: u8, number: i64) -> Self {
        let mut digits = Self { text: [0; 24], start: 24 };
        digits.put(b'\n');
        digits.put(b'\r');
        let mut rest = number.unsigned_abs();
        loop {
            digits.put(b'0' + u8::try_from(rest % 10).unwrap_or(0));
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            digits.put(b'-');
        }
        digits.put(mark);
        digits
    }

    fn put(&mut self, byte: u8) {
        self.start -= 1;
        self.text[self.start] = byte;
    }

    /// Returns the mark, the number and CR LF.
    pub(super) fn line(&self) -> &[u8] {
        &self.text[self.start..]
    }

    /// Returns the number alone.
    pub(super) fn number(&self) -> &[u8] {
        &self.text[self.start + 1..22]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        assert_eq!(Digits::new(b':', 0).line(), b":0\r\n");
        assert_eq!(Digits::new(b'$', 1024).line(), b"$1024\r\n");
        assert_eq!(Digits::new(b':', i64::MIN).line(), b":-9223372036854775808\r\n");
        assert_eq!(Digits::new(b':', i64::MAX).number(), b"9223372036854775807");
    }
}
