//! The deadlines of a connection: the next one, and those that have passed.
//!
//! A deadline is judged only after a look that is newer: pending output is flushed and the
//! connection read once more before it is closed as idle or stalled, or its service's timer fires.
//! So a peer that has sent is served, even if this process was stopped meanwhile.

use super::config::Features;
use super::connection::{Flag, Phase, Waiting, WriteHalf};
use super::counters::CloseReason;
use super::engine::{Application, Engine, reason_of};
use super::reader::Receive;
use super::service::Service;
use crate::contract::{Close, Error, ErrorKind, Instant, Transport};

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Serves a connection whose deadline has passed, or that was scheduled to be looked at.
    pub(super) fn on_deadline<S: Service>(&mut self, app: &mut Application<'_, S>) {
        self.judge(app);
        // It may have had its turn, and left the buffer to the next in line.
        self.wake_next();
    }

    fn judge<S: Service>(&mut self, app: &mut Application<'_, S>) {
        let now = self.context.now();
        if self.current().phase() == Phase::Failed {
            return self.close_connection(app, Close::Abort);
        }
        let has_more = self.must_look(now) && self.look(app, now);
        if F::DRAINS {
            self.tell_of_drain(app, has_more, now);
        }
        // The look may have found a reset.
        if self.current().phase() == Phase::Failed {
            return self.close_connection(app, Close::Abort);
        }
        // What has moved in the look counts before anything is judged.
        self.commit_progress();
        if let Some((reason, how)) = self.find_overdue(now) {
            self.current().set_reason(reason);
            return self.close_connection(app, how);
        }
        self.run_timer(app, now);
        self.take_turn(app);
        if self.current().is_open() && self.current().has(Flag::OFFER_AGAIN) {
            self.current().clear(Flag::OFFER_AGAIN);
            self.receive(app, Receive::Again);
        }
        if self.check_at() != Instant::MAX {
            self.check_peer();
        }
        // A lingering connection waits for one thing only, which `on_event` serves.
        if self.current().phase() != Phase::Lingering {
            self.reconcile(app);
        }
        self.enforce_grace_if_waiting(now);
        self.schedule_next();
    }

    /// Returns whether the connection has to be looked at before anything else: something is to be
    /// judged, or it may read what it waited to read.
    fn must_look(&mut self, now: Instant) -> bool {
        let connection = *self.current();
        if connection.phase() == Phase::Lingering {
            return false;
        }
        self.due_at() <= now
            || self.is_to_be_told()
            || (F::SHARES_BUFFERS && connection.waiting() == Waiting::Input)
            || connection.has(Flag::WRITE_FAILED)
    }

    /// Returns whether the server drains, and the current connection has to be read first.
    fn is_to_be_told(&mut self) -> bool {
        self.drain().is_some() && self.current().is_open() && self.is_to_be_read_out()
    }

    /// Flushes and reads once more. Returns whether there may be more to read.
    fn look<S: Service>(&mut self, app: &mut Application<'_, S>, now: Instant) -> bool {
        let is_called = self.flush_and_call(app, false);
        if !self.current().is_open() {
            return false;
        }
        let connection = *self.current();
        let could_not_read = !connection.reads() && connection.waiting() != Waiting::Input;
        // Old bytes are offered again for the sake of a drain only. The callback could move the
        // timer that is to be judged, each time that it is due.
        let is_timer_due = connection.is_timer_due(now);
        let offers_again = self.is_to_be_told() && !is_timer_due;
        let mut has_more = could_not_read && is_timer_due && connection.has(Flag::INPUT_FULL);
        if offers_again || !could_not_read {
            let what = if offers_again { Receive::More } else { Receive::New };
            has_more |= self.receive(app, what);
        }
        if could_not_read && self.current().reads() {
            // The input buffer was full before the service took some, or it waited for a buffer to
            // answer.
            has_more |= self.receive(app, Receive::More);
        }
        if is_called {
            // There is room now for the answer to input that was left.
            self.current().set(Flag::OFFER_AGAIN);
        }
        self.flush_gathered();
        has_more
    }

    /// Calls [`Service::draining`] once everything that arrived before is read, and closes the
    /// connection at the drain's deadline.
    fn tell_of_drain<S: Service>(
        &mut self,
        app: &mut Application<'_, S>,
        has_more: bool,
        now: Instant,
    ) {
        let Some(drain) = self.drain() else { return };
        let index = self.current.index();
        if !self.current().is_open() {
            return;
        }
        if drain.deadline <= now {
            // A reply in progress is cut off; `find_overdue` reports that as `Expelled`.
            if !self.is_replying() {
                self.begin_closing(index, CloseReason::Drained);
            }
            return;
        }
        // While it waits for a buffer it is not read: only the drain's deadline cuts it off.
        if self.waits_for_buffer() || !self.is_to_be_read_out() {
            return;
        }
        // What was left may hide more, in an input buffer that is full.
        let waits = self.holds_up_input();
        // If it waits, what it waits for schedules it.
        if has_more && !waits {
            self.schedule_now(index);
        }
        let is_read_out = !has_more && !waits;
        let is_told = self.current().has(Flag::DRAIN_TOLD);
        if is_read_out {
            self.current().clear(Flag::TOLD_EARLY);
        } else if now >= drain.tell_by {
            self.current().set(Flag::TOLD_EARLY);
        }
        if is_told || (!is_read_out && now < drain.tell_by) {
            return;
        }
        self.current().set(Flag::DRAIN_TOLD);
        self.state.call.closes_as = CloseReason::Drained;
        app.call(self, S::draining);
        self.state.call.closes_as = CloseReason::Closed;
    }

    /// Returns the reason and the way to close the current connection now, if a deadline has
    /// passed.
    fn find_overdue(&mut self, now: Instant) -> Option<(CloseReason, Close)> {
        let connection = *self.current();
        let is_timer_due = connection.is_timer_due(now);
        let is_drain_due = self.drain().is_some_and(|drain| drain.deadline <= now);
        let has_output = !P::OWNS_BUFFERS && connection.output().is_some();
        // With a FIN the peer would take a cut-off reply for a complete one.
        let how = if has_output || connection.has(Flag::WRITE_FAILED) {
            Close::Abort
        } else {
            Close::Graceful
        };
        let reason = match connection.phase() {
            Phase::Open if is_drain_due && self.is_replying() => CloseReason::Expelled,
            Phase::Closing if is_drain_due && has_output => CloseReason::Expelled,
            // All was sent: the connection counts as closed for its own reason.
            Phase::Closing | Phase::Lingering if is_drain_due || is_timer_due => {
                connection.reason()
            }
            // A graceful close would wait for the peer that takes nothing.
            _ if self.stalled_at() <= now => return Some((CloseReason::Stalled, Close::Abort)),
            _ if self.input_due_at() <= now => CloseReason::InputNotTaken,
            _ if self.idle_at() <= now => CloseReason::Idle,
            _ => return None,
        };
        Some((reason, how))
    }

    /// Calls the service if its own deadline has passed.
    fn run_timer<S: Service>(&mut self, app: &mut Application<'_, S>, now: Instant) {
        let connection = self.current();
        if connection.is_timer_due(now) && connection.is_open() {
            // Before the callback, which may set the next deadline.
            connection.timer = Instant::ZERO;
            connection.set(Flag::OFFER_AGAIN);
            app.call(self, S::timer_expired);
        }
    }

    /// Lets a connection send that waited for a buffer, if it is first in line and there is one.
    fn take_turn<S: Service>(&mut self, app: &mut Application<'_, S>) {
        let index = self.current.index();
        let waits = self.current().waiting() == Waiting::Output;
        if !F::SHARES_BUFFERS || !waits || !self.may_borrow_for_output(index) {
            return;
        }
        // It stays first in line while it is called, so that the buffer is its own.
        let is_called = self.current().has(Flag::WRITABLE_WANTED) && self.current().is_open();
        if is_called {
            self.current().clear(Flag::WRITABLE_WANTED);
            app.call(self, S::writable);
        }
        if self.current().is_open() {
            self.receive(app, Receive::Again);
        }
        if is_called && self.current().waiting() == Waiting::Output {
            // In a relay it is the other connection that sends to this one, in the next turn.
            return self.schedule_now(index);
        }
        self.stop_waiting_for_output(index);
    }

    /// Takes a connection that had its turn out of the line.
    fn stop_waiting_for_output(&mut self, index: usize) {
        if self.current().waiting() == Waiting::Output {
            self.stop_waiting(index);
        }
    }

    fn enforce_grace_if_waiting(&mut self, now: Instant) {
        if F::SHARES_BUFFERS && self.current().is_connection() {
            self.enforce_grace(now);
        }
    }

    /// Asks the platform if the peer of the current connection is gone.
    pub(super) fn check_peer(&mut self) {
        match self.check() {
            Err(error) if error.kind() != ErrorKind::Unsupported => self.hang_up(reason_of(error)),
            _ => {}
        }
    }

    /// Asks the platform for an error of the current connection.
    fn check(&mut self) -> Result<(), Error> {
        match self.source(self.current.index()) {
            Some(source) => self.context.platform.check(source),
            None => Ok(()),
        }
    }

    /// Records a hang-up that the platform has reported. If our stream has ended too, the
    /// peer may have left in order, with bytes that wait for the service to read on.
    #[cold]
    pub(super) fn on_hang_up(&mut self) {
        let connection = self.current();
        let is_over = connection.is_open() && connection.write_half() == WriteHalf::ShutDown;
        if is_over && !connection.has(Flag::WRITE_FAILED) && self.check().is_ok() {
            self.current().set(Flag::LEFT_IN_ORDER);
        } else {
            self.hang_up(CloseReason::Reset);
        }
    }

    /// Records that the peer of the current connection is gone. What it has sent is still
    /// read and offered, unless the service has paused reading.
    #[cold]
    pub(super) fn hang_up(&mut self, reason: CloseReason) {
        let connection = self.current();
        if connection.is_open() && !connection.has(Flag::WRITE_FAILED) {
            // All was sent and the peer left: that is no reset from the service's point of view.
            let is_over = connection.write_half() == WriteHalf::ShutDown;
            // It is `Finished`, unless it finishes for a reason of its own.
            let reason = if is_over { connection.reason() } else { reason };
            self.fail_write(self.current.index(), reason);
        }
    }

    /// Returns when the current connection has been idle for too long; the end of time if never:
    /// the clock is stopped while the server itself keeps it from being read.
    pub(super) fn idle_at(&mut self) -> Instant {
        let has_output = self.has_output();
        let waits_for_buffer = self.waits_for_buffer();
        let connection = *self.current();
        // An input buffer that the service does not empty has a timeout of its own. While the peer
        // takes nothing of what is pending, the peer may be why.
        let is_unread =
            connection.has(Flag::INPUT_FULL) && !has_output && !connection.has(Flag::NO_ROOM);
        let is_held_up = match connection.phase() {
            Phase::Open => {
                is_unread
                    || connection.has(Flag::PAUSED)
                    || connection.has(Flag::DELAYED)
                    || waits_for_buffer
            }
            // Without output it waits for room for the FIN, which has a deadline of its own.
            Phase::Closing => !has_output,
            _ => true,
        };
        if is_held_up {
            return Instant::MAX;
        }
        self.state.limits.idle.after(connection.progress)
    }

    /// Returns the first deadline of the current connection that is judged.
    fn due_at(&mut self) -> Instant {
        let timer = match self.current().timer {
            Instant::ZERO => Instant::MAX,
            timer => timer,
        };
        let waits = self.waits_for_buffer() || self.current().has(Flag::DRAIN_TOLD);
        let is_to_be_told = self.is_to_be_told() && !waits;
        let drain = self.drain().map_or(Instant::MAX, |drain| {
            if is_to_be_told { drain.tell_by.min(drain.deadline) } else { drain.deadline }
        });
        let idle_or_stalled = self.idle_at().min(self.stalled_at());
        timer.min(drain).min(idle_or_stalled).min(self.input_due_at())
    }

    /// Returns when the current connection has to be looked at next, if nothing happens on it.
    fn next_deadline(&mut self) -> Instant {
        self.due_at().min(self.check_at()).min(self.grace_ends_at())
    }

    /// Schedules the next deadline of the current connection, if it is still there.
    pub(super) fn schedule_next(&mut self) {
        if self.current().is_connection() {
            let deadline = self.next_deadline();
            self.schedule(self.current.index(), deadline);
        }
    }
}
