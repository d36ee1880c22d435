//! Limits on what clients may ask for: connections of an address, accepts a second, bytes a second.
//!
//! They concern connections that a listener accepts. Rates follow the generic cell rate algorithm:
//! each accept or byte moves a time forward by its share of a second, and nothing more is taken
//! while that time is more than a second ahead.

use core::time::Duration;

use crate::address_table::{Addresses, LimitEntry, key_of};
use crate::contract::{Close, Instant, Readiness, Token, Transport};
use crate::event_loop::Context;
use crate::server::Server;
use crate::server::config::Features;
use crate::server::connection::Flag;
use crate::server::counters::bump;
use crate::server::engine::Engine;
use crate::server::service::Service;
use crate::server::storage::ServerMemory;

/// The time for which clients may save up what they are allowed, in nanoseconds.
const BURST: u64 = 1_000_000_000;

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Returns the time from which the next client may be accepted, if that is later than now.
    pub(super) fn accept_at(&mut self) -> Option<Instant> {
        let interval = self.state.limits.accept_interval;
        // Clients in the backlog of a drain have its deadline only.
        if interval.is_zero() || self.drain().is_some() {
            return None;
        }
        let at = earliest(self.state.taken.accepted_until + interval);
        (at > self.context.now()).then_some(at)
    }

    /// Counts a connection that was accepted.
    pub(super) fn count_accept(&mut self) {
        let interval = self.state.limits.accept_interval;
        if !interval.is_zero() {
            // A quiet time earns no more than the burst.
            let until = self.state.taken.accepted_until.max(self.context.now());
            self.state.taken.accepted_until = until + interval;
        }
    }

    /// Returns the address that an accepted connection is counted for, or closes it if that address
    /// has as many as it may. Without an address it is not counted.
    pub(super) fn admit_address(
        &mut self,
        entries: &mut [LimitEntry],
        source: P::Source,
    ) -> Result<Option<u64>, ()> {
        let max = self.state.limits.per_address;
        if max == u32::MAX {
            return Ok(None);
        }
        // No client knows the time at which the first one is accepted, to the nanosecond.
        self.state.taken.choose_hash(self.context.now().as_nanos());
        let Some(address) = self.context.platform.remote_address(source) else { return Ok(None) };
        let key = key_of(address);
        let addresses = Addresses { entries, state: &mut self.state.taken };
        if addresses.count(key) < max {
            return Ok(Some(key));
        }
        // The client sees a reset; the service is not called.
        bump(&mut self.state.counters.refused_by_address, 1);
        let closed = self.context.platform.close(source, Close::Abort);
        bump(&mut self.state.counters.close_failures, usize::from(closed.is_err()));
        Err(())
    }

    /// Counts the current connection, which was just registered, for its address.
    pub(super) fn join_address(&mut self, entries: &mut [LimitEntry], key: Option<u64>) {
        let slot = self.current.index();
        // What the slot's earlier tenant has read is not the new one's debt.
        entries[slot].paid_until = Instant::ZERO;
        if let Some(key) = key {
            Addresses { entries, state: &mut self.state.taken }.join(slot, key);
        }
    }

    /// Makes a connection that was just opened keep to its rate: off the fast path. If its service
    /// has closed it at once, it is counted no more.
    pub(super) fn finish_admission(&mut self, entries: &mut [LimitEntry], token: Token) {
        if !self.context.contains(token) {
            self.leave_address(entries, token);
        } else if self.state.limits.bytes_per_second > 0 {
            self.connection(token.index()).set(Flag::PACED);
        }
    }

    /// Removes a closed connection from the count of its address.
    fn leave_address(&mut self, entries: &mut [LimitEntry], token: Token) {
        Addresses { entries, state: &mut self.state.taken }.leave(token.index());
    }

    /// Takes the current connection out of its delay, if that is over.
    fn end_delay(&mut self, entries: &[LimitEntry]) {
        let index = self.current.index();
        if !self.connections.get(index).is_some_and(|connection| connection.has(Flag::DELAYED)) {
            return;
        }
        let entry = &entries[index];
        let is_over = earliest(entry.paid_until) <= self.context.now();
        // A drain has its deadline only.
        if is_over || self.drain().is_some() {
            self.current().clear(Flag::DELAYED);
        }
    }

    /// Counts bytes that were read from the current connection, and delays it if these were too
    /// many: it is not read from until they are within its rate.
    fn pace(&mut self, entries: &mut [LimitEntry], received: u64) {
        let index = self.current.index();
        let connection = *self.current();
        // A drain is not delayed, nor is the input of a peer that is gone.
        let is_exempt = self.drain().is_some() || connection.has(Flag::WRITE_FAILED);
        if !connection.has(Flag::PACED) || !connection.is_open() || is_exempt {
            return;
        }
        let now = self.context.now();
        // Saturates only for 18 GB in one turn.
        let nanos = received.saturating_mul(1_000_000_000) / self.state.limits.bytes_per_second;
        let entry = &mut entries[index];
        // Time that was not used is lost, but for the burst.
        entry.paid_until = entry.paid_until.max(now) + Duration::from_nanos(nanos);
        let goes_on_at = earliest(entry.paid_until);
        if goes_on_at <= now {
            return;
        }
        if !connection.has(Flag::DELAYED) {
            bump(&mut self.state.counters.reads_delayed, 1);
            self.current().set(Flag::DELAYED);
            self.update_interest(index);
        }
        self.schedule(index, goes_on_at);
    }
}

/// Returns the time from which more is allowed: one burst before `until`.
const fn earliest(until: Instant) -> Instant {
    Instant::from_nanos(until.as_nanos().saturating_sub(BURST))
}

/// Counts a connection off for its address once it was served, also if its service has panicked.
pub(in crate::server) struct Served<'s, 'a, P, S, M>
where
    P: Transport,
    S: Service,
    M: ServerMemory<P::Source, S::Session>,
{
    pub(in crate::server) server: &'s mut Server<P, S, M>,
    pub(in crate::server) context: &'s mut Context<'a, P>,
    token: Token,
}

impl<P, S, M> Drop for Served<'_, '_, P, S, M>
where
    P: Transport,
    S: Service,
    M: ServerMemory<P::Source, S::Session>,
{
    #[inline]
    fn drop(&mut self) {
        self.server.forget_if_closed(self.context, self.token);
    }
}

impl<P: Transport, S: Service, M: ServerMemory<P::Source, S::Session>> Server<P, S, M> {
    /// Serves an event or a deadline where there are limits.
    pub(in crate::server) fn serve_limited(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        event: Option<Readiness>,
    ) {
        let call = self.serving(context, token);
        let (server, context) = (&mut *call.server, &mut *call.context);
        // The count is the whole server's, and only this connection is read from meanwhile.
        let before = server.state.counters.bytes_in;
        let (mut engine, _, entries) = server.parts(context, token);
        engine.end_delay(entries);
        server.serve_phase(context, token, event);
        let received = server.state.counters.bytes_in - before;
        // It may have been closed, and its slot have another tenant.
        if context.contains(token) && server.state.limits.bytes_per_second > 0 {
            let (mut engine, _, entries) = server.parts(context, token);
            if token.index() < entries.len() {
                engine.pace(entries, received);
            }
        }
    }

    /// Accepts where there are limits.
    pub(in crate::server) fn accept_limited(
        &mut self,
        context: &mut Context<'_, P>,
        listener: Token,
        is_event: bool,
    ) {
        let (mut engine, mut app, entries) = self.parts(context, listener);
        if is_event {
            engine.accept::<S, true>(&mut app, entries);
        } else {
            engine.retry_listener::<S, true>(&mut app, entries);
        }
    }

    /// Lends the server for a call at whose end a connection may be closed.
    #[inline]
    pub(in crate::server) fn serving<'s, 'a>(
        &'s mut self,
        context: &'s mut Context<'a, P>,
        token: Token,
    ) -> Served<'s, 'a, P, S, M> {
        Served { server: self, context, token }
    }

    /// Removes a connection that was served, and is closed now, from the count of its address.
    #[inline]
    pub(in crate::server) fn forget_if_closed(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
    ) {
        // Where there is no such limit this is a constant, or one comparison.
        let counts = const { M::LIMITS } && self.state.limits.per_address != u32::MAX;
        if counts && !context.contains(token) {
            let (mut engine, _, entries) = self.parts(context, token);
            engine.leave_address(entries, token);
        }
    }
}
