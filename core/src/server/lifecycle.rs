//! The life of a connection: opened, served, reconciled with what was asked for, closed.

use super::config::{Features, Span};
use super::connection::{Connection, Flag, Phase, ReadHalf, WriteHalf};
use super::counters::{CloseReason, bump};
use super::engine::{Application, Engine};
use super::origin::Origin;
use super::reader::Receive;
use super::service::Service;
use super::storage::Entry;
use super::writer::Shutdown;
use crate::contract::{Close, Instant, Interest, Readiness, Transport};

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Begins to serve the current source, which is registered.
    pub(super) fn open<S: Service>(&mut self, app: &mut Application<'_, S>, origin: Origin) {
        let index = self.current.index();
        let connection = self.current();
        connection.open(origin);
        connection.set_watched(Interest::READABLE);
        bump(&mut self.state.counters.accepted, 1);
        self.count_open();
        app.sessions[index] = Entry::Taken(S::Session::default());
        self.begin_service(app);
    }

    /// Counts a connection that was opened.
    pub(super) fn count_open(&mut self) {
        self.state.open += 1;
        let open = self.state.open as u64;
        self.state.counters.open_max = self.state.counters.open_max.max(open);
    }

    /// Calls the service for the current connection, which has just been opened.
    pub(super) fn begin_service<S: Service>(&mut self, app: &mut Application<'_, S>) {
        let index = self.current.index();
        self.record_progress(index);
        if P::OWNS_BUFFERS {
            // An empty buffer shows the most room that there can be, which decides on `TooLong`.
            self.platform_room(index);
        }
        app.call(self, S::opened);
        self.reconcile(app);
        if self.drain().is_some() && self.current().is_connection() {
            // It was opened after `drain` went through the table, so nothing else schedules it.
            self.schedule_now(index);
        }
        self.schedule_next();
    }

    /// Serves one event of a connection in any phase.
    pub(super) fn on_event<S: Service>(
        &mut self,
        app: &mut Application<'_, S>,
        readiness: Readiness,
    ) {
        if self.current().phase() == Phase::Lingering {
            // Unread input at close would send RST, which can discard our last bytes.
            if self.discard_input(app.scratch) {
                self.close_connection(app, Close::Graceful);
            }
            return;
        }
        let watched = self.current().watched();
        // A hang-up counts as readable, also for a connection that has paused reading.
        let readable = readiness.is_readable() && watched.contains(Interest::READABLE);
        // A platform that owns the buffers shows only what is new: what was left is asked for.
        let mut offers = Receive::More;
        // Output first: it frees the buffer and the room that the answer to new input needs.
        if readiness.is_writable() {
            let is_asked = self.current().has(Flag::WRITABLE_WANTED);
            let is_called = self.flush_and_call(app, is_asked);
            if is_called && P::OWNS_BUFFERS && self.current().has(Flag::LEFT) {
                offers = Receive::Again;
            }
            if is_called && !readable {
                // The service may have left its input for want of the room that there is now.
                self.receive(app, Receive::Again);
            }
        }
        let has_hung_up = readiness.intersects(Readiness::ERROR | Readiness::CLOSED);
        // If it is read from, the read says what has happened, after the last bytes. If it waits
        // for a buffer, it reads when it has one.
        if has_hung_up && !readable && !self.waits_for_buffer() {
            self.on_hang_up();
        }
        if readable && self.current().is_open() {
            self.receive(app, offers);
        }
        self.reconcile(app);
        self.resume_drain();
    }

    /// Schedules a connection that was not told of the drain because the reply in progress kept
    /// its service from taking the rest.
    fn resume_drain(&mut self) {
        let waits = self.drain().is_some() && self.current().is_open();
        if waits && self.is_to_be_read_out() && !self.holds_up_input() {
            self.schedule_now(self.current.index());
        }
    }

    /// Returns whether a drain has not yet found that nothing more is to be read from the current
    /// connection.
    pub(super) fn is_to_be_read_out(&mut self) -> bool {
        let connection = self.current();
        !connection.has(Flag::DRAIN_TOLD) || connection.has(Flag::TOLD_EARLY)
    }

    /// Returns whether the service has left input, and a reply in progress may be why.
    pub(super) fn holds_up_input(&mut self) -> bool {
        self.waits_for_buffer() || (self.unread() > 0 && self.is_replying())
    }

    /// Flushes pending output, and calls the service if all is drained, or if it asked for that.
    /// Returns whether it was called.
    pub(super) fn flush_and_call<S: Service>(
        &mut self,
        app: &mut Application<'_, S>,
        is_asked: bool,
    ) -> bool {
        let has_drained = self.flush();
        let calls = has_drained || self.regain_room() || is_asked;
        let connection = self.current();
        let is_free = P::OWNS_BUFFERS || connection.output().is_none();
        // With output pending the service could only add to it: it is called when that has drained.
        if !calls || !is_free || !connection.is_open() {
            return false;
        }
        connection.clear(Flag::WRITABLE_WANTED);
        app.call(self, S::writable);
        true
    }

    /// Carries out what the state of the current connection asks for: the end is delivered,
    /// output flushed, closed, or watched for the right things.
    pub(super) fn reconcile<S: Service>(&mut self, app: &mut Application<'_, S>) {
        // Output is gathered for one callback: it is sent before the next one.
        self.flush_gathered();
        self.deliver_end(app);
        self.flush_gathered();
        if F::DRAINS {
            self.finish_if_done(app);
        }
        self.commit_progress();
        if let Some(how) = self.advance() {
            self.close_connection(app, how);
        }
    }

    /// Closes a connection whose reply in progress is finished, if the service wanted that.
    fn finish_if_done<S: Service>(&mut self, app: &mut Application<'_, S>) {
        let index = self.current.index();
        let finishes = self.current().has(Flag::FINISHING) && !self.current().has(Flag::TOLD_EARLY);
        if !finishes || self.waits_to_finish() {
            return;
        }
        // What was offered a moment ago, and not taken, is not offered again at once.
        if self.state.call.has_taken || !self.state.call.has_offered {
            self.state.call.has_taken = false;
            self.receive(app, Receive::Again);
            self.flush_gathered();
        }
        if self.waits_to_finish() {
            return;
        }
        if self.state.call.has_taken {
            // It may take more, or answer later: once more in a moment.
            return self.schedule_now(index);
        }
        let reason = self.current().reason();
        self.begin_closing(index, reason);
    }

    /// Returns whether a connection that finishes cannot be closed yet: the service waits for room,
    /// or may take more of its input once the output has drained or its timer has expired.
    fn waits_to_finish(&mut self) -> bool {
        let has_unread = self.unread() > 0;
        // Room that was used up during the call is waited for after it.
        let has_output = self.has_output() || self.state.call.has_filled;
        let connection = self.current();
        let is_called_again =
            connection.timer != Instant::ZERO || connection.has(Flag::OFFER_AGAIN);
        !connection.is_open()
            || connection.has(Flag::WRITABLE_WANTED)
            || connection.has(Flag::NO_ROOM)
            || (has_unread && (has_output || is_called_again))
    }

    /// Moves the current connection on in its phase. Returns how it is closed, if it is.
    fn advance(&mut self) -> Option<Close> {
        let index = self.current.index();
        let has_output = self.has_output();
        if self.current().is_open() {
            let shuts_down = self.current().write_half() == WriteHalf::ShuttingDown;
            // FIN goes behind the last byte.
            if shuts_down && !has_output {
                self.shut_down();
            }
            if self.is_over() {
                self.begin_closing(index, CloseReason::Finished);
            }
        }
        if self.current().phase() == Phase::Closing && !has_output {
            if let Some(how) = self.advance_closing() {
                return Some(how);
            }
        }
        // Last, as everything above may change it, and a change is a system call.
        self.update_interest(index);
        let connection = *self.current();
        let goes_on = connection.reads() || connection.has(Flag::OFFER_AGAIN);
        if connection.has(Flag::WRITE_FAILED) && connection.is_open() && goes_on {
            // What was received before the failure is read without waiting for an event.
            self.schedule_now(index);
        }
        (connection.phase() == Phase::Failed).then_some(Close::Abort)
    }

    /// Moves a closing connection on whose output is flushed. If the peer has sent FIN, it is
    /// closed now; otherwise our stream is ended first, and the peer's FIN awaited.
    fn advance_closing(&mut self) -> Option<Close> {
        let connection = *self.current();
        let linger = self.state.limits.linger;
        // After the peer's FIN nothing can arrive that would make the close a reset.
        if connection.read_half() != ReadHalf::Open || linger == Span::ZERO {
            return Some(Close::Graceful);
        }
        let is_shut = connection.write_half() == WriteHalf::ShutDown;
        let outcome = if is_shut { Shutdown::Done } else { self.shut_down() };
        if outcome == Shutdown::Failed {
            return Some(Close::Graceful);
        }
        if outcome == Shutdown::Done {
            self.current().begin_lingering();
            self.drop_input();
        }
        // A platform that never has room for the FIN is not waited for longer either.
        if outcome == Shutdown::Done || connection.timer == Instant::ZERO {
            let deadline = linger.after(self.context.now());
            self.current().timer = deadline;
            self.schedule(self.current.index(), deadline);
        }
        None
    }

    /// Throws unread input away.
    fn drop_input(&mut self) {
        let index = self.current.index();
        if !P::OWNS_BUFFERS {
            return self.release_input(index);
        }
        if let Some(source) = self.source(index) {
            // With nothing marked as left, the platform reports its buffer again, and it is read.
            self.context.platform.consume(source, 0, 0);
        }
    }

    /// Ends a connection, and discards pending output and unread input. The service is called
    /// last, so that its panic leaves nothing undone.
    pub(super) fn close_connection<S: Service>(
        &mut self,
        app: &mut Application<'_, S>,
        how: Close,
    ) {
        let index = self.current.index();
        self.stop_waiting(index);
        self.release_output(index);
        self.release_input(index);
        // Free before the callback: it may send to this token, which names nothing any more.
        let connection = core::mem::replace(self.current(), Connection::EMPTY);
        let reason = connection.reason();
        self.state.open -= 1;
        self.state.closed = (self.current, connection.origin);
        if const { S::CONNECTS } {
            self.finish_connect(app, connection.origin());
        }
        bump(&mut self.state.counters.closed[reason as usize], 1);
        self.close_source(index, how);
        self.resume_listener();
        self.leave_if_drained();
        app.call(self, |service, peer, session| service.closed(peer, session, reason));
        // A service that connects in this callback may have got the same slot.
        self.current = self.state.closed.0;
        app.sessions[index] = Entry::Vacant;
    }

    /// Deregisters and closes a source.
    pub(super) fn close_source(&mut self, index: usize, how: Close) {
        let Some(token) = self.context.registry().token_at(index) else { return };
        let Some(source) = self.connections.take_source(index) else { return };
        // In this order: a descriptor that is closed first may be reused before it is deregistered.
        let deregistered = self.context.deregister(source, token);
        let closed = self.context.platform.close(source, how);
        let failed = deregistered.is_err() || closed.is_err();
        bump(&mut self.state.counters.close_failures, usize::from(failed));
    }

    /// Returns whether the loop may have stopped, as the server has drained: a connection that
    /// began now would stay as it is.
    pub(super) const fn has_left(&self) -> bool {
        self.drain().is_some() && !self.state.has_joined
    }

    /// Lets the loop stop, if the server has drained and no other serves in it.
    pub(super) fn leave_if_drained(&mut self) {
        let is_drained = self.state.open == 0 && self.state.listeners == 0;
        // It leaves once, as the loop counts the servers in it.
        if is_drained && self.state.drain.is_some() && core::mem::take(&mut self.state.has_joined) {
            self.context.leave();
        }
    }
}
