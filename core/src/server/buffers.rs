//! The policy of buffers: who may borrow one for output or input, who waits, and who has to give
//! one back.
//!
//! A connection has at most one buffer for output and one for input, each only while bytes wait in
//! it. Where memory says that there are two for each slot
//! ([`SHARES_BUFFERS`](super::storage::ServerMemory::SHARES_BUFFERS)), they are the slot's own.
//! Elsewhere they are lent from the pool, and if there are fewer:
//!
//! * the last free buffer is borrowed for input only while another contains output, so at least
//!   one buffer is always free or will drain: connections that wait for each other, as in a relay,
//!   always have one to send from;
//! * a freed buffer goes to the connection that waits longest for output, or if there is none, to
//!   the one that waits longest for input;
//! * while the same connection is first in line for longer than the grace, the one that has held a
//!   buffer longest is aborted, one in each such time.

use super::buffer_pool::BufferId;
use super::config::Features;
use super::connection::{Connection, Flag, ReadHalf, Waiting};
use super::counters::{CloseReason, bump};
use super::engine::Engine;
use crate::contract::{Instant, Transport};

/// The bytes that a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Output = 0,
    Input = 1,
}

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Returns whether there is a buffer for a connection to send from, and its turn to take it.
    pub(super) fn may_borrow_for_output(&self, index: usize) -> bool {
        if !F::SHARES_BUFFERS {
            return true;
        }
        let first = self.connections.queues.first(Waiting::Output);
        // A send, to any peer, never takes the buffer that the sender's own input may need. One is
        // enough: a relay that has input waits for one buffer to send from, and for nothing else.
        let reserved = usize::from(self.state.call.reserves_input);
        self.pool.free() > reserved && first.is_none_or(|first| first == index)
    }

    /// Returns whether enough buffers are free that one may be borrowed for input.
    fn suffices_for_input(&self) -> bool {
        self.pool.free() >= 2 || (self.pool.free() == 1 && self.state.outputs > 0)
    }

    /// Returns whether the current connection has a buffer to receive into, or may borrow one. If
    /// not, it waits for one.
    pub(super) fn prepare_input(&mut self) -> bool {
        if !F::SHARES_BUFFERS {
            return true;
        }
        let index = self.current.index();
        let connection = self.current();
        if connection.input().is_some() {
            return true;
        }
        let queues = &self.connections.queues;
        // Output goes first: it drains, and gives its buffer back, while input may stay.
        let is_next = match (queues.first(Waiting::Output), queues.first(Waiting::Input)) {
            (Some(first), _) | (None, Some(first)) => first == index,
            (None, None) => true,
        };
        if !is_next || !self.suffices_for_input() {
            if self.current().waiting() == Waiting::Nothing {
                self.wait_for(index, Waiting::Input);
            }
            return false;
        }
        if self.connections.dequeue(index) == Waiting::Input {
            // The next in line has a grace of its own.
            self.state.scarce_since = self.context.now();
        }
        true
    }

    /// Puts a connection into the queue for a buffer.
    #[cold]
    pub(super) fn wait_for(&mut self, index: usize, waiting: Waiting) {
        let now = self.context.now();
        // Those behind the first wait in its grace, so that one buffer is taken in each.
        if !self.are_buffers_scarce() {
            self.state.scarce_since = now;
        }
        // A change of queues is the same wait.
        if self.connection(index).waiting() == Waiting::Nothing {
            bump(&mut self.state.counters.buffer_waits, 1);
        }
        self.connections.enqueue(index, waiting);
        let deadline = self.state.limits.grace.after(now);
        self.schedule(index, deadline);
        // The buffers may suffice for the connection that is first now.
        self.wake_next();
    }

    /// Schedules the connection that is next in line for a buffer, if one can be borrowed.
    #[inline]
    pub(super) fn wake_next(&mut self) {
        if self.are_buffers_scarce() {
            self.wake_first();
        }
    }

    #[cold]
    fn wake_first(&mut self) {
        // Called by what frees a buffer, maybe within a callback: so the waiter is only scheduled.
        if let Some(first) = self.connections.queues.first(Waiting::Output) {
            if self.pool.free() > 0 {
                self.schedule_now(first);
            }
        } else if let Some(first) = self.connections.queues.first(Waiting::Input) {
            if self.suffices_for_input() {
                self.schedule_now(first);
            }
        }
    }

    /// Returns when the connection that has held a buffer longest is aborted, if the current one
    /// still waits then.
    pub(super) fn grace_ends_at(&mut self) -> Instant {
        if !F::SHARES_BUFFERS {
            return Instant::MAX;
        }
        match self.current().waiting() {
            Waiting::Output | Waiting::Input => {
                // The one that has held a buffer longest has the whole grace to drain it too.
                let held_since =
                    self.pool.oldest().map_or(Instant::ZERO, |block| block.borrowed_at);
                self.state.limits.grace.after(self.state.scarce_since.max(held_since))
            }
            _ => Instant::MAX,
        }
    }

    /// Aborts the connection that has held a buffer longest, if the current one has waited for too
    /// long.
    pub(super) fn enforce_grace(&mut self, now: Instant) {
        if self.grace_ends_at() > now {
            return;
        }
        if let Some(owner) = self.pool.oldest().map(|block| block.owner as usize) {
            // One victim is enough for now: the next one has a whole grace again.
            self.state.scarce_since = now;
            self.abort(owner, CloseReason::BufferNeeded);
        }
    }

    /// Borrows a buffer, and keeps the count. Without one the connection fails.
    fn borrow(&mut self, index: usize, direction: Direction) -> Option<BufferId> {
        let now = self.context.now();
        let buffer = if F::SHARES_BUFFERS {
            self.pool.borrow(index, now)
        } else {
            self.pool.borrow_own(2 * index + direction as usize, now)
        };
        if F::SHARES_BUFFERS && buffer.is_none() {
            // The room was asked for before, so there is one; without it, better a reset than a
            // gap.
            self.abort(index, CloseReason::Failed);
        }
        let borrowed = self.pool.borrowed() as u64;
        let most = &mut self.state.counters.blocks_max;
        *most = (*most).max(borrowed);
        buffer
    }

    /// Returns the buffer of a connection's pending output, and borrows one if it has none.
    pub(super) fn borrow_for_output(&mut self, index: usize) -> Option<BufferId> {
        let connection = self.connection(index);
        if let Some(output) = connection.output() {
            return Some(output);
        }
        // It leaves the queue first, as a link of the queue is in the place of the buffer's id.
        if F::SHARES_BUFFERS && connection.waiting() == Waiting::Output {
            self.connections.dequeue(index);
            self.state.scarce_since = self.context.now();
        }
        let output = self.borrow(index, Direction::Output)?;
        self.state.outputs += 1;
        self.connection(index).set_output(Some(output));
        Some(output)
    }

    /// Gives the buffer of a connection's output back, with the bytes in it.
    pub(super) fn release_output(&mut self, index: usize) {
        if P::OWNS_BUFFERS {
            return;
        }
        if let Some(output) = self.connection(index).output() {
            self.connection(index).set_output(None);
            self.state.outputs -= 1;
            self.return_buffer(output);
        }
    }

    /// Gives the buffer of a connection's input back, with the bytes in it.
    pub(super) fn release_input(&mut self, index: usize) {
        if P::OWNS_BUFFERS {
            return;
        }
        if let Some(input) = self.connection(index).input() {
            self.connection(index).set_input(None);
            self.return_buffer(input);
        }
    }

    fn return_buffer(&mut self, buffer: BufferId) {
        if !F::SHARES_BUFFERS {
            return self.pool.release_own();
        }
        self.pool.release(buffer);
        // Otherwise the waiters would sleep until their grace ends.
        self.wake_next();
    }

    /// Returns the number of bytes that the service has left, or where the platform keeps them,
    /// whether there are any, as 1.
    pub(super) fn unread(&mut self) -> usize {
        let connection = self.current();
        if P::OWNS_BUFFERS {
            return usize::from(connection.has(Flag::LEFT));
        }
        let input = connection.input();
        input.map_or(0, |input| self.pool.len(input))
    }

    /// Moves unread input out into `target`, and returns the number of bytes.
    pub(super) fn take_input(&mut self, target: &mut [u8]) -> usize {
        let input = self.current().input();
        input.map_or(0, |input| self.pool.drain_into(input, target))
    }

    /// Keeps what the service has left of its input, which was [taken out](Self::take_input), and
    /// without any gives the buffer back. The input timeout restarts if the service took
    /// something, or if the input buffer is full now and was not before.
    pub(super) fn stash_input(&mut self, bytes: &[u8], took_some: bool) {
        let index = self.current.index();
        if bytes.is_empty() {
            self.current().clear(Flag::INPUT_FULL);
            // A connection without unread input has no buffer, so idle ones cost none.
            return self.release_input(index);
        }
        let input = if let Some(input) = self.current().input() {
            input
        } else {
            let Some(input) = self.borrow(index, Direction::Input) else { return };
            self.current().set_input(Some(input));
            input
        };
        self.pool.push(input, bytes);
        let is_full = bytes.len() >= self.state.received_max;
        let was_full = self.current().has(Flag::INPUT_FULL);
        self.set_input_full(is_full);
        // Part of a message that grows is no fault of the service's until the input buffer is full.
        if took_some || (is_full && !was_full) {
            self.pool.block(input).waiting_since = self.context.now();
        }
        if is_full {
            let deadline = self.input_due_at();
            self.schedule(index, deadline);
        }
    }

    pub(super) fn set_input_full(&mut self, is_full: bool) {
        let connection: &mut Connection = self.current();
        if is_full {
            connection.set(Flag::INPUT_FULL);
        } else {
            connection.clear(Flag::INPUT_FULL);
        }
    }

    /// Returns when the service has had enough time to take its input; the end of time if there
    /// is no limit: there is room for more, or the service has paused reading.
    pub(super) fn input_due_at(&mut self) -> Instant {
        let connection = *self.current();
        let is_limited = connection.is_open()
            && !connection.has(Flag::PAUSED)
            && (connection.has(Flag::INPUT_FULL)
                || connection.read_half() == ReadHalf::EofDelivered);
        if !is_limited {
            return Instant::MAX;
        }
        if P::OWNS_BUFFERS {
            // Without room the service cannot answer: then the stall timeout runs instead.
            let waits = connection.has(Flag::LEFT) && !connection.has(Flag::NO_ROOM);
            let since = connection.blocked_since();
            return if waits { self.state.limits.input.after(since) } else { Instant::MAX };
        }
        match connection.input() {
            Some(input) => self.state.limits.input.after(self.pool.block(input).waiting_since),
            None => Instant::MAX,
        }
    }

    /// Waits for the platform's full send buffer to drain before unread input is offered again.
    pub(super) fn wait_for_drain(&mut self, index: usize) {
        let is_sendable = self.connection(index).is_sendable();
        // The service may have left its input because it found no room to answer. The peer may have
        // made some since, during a slow callback.
        let has_filled = self.state.call.has_filled && index == self.current.index();
        if is_sendable
            && !self.connection(index).has(Flag::NO_ROOM)
            && (has_filled || self.platform_room(index) == 0)
        {
            let now = self.context.now();
            self.connection(index).set(Flag::NO_ROOM);
            self.connection(index).set_blocked_since(now);
            self.schedule_stall(index, now);
            return;
        }
        let told = self.state.call.room_told.filter(|_| index == self.current.index());
        if let Some(told) =
            told.filter(|_| is_sendable && !self.connection(index).has(Flag::NO_ROOM))
        {
            self.state.call.room_told = None;
            self.wait_for_more_room(index, told);
        }
    }
}
