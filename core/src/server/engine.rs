//! The one context that everything acts with: the loop, the tables and the service.

use core::marker::PhantomData;

use super::buffer_pool::Pool;
use super::config::{Features, Limits};
use super::connection::{Connection, Flag, Phase, Surroundings, Waiting};
use super::connections::Connections;
use super::counters::{CloseReason, Counters};
use super::origin::Origin;
use super::peer::Peer;
use super::service::Service;
use super::storage::Entry;
use crate::address_table::LimitState;
use crate::compact::compact;
use crate::contract::{Capabilities, Error, ErrorKind, Instant, Interest, Mode, Token, Transport};
use crate::event_loop::Context;

/// The interval at which the platform is asked if a peer is still there, where it cannot report
/// hang-ups by themselves and a connection is watched for nothing else.
const CHECK_INTERVAL: core::time::Duration = core::time::Duration::from_secs(5);

/// No connection and no listener.
pub(super) const NONE: Token = Token::new(u32::MAX, 0);

/// The part of a server that stays between two turns, beside its tables.
#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: Limits,
    pub(super) counters: Counters,
    /// The number of open connections.
    pub(super) open: usize,
    pub(super) listeners: usize,
    /// The number of connections that the service asked for, of those that are open.
    pub(super) connects: usize,
    /// The connection that was closed last, and how it began, packed.
    pub(super) closed: (Token, Token),
    /// The token of the clock that ticks.
    pub(super) ticker: Option<Token>,
    /// The number of buffers that are borrowed for output.
    pub(super) outputs: usize,
    /// The most bytes that are kept for a service.
    pub(super) received_max: usize,
    /// The most bytes that can ever be sent at once. Where the platform owns the buffers, the most
    /// room that one of them was seen to have.
    pub(super) room_max: usize,
    /// Since when the same connection is the first of those that wait for a buffer, and none was
    /// aborted for it.
    pub(super) scarce_since: Instant,
    /// The turn in which connections were accepted last, and their number.
    pub(super) accepts: (u64, usize),
    /// The part of the limits by address and rate that was used up.
    pub(super) taken: LimitState,
    pub(super) drain: Option<Drain>,
    /// The facts about the callback that is under way.
    pub(super) call: Call,
    /// The sizes of loop and server were compared, and the loop counts this server.
    pub(super) has_joined: bool,
}

impl State {
    pub(super) fn new(limits: Limits, received_max: usize) -> Self {
        Self {
            limits,
            counters: Counters::default(),
            open: 0,
            listeners: 0,
            connects: 0,
            closed: (Token::new(0, 0), Token::new(0, 0)),
            ticker: None,
            outputs: 0,
            received_max,
            room_max: 0,
            scarce_since: Instant::ZERO,
            accepts: (0, 0),
            taken: LimitState::default(),
            drain: None,
            call: Call::NEW,
            has_joined: false,
        }
    }

    /// Returns how the connection of a token began, if the token names one.
    pub(super) fn origin_of(&self, token: Token, named: Option<&Connection>) -> Origin {
        match named.filter(|connection| connection.is_connection()) {
            Some(connection) => connection.origin(),
            // `closed` is called when the slot is free, and its service may still ask.
            None if self.closed.0 == token => Origin::unpack(self.closed.1),
            None => Origin::Adopted,
        }
    }
}

/// A drain that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    pub(super) deadline: Instant,
    /// The time at which services are told, even if their peers never stop sending.
    pub(super) tell_by: Instant,
    /// The number of connections that are still accepted.
    pub(super) accepts_left: usize,
}

/// The loop and the tables together: what acts on connections. It exists for one event, one
/// deadline or one call from outside.
pub(super) struct Engine<'e, 'a, P: Transport, F: Features> {
    pub(super) context: &'e mut Context<'a, P>,
    pub(super) connections: Connections<'e, P::Source>,
    pub(super) pool: Pool<'e>,
    pub(super) state: &'e mut State,
    /// The connection whose event or service call is under way: what it asked for is reconciled
    /// at the end.
    pub(super) current: Token,
    pub(super) features: PhantomData<F>,
}

/// The facts about the callback that is under way.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not the states of one thing")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// A send of the current connection went to the platform; later ones are gathered.
    pub(super) has_sent: bool,
    /// Gathered output has not been tried to be written.
    pub(super) has_gathered: bool,
    /// One buffer is kept free for what the service leaves.
    pub(super) reserves_input: bool,
    /// A send was refused because a write had failed.
    pub(super) was_refused: bool,
    /// Bytes of the current connection have moved, and the time is not recorded yet.
    pub(super) has_progressed: bool,
    /// The service was offered bytes.
    pub(super) has_offered: bool,
    /// The service has taken some of the bytes that it was offered.
    pub(super) has_taken: bool,
    /// The number of bytes that the service has left in a buffer that the platform owns.
    pub(super) left: usize,
    /// The service has found no room in the platform's own buffer for output of the current
    /// connection, or has used all of it. At the end of the call there may be some again.
    pub(super) has_filled: bool,
    /// The room in the platform's own buffer that the service was told of last, where that was less
    /// than there may be. It may leave its input until there is more.
    pub(super) room_told: Option<usize>,
    /// The reason that is recorded if the service closes the connection.
    pub(super) closes_as: CloseReason,
}

impl Call {
    pub(super) const NEW: Self = Self {
        has_sent: false,
        has_gathered: false,
        reserves_input: false,
        was_refused: false,
        has_progressed: false,
        has_offered: false,
        has_taken: false,
        left: 0,
        has_filled: false,
        room_told: None,
        closes_as: CloseReason::Closed,
    };
}

/// The service, its sessions, and the memory that it is offered bytes in.
pub(super) struct Application<'e, S: Service> {
    pub(super) service: &'e mut S,
    pub(super) sessions: &'e mut [Entry<S::Session>],
    pub(super) scratch: &'e mut [u8],
}

impl<S: Service> Application<'_, S> {
    /// Calls the service about the current connection.
    #[inline]
    pub(super) fn call<P: Transport, F: Features>(
        &mut self,
        engine: &mut Engine<'_, '_, P, F>,
        call: impl FnOnce(&mut S, &mut Peer<'_>, &mut S::Session),
    ) {
        let index = engine.current.index();
        if let Some(session) = self.sessions.get_mut(index).and_then(Entry::as_mut) {
            let guard = PanicGuard(engine);
            call(self.service, &mut Peer::new(guard.0.current, &mut *guard.0), session);
            // Only an unwinding callback drops the guard.
            core::mem::forget(guard);
        }
    }

    /// Offers the first bytes of the scratch to the service. Returns how many it is done with.
    #[inline]
    pub(super) fn offer<P: Transport, F: Features>(
        &mut self,
        engine: &mut Engine<'_, '_, P, F>,
        count: usize,
    ) -> usize {
        let index = engine.current.index();
        let mut taken = 0;
        if let Some(session) = self.sessions.get_mut(index).and_then(Entry::as_mut) {
            let guard = PanicGuard(engine);
            let mut peer = Peer::new(guard.0.current, &mut *guard.0);
            // A service that takes more than it was offered is wrong, but there are no more.
            taken = self.service.received(&mut peer, session, &self.scratch[..count]).min(count);
            core::mem::forget(guard);
        }
        taken
    }
}

/// Fails the current connection if the service panics.
struct PanicGuard<'g, 'e, 'a, P: Transport, F: Features>(&'g mut Engine<'e, 'a, P, F>);

impl<P: Transport, F: Features> Drop for PanicGuard<'_, '_, '_, P, F> {
    fn drop(&mut self) {
        self.0.fail_after_panic();
    }
}

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Adds this server to the loop's count, and compares the sizes of the two, once.
    pub(super) fn join(&mut self) {
        // A server has no loop when it is made, so its sizes are compared when it is first used.
        if !core::mem::replace(&mut self.state.has_joined, true) {
            let (slots, server) = (self.context.registry().capacity(), self.connections.len());
            assert!(
                server >= slots,
                "the loop has {slots} slots, and the server only {server}: give both as many"
            );
            self.context.join();
        }
    }

    /// Returns the drain that has begun, in a program that drains.
    pub(super) const fn drain(&self) -> Option<Drain> {
        if F::DRAINS { self.state.drain } else { None }
    }

    /// Returns whether a connection waits for a buffer.
    #[inline]
    pub(super) const fn are_buffers_scarce(&self) -> bool {
        F::SHARES_BUFFERS && self.connections.queues.are_buffers_scarce()
    }

    /// Returns whether the current connection waits for a buffer.
    pub(super) fn waits_for_buffer(&mut self) -> bool {
        F::SHARES_BUFFERS && self.current().waiting() != Waiting::Nothing
    }

    #[inline]
    pub(super) fn connection(&mut self, index: usize) -> &mut Connection {
        self.connections.at(index)
    }

    /// Returns the connection that the event or call is about.
    #[inline]
    pub(super) fn current(&mut self) -> &mut Connection {
        self.connections.at(self.current.index())
    }

    #[inline]
    pub(super) fn source(&self, index: usize) -> Option<P::Source> {
        self.connections.source(index)
    }

    /// Returns the slot of a token that names a connection, in any phase.
    pub(super) fn find(&self, token: Token) -> Option<usize> {
        let index = token.index();
        // A service may keep a token for longer than its connection; the current one is live, and
        // needs no look at the registry.
        let found = self.connections.get(index)?.is_connection()
            && (token == self.current || self.context.contains(token));
        found.then_some(index)
    }

    /// Returns the slot of a token that names a connection which the service may still act on.
    pub(super) fn find_open(&mut self, token: Token) -> Option<usize> {
        self.find(token).filter(|index| self.connection(*index).is_open())
    }

    /// Records that bytes moved on a connection. For the current one, that is the case until the
    /// end of the call.
    #[inline]
    pub(super) fn record_progress(&mut self, index: usize) {
        if index == self.current.index() {
            self.state.call.has_progressed = true;
        } else {
            self.set_progress(index);
        }
    }

    /// Sets the time of the last progress of the current connection, if bytes have moved. Once at
    /// the end of a call, since each reading of the clock costs as much as half of a message.
    pub(super) fn commit_progress(&mut self) {
        if core::mem::take(&mut self.state.call.has_progressed) {
            self.set_progress(self.current.index());
        }
    }

    fn set_progress(&mut self, index: usize) {
        // Without an idle timeout nothing uses this time, and the clock need not be read.
        if !self.state.limits.idle.is_endless() {
            self.connections.at(index).progress = self.context.now();
        }
    }

    /// Ensures that the deadline of a connection or listener is no later than `deadline`.
    pub(super) fn schedule(&mut self, index: usize, deadline: Instant) {
        // Later deadlines are found when the earlier one is judged: a timer that each message moved
        // would cost more than a look that comes too early now and then.
        if deadline != Instant::MAX {
            self.context.set_slot_timer_earlier(index, deadline);
        }
    }

    /// Schedules the end of the stall timeout that runs from `since`.
    pub(super) fn schedule_stall(&mut self, index: usize, since: Instant) {
        let deadline = self.state.limits.stall.after(since);
        self.schedule(index, deadline);
    }

    /// Schedules a connection or listener for this turn, or if that is full, for the next.
    pub(super) fn schedule_now(&mut self, index: usize) {
        let now = self.context.now();
        self.schedule(index, now);
    }

    /// Schedules a connection to be reconciled; the current one is so at the end of the call.
    pub(super) fn reconcile_later(&mut self, index: usize) {
        if index != self.current.index() {
            self.schedule_now(index);
        }
    }

    /// Fails a connection for an error of the platform.
    #[cold]
    pub(super) fn fail(&mut self, index: usize, error: Error) {
        self.abort(index, reason_of(error));
    }

    /// Fails a connection: any phase -> Failed.
    #[cold]
    pub(super) fn abort(&mut self, index: usize, reason: CloseReason) {
        let connection = self.connection(index);
        // The first reason counts. The slot is freed later, as callers still use it.
        if connection.phase() != Phase::Failed {
            connection.fail(reason);
            self.reconcile_later(index);
        }
    }

    /// Fails the connection whose callback panicked; a later turn closes it.
    #[cold]
    pub(super) fn fail_after_panic(&mut self) {
        let index = self.current.index();
        // The panic may be that of `closed`, whose slot is free already.
        if self.connections.get(index).is_some_and(Connection::is_connection) {
            self.connection(index).fail(CloseReason::Failed);
            self.schedule_now(index);
        }
    }

    /// Begins to close: Open -> Closing. A connection whose write has failed has nothing to flush,
    /// and fails.
    pub(super) fn begin_closing(&mut self, index: usize, reason: CloseReason) {
        // The service sends and reads nothing more, so it needs no buffer.
        self.stop_waiting(index);
        let connection = self.connection(index);
        if connection.has(Flag::WRITE_FAILED) {
            // After a hang-up in order nothing has failed: it closes for what it is closed for.
            let failure = Some(connection.reason()).filter(|why| *why != CloseReason::Finished);
            connection.fail(failure.unwrap_or(reason));
        } else {
            connection.begin_closing(reason);
        }
        self.reconcile_later(index);
    }

    /// Takes a slot out of its queue, and lets the next one in line have its turn.
    pub(super) fn stop_waiting(&mut self, index: usize) {
        if !F::SHARES_BUFFERS {
            return;
        }
        let waiting = self.connections.dequeue(index);
        if matches!(waiting, Waiting::Output | Waiting::Input) {
            // The grace is that of the connection which is first in line now.
            self.state.scarce_since = self.context.now();
            self.wake_next();
        }
    }

    /// Returns when the platform is next asked if the peer is still there; the end of time if it
    /// would report that, or if something else is watched. Where it does not know, the deadline at
    /// least keeps the loop from having nothing to wait for.
    pub(super) fn check_at(&mut self) -> Instant {
        let connection = *self.current();
        if connection.is_open() && connection.watched().is_empty() {
            self.context.now() + CHECK_INTERVAL
        } else {
            Instant::MAX
        }
    }

    /// Watches a connection for what its state asks for.
    pub(super) fn update_interest(&mut self, index: usize) {
        let wants_buffer = F::SHARES_BUFFERS && {
            let connection = self.connection(index);
            connection.is_open()
                && connection.has(Flag::WRITABLE_WANTED)
                && connection.output().is_none()
                && connection.waiting() != Waiting::Output
        };
        // To watch for room in the socket would be a busy loop: the buffer is what is missing.
        if wants_buffer && !self.may_borrow_for_output(index) {
            self.wait_for(index, Waiting::Output);
        }
        if P::OWNS_BUFFERS && self.connection(index).has(Flag::LEFT) {
            self.wait_for_drain(index);
        }
        let around = Surroundings {
            has_output: !P::OWNS_BUFFERS && self.connection(index).output().is_some(),
            buffers_scarce: self.are_buffers_scarce(),
            hangups: self.context.platform.capabilities().contains(Capabilities::HANGUP),
        };
        let interest = self.connection(index).interest(around);
        if let Err(error) = self.watch(index, interest) {
            // Watched for the wrong things, it could be deaf or turn the loop without end.
            self.fail(index, error);
        } else if interest.is_empty() && index == self.current.index() {
            let deadline = self.check_at();
            self.schedule(index, deadline);
        }
    }

    /// Modifies the registration of a connection or listener, if its interest has changed.
    pub(super) fn watch(&mut self, index: usize, interest: Interest) -> Result<(), Error> {
        // A system call, which the usual message must not cost.
        if self.connection(index).watched() != interest {
            if let (Some(source), Some(token)) =
                (self.source(index), self.context.registry().token_at(index))
            {
                self.context.platform.modify(source, token, interest, Mode::Level)?;
                self.connection(index).set_watched(interest);
            }
        }
        Ok(())
    }
}

compact! {
    /// Returns the reason to close a connection for an error of the platform.
    pub(super) fn reason_of(error: Error) -> CloseReason {
        match error.kind() {
            // A stream that was reset and is ended afterwards has no peer any more.
            ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected => CloseReason::Reset,
            _ => CloseReason::Failed,
        }
    }
}
