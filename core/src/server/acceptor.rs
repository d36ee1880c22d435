//! Listeners: accepting, pausing while nothing more can be served, resuming when something is
//! freed.

mod limits;

use super::config::Features;
use super::connection::{Connection, Phase, Waiting};
use super::counters::bump;
use super::engine::{Application, Call, Engine};
use super::origin::Origin;
use super::service::Service;
use crate::address_table::LimitEntry;
use crate::contract::{Close, Error, ErrorKind, Instant, Interest, Mode, Token, Transport};

/// The reason why accepting stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepted {
    /// All that waited.
    All,
    /// As many as one turn may.
    Share,
    /// As many as can be served.
    UntilFull,
    /// As many as a draining server accepts.
    Last,
    /// As many as are accepted before this time.
    Until(Instant),
    /// None more for want of descriptors or memory, or worse.
    UntilError,
}

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Takes waiting connections from the current listener, as many as one turn may, and decides
    /// on what the listener is watched for.
    ///
    /// The table of addresses is there if `LIMITED`.
    pub(super) fn accept<S: Service, const LIMITED: bool>(
        &mut self,
        app: &mut Application<'_, S>,
        entries: &mut [LimitEntry],
    ) {
        let listener = self.current;
        let index = listener.index();
        let Some(source) = self.source(index) else { return };
        let accepted = self.accept_share::<S, LIMITED>(app, listener, source, entries);
        // The callbacks of the new connections have moved it.
        self.current = listener;
        match accepted {
            // The backlog is empty, which is all that a drain waits for.
            Accepted::All if self.drain().is_some() => self.close_listener(index),
            Accepted::Last => self.close_listener(index),
            Accepted::All | Accepted::Share => self.arm(index),
            Accepted::UntilFull => self.pause(index),
            Accepted::Until(time) => {
                let is_new = self.connection(index).waiting() == Waiting::Nothing;
                bump(&mut self.state.counters.accepts_delayed, usize::from(is_new));
                self.pause(index);
                // Listeners take turns at the rate: this one is last in line, the first goes on.
                self.connections.enqueue(index, Waiting::Slot);
                let first = self.connections.queues.first(Waiting::Slot).unwrap_or(index);
                self.schedule(first, time);
            }
            Accepted::UntilError => {
                // The listener stays ready, so it must not be watched. A connection that closes
                // resumes it; so does time, as others may free what is missing.
                self.pause(index);
                self.retry_later(index);
            }
        }
    }

    fn accept_share<S: Service, const LIMITED: bool>(
        &mut self,
        app: &mut Application<'_, S>,
        listener: Token,
        source: P::Source,
        entries: &mut [LimitEntry],
    ) -> Accepted {
        let turn = self.context.counters().turns;
        // The share is that of a turn, not of an event: a listener may be scheduled more than once.
        if self.state.accepts.0 != turn {
            self.state.accepts = (turn, 0);
        }
        loop {
            // Before `accept`: a client that waits in the backlog need not be refused.
            if self.is_full() {
                return Accepted::UntilFull;
            }
            if self.drain().is_some_and(|drain| drain.accepts_left == 0) {
                return Accepted::Last;
            }
            if self.state.accepts.1 >= self.state.limits.accepts_per_turn {
                return Accepted::Share;
            }
            if let Some(time) = if LIMITED { self.accept_at() } else { None } {
                return Accepted::Until(time);
            }
            // Failed attempts count too, or clients that give up at once could keep the turn going.
            self.state.accepts.1 += 1;
            match self.context.platform.accept(source) {
                Ok(connection) => {
                    self.admit::<S, LIMITED>(app, listener, connection, entries);
                }
                Err(error) if error.is_would_block() => return Accepted::All,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {
                    bump(&mut self.state.counters.aborted_early, 1);
                }
                Err(_) => {
                    // EMFILE, ENFILE, ENOMEM and the like: the client stays in the backlog.
                    bump(&mut self.state.counters.accept_failures, 1);
                    return Accepted::UntilError;
                }
            }
        }
    }

    /// Opens a connection that was just accepted, or closes it if it cannot be registered.
    fn admit<S: Service, const LIMITED: bool>(
        &mut self,
        app: &mut Application<'_, S>,
        listener: Token,
        source: P::Source,
        entries: &mut [LimitEntry],
    ) {
        if let (true, Some(drain)) = (F::DRAINS, &mut self.state.drain) {
            // Also if it is refused below: it has left the backlog.
            drain.accepts_left -= 1;
        }
        let mut address = None;
        if LIMITED {
            self.count_accept();
            match self.admit_address(entries, source) {
                Ok(admitted) => address = admitted,
                Err(()) => return,
            }
        }
        if let Ok(token) = self.register(source, Interest::READABLE) {
            self.current = token;
            // Each callback gathers its own output.
            self.state.call = Call::NEW;
            if LIMITED {
                self.join_address(entries, address);
            }
            self.open(app, Origin::Accepted(listener));
            if LIMITED {
                self.finish_admission(entries, token);
            }
            return;
        }
        // Neither registered nor watched, it could never be served.
        bump(&mut self.state.counters.refused, 1);
        let closed = self.context.platform.close(source, Close::Abort);
        bump(&mut self.state.counters.close_failures, usize::from(closed.is_err()));
    }

    /// Registers a source, and stores it in its slot.
    pub(super) fn register(
        &mut self,
        source: P::Source,
        interest: Interest,
    ) -> Result<Token, Error> {
        let token = self.context.register(source, interest, Mode::Level)?;
        // `join` has compared the sizes, but a caller may pass the context of a larger loop.
        if token.index() >= self.connections.len() {
            self.context.deregister(source, token)?;
            return Err(Error::new(ErrorKind::Full));
        }
        // What is left in the slot is of an earlier tenant.
        *self.connection(token.index()) = Connection::EMPTY;
        self.connections.set_source(token.index(), source);
        Ok(token)
    }

    /// Returns whether no further connection can be accepted: all are in use, or kept for those
    /// that the service asks for.
    fn is_full(&self) -> bool {
        let state = &*self.state;
        // With a reserve of all slots no client would ever be served.
        let kept = if !F::CONNECTS || state.open == state.connects {
            0
        } else {
            state.limits.connects_reserved.saturating_sub(state.connects)
        };
        self.state.open.saturating_add(kept) >= self.state.limits.connections_max
            || self.context.registry().vacant() <= kept
    }

    /// Returns whether slots of the loop are used that are not this server's.
    fn shares_slots(&self) -> bool {
        // The server's own clock takes a slot, too.
        let ticker = usize::from(self.state.ticker.is_some());
        self.context.registry().len() > self.state.open + self.state.listeners + ticker
    }

    /// Stops watching a listener until something is freed.
    fn pause(&mut self, listener: usize) {
        let is_loop_full = self.context.registry().vacant() == 0;
        if self.connection(listener).waiting() == Waiting::Nothing {
            let is_full = self.is_full();
            bump(&mut self.state.counters.accept_pauses, usize::from(is_full));
            self.connections.enqueue(listener, Waiting::Slot);
        }
        let fails = self.watch(listener, Interest::NONE).is_err();
        // When others free their slots, no event says so.
        if fails || (is_loop_full && self.shares_slots()) {
            self.retry_later(listener);
        }
    }

    /// Watches a listener again, and lets the next one have its turn. If that does not work, it is
    /// tried later, or when something is freed.
    fn arm(&mut self, listener: usize) {
        if self.watch(listener, Interest::READABLE).is_err() {
            // It was not watched, and so is still in the queue.
            return self.retry_later(listener);
        }
        if self.connections.dequeue(listener) == Waiting::Slot {
            // One is resumed at a time: each may use up the last slot.
            self.resume_listener();
        }
    }

    /// Schedules the listener that has waited longest, if another connection can be served.
    #[inline]
    pub(super) fn resume_listener(&mut self) {
        if let Some(first) = self.connections.queues.first(Waiting::Slot) {
            if !self.is_full() {
                self.schedule_now(first);
            }
        }
    }

    /// Tries a listener again whose deadline has passed.
    pub(super) fn retry_listener<S: Service, const LIMITED: bool>(
        &mut self,
        app: &mut Application<'_, S>,
        entries: &mut [LimitEntry],
    ) {
        let index = self.current.index();
        let now = self.context.now();
        let deadline = self.drain().map_or(Instant::MAX, |drain| drain.deadline);
        if deadline <= now {
            // The clients that are still in the backlog see a reset.
            return self.close_listener(index);
        }
        if self.drain().is_some() || self.current().waiting() == Waiting::Slot {
            self.accept::<S, LIMITED>(app, entries);
        }
        // Accepting may have closed the listener.
        if self.connection(index).phase() == Phase::Listening {
            self.schedule(index, deadline);
        }
    }

    /// Schedules another try to accept, after the retry interval.
    fn retry_later(&mut self, listener: usize) {
        let retry = self.state.limits.accept_retry.after(self.context.now());
        self.schedule(listener, retry);
    }

    /// Forgets a listener, and returns its source.
    pub(super) fn remove_listener(&mut self, listener: usize) {
        let waited = self.connections.dequeue(listener);
        *self.connection(listener) = Connection::EMPTY;
        self.state.listeners -= 1;
        // It may have been woken for a slot, which the next one can use.
        if waited == Waiting::Slot {
            self.resume_listener();
        }
    }

    pub(super) fn close_listener(&mut self, listener: usize) {
        self.remove_listener(listener);
        // Its own slot is free as soon as it is closed, and may serve a client of another.
        self.close_source(listener, Close::Graceful);
        self.resume_listener();
        self.leave_if_drained();
    }
}
