//! The operations of either side on its end of a connection, and of the near side on its listeners.

use selkie_core::ErrorKind;
use selkie_core::platform::Close;

use crate::Address;
use crate::network::{Arrival, Listener, NEAR, Network, Outcome, WRITABLE};
use crate::pipe::Segment;

impl Network {
    /// Reads at an end.
    pub(crate) fn read(&mut self, slot: u32, side: usize, buffer: &mut [u8]) -> Outcome<usize> {
        let connection = &mut self.connections[slot as usize];
        let (end, pipe) = (&mut connection.ends[side], &mut connection.pipes[side]);
        if pipe.arrived() > 0 {
            let count = pipe.read(buffer);
            end.seen = end.seen.saturating_sub(count);
            self.notify(slot, 1 - side, WRITABLE);
            return Ok(count);
        }
        if let Some(why) = end.failure(side) {
            return Err(why.into());
        }
        if pipe.ended || end.broken { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Shows the near end what has arrived, if that is more than it has left.
    pub(crate) fn peek(&mut self, slot: u32, buffer: &mut [u8]) -> Outcome<usize> {
        let connection = &mut self.connections[slot as usize];
        let (end, pipe) = (&mut connection.ends[NEAR], &connection.pipes[NEAR]);
        if pipe.arrived() > end.left {
            return Ok(pipe.peek(buffer));
        }
        if let Some(why) = end.failure(NEAR) {
            return Err(why.into());
        }
        if pipe.ended || end.broken { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Takes out what the near end was shown and has used, and notes how much it has left.
    pub(crate) fn consume(&mut self, slot: u32, count: usize, left: usize) {
        let connection = &mut self.connections[slot as usize];
        // What was shown may be gone since, by a reset in the middle of a callback.
        let there = count.min(connection.pipes[NEAR].arrived());
        connection.pipes[NEAR].consume(there);
        let end = &mut connection.ends[NEAR];
        end.again = count == 0 && left == 0;
        end.left = left;
        end.seen = end.seen.saturating_sub(count).max(left);
        if count > 0 {
            self.notify(slot, 1 - NEAR, WRITABLE);
        }
    }

    /// Writes at an end.
    pub(crate) fn write(&mut self, slot: u32, side: usize, bytes: &[u8]) -> Outcome<usize> {
        let connection = &mut self.connections[slot as usize];
        let end = &mut connection.ends[side];
        if let Some(why) = end.failure(side) {
            return Err(why.into());
        }
        if end.broken || end.write_ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(self.room(slot, side));
        if count == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.connections[slot as usize].pipes[1 - side].write(&bytes[..count]);
        if side == NEAR && count > 0 {
            let since = &mut self.connections[slot as usize].evidence.unacknowledged_since;
            since.get_or_insert(self.now);
        }
        let mut left = count;
        while left > 0 {
            let most = self.parameters.segment_max.max(1).min(left as u64);
            let segment = self.random.between(1, most);
            let delay = self.latency();
            let segment = usize::try_from(segment).unwrap_or(left);
            self.connections[slot as usize].pipes[1 - side].send(Segment::Bytes(segment));
            self.dispatch(slot, Arrival::Segment(1 - side), delay);
            left -= segment;
        }
        Ok(count)
    }

    /// Returns the number of bytes can be written at an end.
    pub(crate) fn room(&self, slot: u32, side: usize) -> usize {
        let connection = &self.connections[slot as usize];
        if !connection.established {
            return 0;
        }
        let capacity = if side == NEAR {
            self.parameters.buffer_to_far
        } else {
            self.parameters.buffer_to_near
        };
        usize::try_from(capacity)
            .unwrap_or(usize::MAX)
            .max(1)
            .saturating_sub(connection.pipes[1 - side].len())
    }

    /// Ends the stream from an end.
    pub(crate) fn end(&mut self, slot: u32, side: usize) -> Outcome<()> {
        let end = &mut self.connections[slot as usize].ends[side];
        if let Some(why) = end.failure(side) {
            return Err(why.into());
        }
        if end.broken {
            return Err(ErrorKind::NotConnected.into());
        }
        if !end.write_ended {
            end.write_ended = true;
            let delay = self.latency();
            self.connections[slot as usize].pipes[1 - side].send(Segment::End);
            self.dispatch(slot, Arrival::Segment(1 - side), delay);
        }
        Ok(())
    }

    /// Closes an end. With unread bytes it is a reset in any case, as it is in TCP.
    pub(crate) fn close(&mut self, slot: u32, side: usize, how: Close) {
        let connection = &mut self.connections[slot as usize];
        connection.ends[side].open = false;
        if !connection.ends[side].broken {
            let unread = connection.pipes[side].arrived() > connection.ends[side].seen;
            if how == Close::Abort || unread || !connection.established {
                self.send_reset(slot, 1 - side);
            } else {
                let _ = self.end(slot, side);
            }
        }
        self.release(slot);
    }

    /// Opens a near listener. Gives its place in the table.
    pub(crate) fn listen(&mut self, address: Address) -> Outcome<u32> {
        if self.listeners.iter().any(|listener| listener.open && listener.address == address.0) {
            return Err(ErrorKind::AddressInUse.into());
        }
        let place =
            self.listeners.iter().position(|listener| !listener.open).unwrap_or_else(|| {
                self.listeners.push(Listener::default());
                self.listeners.len() - 1
            });
        let listener = &mut self.listeners[place];
        listener.generation += 1;
        listener.open = true;
        listener.address = address.0;
        listener.token = None;
        u32::try_from(place).map_err(|_| ErrorKind::Full.into())
    }

    /// Closes a near listener, and resets what waited at it.
    pub(crate) fn close_listener(&mut self, place: u32) {
        self.listeners[place as usize].open = false;
        while let Some(slot) = self.listeners[place as usize].backlog.pop_front() {
            self.close(slot, NEAR, Close::Abort);
        }
    }

    /// Starts a connection from the near side.
    pub(crate) fn dial_far(&mut self, address: Address) -> u32 {
        let slot = self.connect(NEAR);
        let delay = self.latency();
        self.dispatch(slot, Arrival::DialFar(address.0), delay);
        slot
    }
}
