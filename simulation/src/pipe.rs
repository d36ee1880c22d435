//! One direction of a connection: bytes in order, some of which have arrived.

use alloc::collections::VecDeque;

/// Unit of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// So many of the bytes.
    Bytes(usize),
    /// The end of the stream.
    End,
    /// The end of everything.
    Reset,
}

/// The bytes that one end has written and the other has not read yet.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    /// Number of the first bytes that have arrived.
    arrived: usize,
    /// Segments in flight, in the order of arrival.
    flight: VecDeque<Segment>,
    /// The end of the stream has arrived.
    pub(crate) ended: bool,
    /// Number of bytes ever written.
    pub(crate) written: u64,
    /// Number of bytes ever read.
    pub(crate) read: u64,
}

impl Pipe {
    /// Makes the pipe as new, and keeps its memory.
    pub(crate) fn recycle(&mut self) {
        self.bytes.clear();
        self.flight.clear();
        self.arrived = 0;
        self.ended = false;
        self.written = 0;
        self.read = 0;
    }

    /// Returns the number of bytes are in the pipe.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the number of bytes can be read.
    pub(crate) const fn arrived(&self) -> usize {
        self.arrived
    }

    /// Returns the number of bytes have ever arrived.
    pub(crate) const fn arrived_total(&self) -> u64 {
        self.read + self.arrived as u64
    }

    /// Returns whether bytes are under way.
    pub(crate) fn has_flight(&self) -> bool {
        self.bytes.len() > self.arrived
    }

    /// Puts bytes in; they arrive in segments of the given lengths.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.written += bytes.len() as u64;
    }

    /// Sends something on its way.
    pub(crate) fn send(&mut self, segment: Segment) {
        self.flight.push_back(segment);
    }

    /// Takes what arrives next out of the flight, and records it.
    pub(crate) fn deliver(&mut self) -> Option<Segment> {
        let segment = self.flight.pop_front()?;
        match segment {
            Segment::Bytes(count) => self.arrived += count,
            Segment::End => self.ended = true,
            Segment::Reset => {}
        }
        Some(segment)
    }

    /// Reads as many of the bytes that arrived as fit.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.peek(buffer);
        self.consume(count);
        count
    }

    /// Copies as many of the bytes that arrived as fit.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.arrived);
        let (front, back) = self.bytes.as_slices();
        let split = count.min(front.len());
        buffer[..split].copy_from_slice(&front[..split]);
        buffer[split..count].copy_from_slice(&back[..count - split]);
        count
    }

    /// Takes out the first bytes of those that arrived.
    pub(crate) fn consume(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.arrived -= count;
        self.read += count as u64;
    }

    /// Throws away what has not arrived.
    pub(crate) fn cut(&mut self) {
        self.flight.clear();
        self.bytes.truncate(self.arrived);
    }

    /// Throws away everything, also what has arrived.
    pub(crate) fn discard(&mut self) {
        self.flight.clear();
        self.bytes.clear();
        self.arrived = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_before_they_can_be_read() {
        let mut pipe = Pipe::default();
        let mut buffer = [0; 8];
        pipe.write(b"abcdef");
        pipe.send(Segment::Bytes(4));
        pipe.send(Segment::Bytes(2));
        pipe.send(Segment::End);
        assert_eq!(pipe.read(&mut buffer), 0);
        assert_eq!(pipe.deliver(), Some(Segment::Bytes(4)));
        assert_eq!(pipe.read(&mut buffer[..3]), 3);
        assert_eq!(pipe.read(&mut buffer[3..]), 1);
        assert_eq!(&buffer[..4], b"abcd");
        pipe.cut();
        assert_eq!((pipe.len(), pipe.deliver()), (0, None));
    }
}
