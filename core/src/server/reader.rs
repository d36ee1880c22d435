//! Bytes from the peer: read, offered to the service, and kept as far as it leaves them.

use super::config::Features;
use super::connection::{Flag, ReadHalf, Waiting, WriteHalf};
use super::counters::bump;
use super::engine::{Application, Engine};
use super::service::Service;
use crate::contract::{Error, Instant, Transport};

/// The most reads of a connection in one turn, where a source stays readable until one has found
/// nothing. There are few, so that a peer that sends a byte at a time, and never stops, keeps no
/// other from its turn.
const READS_MAX: usize = 4;

/// The input that is offered to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receive {
    /// The bytes that were left, and behind them those that the platform has; nothing, if it has
    /// neither bytes nor the end of the stream.
    New,
    /// The bytes that were left, and behind them those that the platform has.
    More,
    /// Only the bytes that were left.
    Again,
}

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Receives for the current connection. Returns whether the platform may have more: the read
    /// found something.
    pub(super) fn receive<S: Service>(
        &mut self,
        app: &mut Application<'_, S>,
        what: Receive,
    ) -> bool {
        let connection = self.current();
        let waits = F::SHARES_BUFFERS && connection.waiting() == Waiting::Input;
        let reads = connection.reads() || (waits && connection.wants_to_read());
        if waits && !reads {
            // It has paused or closed meanwhile: the next in line can have the buffer.
            self.stop_waiting(self.current.index());
        }
        let what = if reads { what } else { Receive::Again };
        let had_unread = self.unread() > 0;
        // A service that has paused is offered nothing, not even what it left.
        if what == Receive::Again && (!had_unread || self.current().has(Flag::PAUSED)) {
            return false;
        }
        let more = if P::OWNS_BUFFERS {
            self.receive_in_place(app, what)
        } else {
            self.receive_repeatedly(app, what)
        };
        self.finish_receive(app, had_unread);
        more
    }

    /// Reads once, or where a read leaves a source readable, until nothing is there; but no more
    /// bytes together than one read may take.
    fn receive_repeatedly<S: Service>(
        &mut self,
        app: &mut Application<'_, S>,
        what: Receive,
    ) -> bool {
        let mut limit = self.state.received_max;
        let mut reads = 0;
        loop {
            let count = self.receive_once(app, what, limit);
            limit -= count;
            reads += 1;
            // Elsewhere the platform reports again, and the next connection has its turn.
            let goes_on = P::READABLE_UNTIL_EMPTY && reads < READS_MAX && count > 0 && limit > 0;
            if !goes_on || !self.current().reads() || self.unread() > 0 {
                return limit < self.state.received_max;
            }
        }
    }

    /// Reads once, and offers the service all that there is. Returns the number of bytes read.
    fn receive_once<S: Service>(
        &mut self,
        app: &mut Application<'_, S>,
        what: Receive,
        limit: usize,
    ) -> usize {
        if !self.prepare_input() {
            return 0;
        }
        let max = self.state.received_max;
        // Unread input and what is read now are offered as one piece.
        let unread = self.take_input(app.scratch);
        let mut received = 0;
        if what != Receive::Again && unread < max {
            let end = max.min(unread + limit);
            if let Some(source) = self.source(self.current.index()) {
                let read = self.context.platform.read(source, &mut app.scratch[unread..end]);
                received = self.record_read(read);
            }
        }
        let count = unread + received;
        let mut taken = 0;
        let has_ended = self.current().read_half() != ReadHalf::Open;
        // Nothing has changed for the service: a call could only move its timer.
        let is_old = what == Receive::New && received == 0 && !has_ended;
        if count > 0 && !is_old && self.current().is_open() {
            let has_input = self.current().input().is_some();
            // The service may send, but not with the last buffer that its own input may need.
            self.state.call.reserves_input = !has_input;
            taken = app.offer(self, count);
            self.state.call.reserves_input = false;
            self.state.call.has_offered = true;
            self.state.call.has_taken |= taken > 0;
        }
        self.stash_input(&app.scratch[taken..count], taken > 0);
        self.give_up_if_refused(taken);
        received
    }

    /// Offers the service what the platform has in a buffer of its own.
    fn receive_in_place<S: Service>(
        &mut self,
        app: &mut Application<'_, S>,
        what: Receive,
    ) -> bool {
        let Some(source) = self.source(self.current.index()) else { return false };
        if what == Receive::Again {
            // All is shown again, not only what is new.
            self.context.platform.consume(source, 0, 0);
        }
        let shown = match self.context.platform.peek(source, app.scratch) {
            Ok(shown @ 1..) => shown,
            nothing => {
                self.record_read(nothing);
                let has_ended = self.current().read_half() == ReadHalf::Eof;
                // The service may have waited for more, which will not follow: its last chance.
                if has_ended && what != Receive::Again && self.current().has(Flag::LEFT) {
                    self.receive_in_place(app, Receive::Again);
                }
                return false;
            }
        };
        // Old bytes that are offered again are no progress.
        if what != Receive::Again {
            self.record_progress(self.current.index());
        }
        let taken = app.offer(self, shown);
        self.finish_offer(taken, shown, app.scratch.len());
        taken > 0
    }

    /// Records that the service took `taken` of `shown` bytes in the platform's own buffer, of
    /// which at most `shown_max` can be shown.
    pub(super) fn finish_offer(&mut self, taken: usize, shown: usize, shown_max: usize) {
        self.state.call.has_offered = true;
        self.state.call.has_taken |= taken > 0;
        let left = shown - taken;
        self.state.call.left = left;
        if let Some(source) = self.source(self.current.index()) {
            self.context.platform.consume(source, taken, left);
        }
        bump(&mut self.state.counters.bytes_in, taken);
        if taken > 0 {
            self.record_progress(self.current.index());
        }
        self.record_left(left > 0, left == shown_max, taken > 0);
        self.give_up_if_refused(taken);
    }

    /// Records if the service has left bytes in the platform's buffer.
    fn record_left(&mut self, left_some: bool, is_full: bool, took_some: bool) {
        let index = self.current.index();
        let was_full = self.current().has(Flag::INPUT_FULL);
        self.set_input_full(is_full);
        if !left_some {
            self.current().clear(Flag::LEFT);
            return;
        }
        self.current().set(Flag::LEFT);
        // More input behind what was left does not give the service more time.
        if took_some || (is_full && !was_full) {
            let now = self.context.now();
            self.current().set_blocked_since(now);
        }
        if is_full {
            let deadline = self.input_due_at();
            self.schedule(index, deadline);
        }
    }

    /// Records the outcome of a read, and returns the number of bytes.
    pub(super) fn record_read(&mut self, read: Result<usize, Error>) -> usize {
        let index = self.current.index();
        match read {
            // After a failed write, platforms report a reset as the end of the stream.
            Ok(0) if self.current().has(Flag::WRITE_FAILED) => {
                let reason = self.current().reason();
                self.abort(index, reason);
            }
            Ok(0) => {
                // A platform may report the end of a stream more than once.
                if self.current().is_open() && self.current().read_half() == ReadHalf::Open {
                    self.current().end_read();
                }
            }
            Ok(count) => {
                bump(&mut self.state.counters.bytes_in, count);
                self.record_progress(index);
                return count;
            }
            Err(error) if error.is_would_block() => {
                bump(&mut self.state.counters.reads_spurious, 1);
                // After a failed write nothing more comes than what was received before it.
                if self.current().has(Flag::WRITE_FAILED) {
                    let reason = self.current().reason();
                    self.abort(index, reason);
                }
            }
            Err(error) => self.fail(index, error),
        }
        0
    }

    /// Fails a connection whose write has failed, and whose service took nothing because of that:
    /// nothing can change any more.
    fn give_up_if_refused(&mut self, taken: usize) {
        let connection = self.current();
        if taken == 0 && connection.has(Flag::WRITE_FAILED) && self.state.call.was_refused {
            let (index, reason) = (self.current.index(), self.current().reason());
            self.abort(index, reason);
        }
    }

    /// Delivers the end once more, when the service has taken the last bytes that it had left.
    fn finish_receive<S: Service>(&mut self, app: &mut Application<'_, S>, had_unread: bool) {
        let connection = *self.current();
        let told = connection.is_open() && connection.read_half() == ReadHalf::EofDelivered;
        // The service did not close at the end because of these bytes.
        if told && had_unread && self.unread() == 0 {
            app.call(self, |service, peer, session| service.read_closed(peer, session, 0));
        }
    }

    /// Delivers the end of the peer's stream to the service. All that was read before was offered.
    pub(super) fn deliver_end<S: Service>(&mut self, app: &mut Application<'_, S>) {
        let connection = *self.current();
        if !connection.is_open() || connection.read_half() != ReadHalf::Eof {
            return;
        }
        self.current().deliver_end();
        let untaken = if P::OWNS_BUFFERS { self.state.call.left } else { self.unread() };
        if untaken > 0 {
            // Nothing more can follow that would make the service take them.
            self.restart_input_timeout();
        }
        app.call(self, |service, peer, session| service.read_closed(peer, session, untaken));
    }

    /// Gives the service the whole input timeout for what it left at the end of the stream.
    fn restart_input_timeout(&mut self) {
        let (index, now) = (self.current.index(), self.context.now());
        if P::OWNS_BUFFERS {
            self.current().set_blocked_since(now);
        } else if let Some(input) = self.current().input() {
            self.pool.block(input).waiting_since = now;
        }
        let deadline: Instant = self.input_due_at();
        self.schedule(index, deadline);
    }

    /// Throws away what a peer sends after all was sent to it. Returns whether it has ended its
    /// stream, or broken.
    pub(super) fn discard_input(&mut self, scratch: &mut [u8]) -> bool {
        let Some(source) = self.source(self.current.index()) else { return true };
        // One read in a turn, as everywhere: a peer that never stops costs no more than any other.
        match self.context.platform.read(source, scratch) {
            Ok(0) => true,
            // A peer that is gone sends no FIN.
            Err(error) if !error.is_would_block() => true,
            Ok(count) => {
                bump(&mut self.state.counters.bytes_in, count);
                false
            }
            Err(_) => {
                bump(&mut self.state.counters.reads_spurious, 1);
                false
            }
        }
    }

    /// Returns whether both streams have ended, and nothing is left in either direction.
    pub(super) fn is_over(&mut self) -> bool {
        let connection = *self.current();
        let has_read_all = connection.read_half() == ReadHalf::EofDelivered && self.unread() == 0;
        let failed = connection.has(Flag::WRITE_FAILED);
        // Paused by the service, to whose peer nothing can be sent: no event will change that.
        let takes_no_more = failed && connection.has(Flag::PAUSED);
        takes_no_more
            || (has_read_all && (failed || connection.write_half() == WriteHalf::ShutDown))
    }
}
