//! The way of bytes from one end to the other.

use selkie_core::ErrorKind;

use crate::FarEnd;
use crate::network::{Arrival, Connection, FAR, NEAR, Network, READABLE, WRITABLE, name};
use crate::pipe::Segment;
use crate::trace::trace;

/// Maximum number of connection attempts, and the nanoseconds between them.
const ATTEMPTS_MAX: u64 = 200;
const ATTEMPT_PAUSE: u64 = 20_000_000;

impl Network {
    /// Delivers the next segment of a pipe.
    pub(crate) fn deliver(&mut self, slot: u32, generation: u32, side: usize) {
        if self.find(slot, generation).is_none() {
            return;
        }
        let resets = self.parameters.resets;
        let doomed = self.random.chance(resets);
        let connection = &mut self.connections[slot as usize];
        if connection.ends[side].broken {
            return;
        }
        match connection.pipes[side].deliver() {
            Some(Segment::Bytes(count)) => {
                if doomed {
                    trace!(self, "network: resets connection {slot}");
                    self.break_end(slot, NEAR, ErrorKind::ConnectionReset);
                    // The error says that neither end caused this.
                    self.break_end(slot, FAR, ErrorKind::Unreachable);
                } else if self.connections[slot as usize].ends[side].open {
                    self.acknowledge(slot, side);
                    self.notify(slot, side, READABLE);
                    self.note_waiting(slot, side);
                    trace!(self, "network: {count} bytes reach {} {slot}", name(side));
                } else {
                    trace!(
                        self,
                        "network: {count} bytes reach {} {slot}, which is closed",
                        name(side)
                    );
                    self.send_reset(slot, 1 - side);
                }
            }
            Some(Segment::End) => {
                trace!(self, "network: the end reaches {} {slot}", name(side));
                self.notify(slot, side, READABLE);
                self.note_waiting(slot, side);
            }
            Some(Segment::Reset) => {
                trace!(self, "network: a reset reaches {} {slot}", name(side));
                self.break_end(slot, side, ErrorKind::ConnectionReset);
            }
            None => {}
        }
    }

    /// Notes that a far host has acknowledged bytes, unless it is gone.
    fn acknowledge(&mut self, slot: u32, side: usize) {
        let now = self.now;
        let Connection { evidence, pipes, ends, .. } = &mut self.connections[slot as usize];
        if side == FAR && !ends[FAR].vanished {
            evidence.unacknowledged_since = pipes[FAR].has_flight().then_some(now);
        }
    }

    /// Notes since when something waits to be read at the near end.
    fn note_waiting(&mut self, slot: u32, side: usize) {
        if side == NEAR {
            let now = self.now;
            self.connections[slot as usize].evidence.waiting_since.get_or_insert(now);
        }
    }

    /// Breaks one end.
    pub(crate) fn break_end(&mut self, slot: u32, side: usize, why: ErrorKind) {
        let discards = self.parameters.reset_discards != 0;
        let connection = &mut self.connections[slot as usize];
        if connection.ends[side].broken {
            return;
        }
        connection.ends[side].broken = true;
        if side == NEAR {
            connection.evidence.broken_at = Some(self.now);
        }
        connection.ends[side].error = Some(why);
        if discards {
            connection.pipes[side].discard();
        } else {
            connection.pipes[side].cut();
        }
        // Nothing that this end sent matters to anyone but the other end, which is told by its own
        // reset, if at all.
        self.notify(slot, side, READABLE | WRITABLE);
    }

    /// Sends a reset towards an end; what else is under way to it is lost.
    pub(crate) fn send_reset(&mut self, slot: u32, side: usize) {
        let delay = self.latency();
        let connection = &mut self.connections[slot as usize];
        if connection.ends[side].broken || !connection.ends[side].open {
            return;
        }
        connection.pipes[side].cut();
        connection.pipes[side].send(Segment::Reset);
        self.dispatch(slot, Arrival::Segment(side), delay);
    }

    /// Delivers a far end's connection attempt to the near side.
    pub(crate) fn arrive_near(&mut self, slot: u32, generation: u32, address: u32) {
        if self.find(slot, generation).is_none() {
            return;
        }
        let backlog_max = self.parameters.backlog;
        let found =
            self.listeners.iter_mut().find(|listener| listener.open && listener.address == address);
        match found {
            Some(listener) if (listener.backlog.len() as u64) < backlog_max => {
                listener.backlog.push_back(slot);
                listener.fresh = true;
                let connection = &mut self.connections[slot as usize];
                connection.established = true;
                connection.ends[NEAR].open = true;
                connection.evidence.listener = address;
                trace!(self, "network: connection {slot} waits to be accepted");
                self.notify(slot, FAR, WRITABLE);
            }
            // As TCP does: the attempt is repeated a few times, each in a while.
            Some(_) if self.connections[slot as usize].attempts < ATTEMPTS_MAX => {
                self.connections[slot as usize].attempts += 1;
                self.dispatch(slot, Arrival::DialNear(address), ATTEMPT_PAUSE);
            }
            Some(_) => {
                trace!(self, "network: connection {slot} has waited too long to be let in");
                self.break_end(slot, FAR, ErrorKind::TimedOut);
            }
            None => {
                trace!(self, "network: connection {slot} is refused");
                self.break_end(slot, FAR, ErrorKind::ConnectionRefused);
            }
        }
    }

    /// Delivers a near end's connection attempt to the far side.
    pub(crate) fn arrive_far(&mut self, slot: u32, generation: u32, address: u32) {
        if self.find(slot, generation).is_none() {
            return;
        }
        match self.far_listeners.iter_mut().find(|(open, _)| open.0 == address) {
            Some((_, backlog)) => {
                backlog.push_back(FarEnd { slot, generation });
                let connection = &mut self.connections[slot as usize];
                connection.established = true;
                connection.ends[FAR].open = true;
                self.notify(slot, NEAR, WRITABLE);
            }
            None => self.break_end(slot, NEAR, ErrorKind::ConnectionRefused),
        }
    }
}
