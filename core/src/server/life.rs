//! The life of a connection: open, receive, serve, settle, close.

use super::connection::{Connection, Flags};
use super::pool;
use super::service::{Peer, Service};
use super::table::Driver;
use super::{Reason, Server};
use crate::{Close, Context, Event, Instant, Interest, Token, Transport};

impl<'a, P: Transport, S: Service> Server<'a, P, S> {
    /// Begins to serve a registered source.
    pub(super) fn open(&mut self, context: &mut Context<'a, P>, token: Token) {
        self.table.connections[token.index()].set(Flags::OPEN);
        self.table.open += 1;
        self.table.counters.accepted += 1;
        self.table.counters.open_max = self.table.counters.open_max.max(self.table.open as u64);
        self.sessions[token.index()] = None;
        if let Some(timeout) = self.table.config.idle_timeout {
            let mut driver = self.driver(context, token);
            driver.touch(token);
            let deadline = driver.connection(token).progress + timeout;
            driver.schedule(token, deadline);
        }
        self.call(context, token, S::opened);
        self.settle(context, token);
        if self.is_draining() && context.contains(token) {
            let now = context.now();
            self.driver(context, token).schedule(token, now);
        }
    }

    /// Reads once, and offers what came to the service.
    ///
    /// Nothing is held and nothing owed in the usual case, which is kept free of anything else.
    #[inline]
    pub(super) fn receive(&mut self, context: &mut Context<'a, P>, token: Token) {
        if !self.driver(context, token).is_fed(token) {
            return self.settle(context, token);
        }
        let limit = if P::OWNS_OUTBOX {
            let room = self.driver(context, token).outbox_room(token);
            room.min(self.table.received_max)
        } else {
            self.table.received_max
        };
        if limit == 0 {
            return self.settle(context, token);
        }
        let Some(count) = self.read(context, token, 0, limit) else { return self.settle(context, token) };
        let consumed = self.offer(context, token, count);
        if consumed < count {
            let Self { table, scratch, .. } = self;
            Driver { context, table, current: token }.hold(token, &scratch[consumed..count]);
        }
        if self.table.connections[token.index()].flags != Flags::OPEN {
            self.settle(context, token);
        }
    }

    /// Reads into the scratch memory from `start` to `limit`. Gives how many bytes came, or nothing if none did, with the
    /// connection marked for what that means.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the usual way from the socket and back has no call in between")]
    fn read(&mut self, context: &mut Context<'a, P>, token: Token, start: usize, limit: usize) -> Option<usize> {
        let source = self.table.sources[token.index()]?;
        match context.platform.read(source, &mut self.scratch[start..limit]) {
            Ok(0) => {
                self.table.connections[token.index()].set(Flags::READ_ENDED);
                None
            }
            Ok(count) => {
                self.table.counters.bytes_in += count as u64;
                self.driver(context, token).touch(token);
                Some(count)
            }
            Err(nb::Error::WouldBlock) => {
                self.table.counters.reads_spurious += 1;
                None
            }
            Err(nb::Error::Other(error)) => {
                self.driver(context, token).fail(token, error);
                None
            }
        }
    }

    /// Offers the first `count` bytes of the scratch memory to the service, and says how many it took.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as for `read`")]
    fn offer(&mut self, context: &mut Context<'a, P>, token: Token, count: usize) -> usize {
        let session = self.sessions[token.index()].get_or_insert_with(S::Session::default);
        let mut driver = Driver { context, table: &mut self.table, current: token };
        let bytes = &self.scratch[..count];
        self.service.received(&mut Peer::new(token, &mut driver), session, bytes).min(count)
    }

    /// Offers held bytes again, with more behind them if `more` says that some may have come.
    fn receive_held(&mut self, context: &mut Context<'a, P>, token: Token, more: bool) {
        let limit = self.table.received_max;
        let held = {
            let Self { table, scratch, .. } = self;
            Driver { context, table, current: token }.unhold(token, scratch)
        };
        let mut count = held;
        if more && held < limit {
            count += self.read(context, token, held, limit).unwrap_or(0);
        }
        let room = self.driver(context, token).outbox_room(token);
        if P::OWNS_OUTBOX && room < count {
            self.driver(context, token).offer_later(token);
        }
        let consumed = match count.min(room) {
            0 => 0,
            offered => self.offer(context, token, offered),
        };
        let Self { table, scratch, .. } = self;
        let mut driver = Driver { context, table, current: token };
        if consumed < count {
            driver.hold(token, &scratch[consumed..count]);
        }
        driver.release_inbox(token);
    }

    /// Serves one event of a connection in any state.
    #[cold]
    #[inline(never)]
    pub(super) fn serve(&mut self, context: &mut Context<'a, P>, event: Event) {
        let token = event.token;
        let flags = self.table.connections[token.index()].flags;
        if flags.contains(Flags::LINGERING) {
            return self.linger(context, token);
        }
        let mut moved = false;
        if event.readiness.is_writable() {
            if flags.contains(Flags::OWES) {
                moved = self.driver(context, token).flush(token);
            }
            self.tell_writable(context, token, moved);
        }
        let connection = self.table.connections[token.index()];
        // After the end only what is held is left to be offered; the first time, that comes before the service is told of it.
        let ending = connection.is(Flags::READ_ENDED) && !connection.is(Flags::END_TOLD);
        if ending || connection.is(Flags::BROKEN | Flags::CLOSING) {
            return self.settle(context, token);
        }
        let readable = event.readiness.is_readable() && connection.interest.contains(Interest::READABLE);
        if connection.is(Flags::HOLDS | Flags::OWES) {
            let room_came = moved || (P::OWNS_OUTBOX && event.readiness.is_writable());
            if readable || (room_came && connection.is(Flags::HOLDS)) {
                self.receive_behind(context, token, readable);
            }
            self.settle(context, token);
        } else if readable {
            self.receive(context, token);
            self.settle_again(context, token);
        } else {
            self.settle(context, token);
        }
    }

    /// Receives while something is owed or held already.
    fn receive_behind(&mut self, context: &mut Context<'a, P>, token: Token, readable: bool) {
        if self.driver(context, token).feed(token) && self.driver(context, token).has_room(token) {
            self.receive_held(context, token, readable);
        }
    }

    /// Tells the service that the peer takes bytes, if it wants to know or the outbox has just drained.
    fn tell_writable(&mut self, context: &mut Context<'a, P>, token: Token, moved: bool) {
        let connection = &mut self.table.connections[token.index()];
        if connection.is(Flags::OWES | Flags::BROKEN | Flags::CLOSING) {
            return;
        }
        if moved || connection.is(Flags::WANTS_WRITABLE) {
            connection.clear(Flags::WANTS_WRITABLE);
            self.call(context, token, S::writable);
        }
    }

    /// Throws away what a peer sends after all was sent to it, until it ends its stream.
    fn linger(&mut self, context: &mut Context<'a, P>, token: Token) {
        let Some(source) = self.table.sources[token.index()] else { return };
        match context.platform.read(source, self.scratch) {
            Ok(0) | Err(nb::Error::Other(_)) => self.close(context, token, Close::Graceful),
            Ok(count) => self.table.counters.bytes_in += count as u64,
            Err(nb::Error::WouldBlock) => self.table.counters.reads_spurious += 1,
        }
    }

    /// [`settle`](Self::settle), for a connection that may be gone by now.
    fn settle_again(&mut self, context: &mut Context<'a, P>, token: Token) {
        if context.contains(token) {
            self.settle(context, token);
        }
    }

    /// Brings a connection to where its flags say it should be: told, ended, closed, or watched for the right things.
    #[inline(never)]
    fn settle(&mut self, context: &mut Context<'a, P>, token: Token) {
        self.tell_end(context, token);
        let connection = self.table.connections[token.index()];
        if connection.is(Flags::BROKEN) {
            return self.close(context, token, Close::Abort);
        }
        if !connection.is(Flags::OWES) {
            if connection.is(Flags::CLOSING) {
                return self.finish(context, token);
            }
            if connection.is(Flags::ENDING) {
                self.driver(context, token).end_stream(token);
            }
        }
        self.driver(context, token).update_interest(token);
        if self.table.connections[token.index()].is(Flags::BROKEN) {
            self.close(context, token, Close::Abort);
        }
    }

    /// Tells the service that the peer has ended its stream, once it was offered all that came before.
    fn tell_end(&mut self, context: &mut Context<'a, P>, token: Token) {
        let connection = self.table.connections[token.index()];
        if !connection.is(Flags::READ_ENDED) || connection.is(Flags::END_TOLD | Flags::BROKEN | Flags::CLOSING) {
            return;
        }
        if connection.is(Flags::HOLDS) {
            self.receive_behind(context, token, false);
            if self.driver(context, token).is_cramped(token) {
                // When there is room for an answer, they are offered again.
                return;
            }
        }
        self.table.connections[token.index()].set(Flags::END_TOLD);
        self.call(context, token, S::ended);
    }

    /// Closes a connection to which nothing is owed any more: at once if the peer has ended its stream, else the server's
    /// own stream is ended first, and the peer's end awaited, lest a reset overtake the last bytes.
    fn finish(&mut self, context: &mut Context<'a, P>, token: Token) {
        let connection = self.table.connections[token.index()];
        if connection.is(Flags::READ_ENDED) || self.table.config.linger.is_zero() {
            return self.close(context, token, Close::Graceful);
        }
        if !connection.is(Flags::WRITE_ENDED) && !self.driver(context, token).end_stream(token) {
            // Either it has failed, or it needs room; writable readiness brings us back.
            let broken = self.table.connections[token.index()].is(Flags::BROKEN);
            return if broken {
                self.close(context, token, Close::Graceful);
            } else {
                self.driver(context, token).update_interest(token);
            };
        }
        let deadline = context.now() + self.table.config.linger;
        let mut driver = self.driver(context, token);
        let held = driver.connection(token).inbox;
        let connection = driver.connection(token);
        connection.inbox = pool::BlockId::NONE;
        connection.clear(Flags::HOLDS);
        connection.set(Flags::LINGERING);
        connection.timer = deadline;
        driver.give_back(held);
        driver.schedule(token, deadline);
        driver.update_interest(token);
        if driver.connection(token).is(Flags::BROKEN) {
            self.close(context, token, Close::Abort);
        }
    }

    /// Ends a connection, whatever is owed.
    fn close(&mut self, context: &mut Context<'a, P>, token: Token, how: Close) {
        let index = token.index();
        let connection = core::mem::replace(&mut self.table.connections[index], Connection::EMPTY);
        self.table.open -= 1;
        self.table.counters.closed[connection.reason as usize] += 1;
        self.table.starved -= usize::from(connection.is(Flags::STARVED));
        let mut driver = self.driver(context, token);
        driver.give_back(connection.outbox);
        driver.give_back(connection.inbox);
        self.feed_next(context, token);
        self.close_source(context, token, how);
        self.call(context, token, |service, peer, session| service.closed(peer, session, connection.reason));
        self.sessions[index] = None;
        self.resume_listeners(context);
        self.stop_when_drained(context);
    }

    /// Has the next starved connection looked after, now that this one was woken or is gone.
    #[inline]
    pub(super) fn feed_next(&mut self, context: &mut Context<'a, P>, token: Token) {
        if self.table.starved > 0 {
            self.driver(context, token).feed_starved();
        }
    }

    /// Deregisters and closes a source.
    pub(super) fn close_source(&mut self, context: &mut Context<'a, P>, token: Token, how: Close) {
        let Some(source) = self.table.sources[token.index()].take() else { return };
        let deregistered = context.deregister(source, token);
        let closed = context.platform.close(source, how);
        self.table.counters.close_failures += u64::from(deregistered.is_err() || closed.is_err());
    }

    pub(super) fn stop_when_drained(&self, context: &mut Context<'a, P>) {
        if self.is_drained() {
            context.stop();
        }
    }

    /// Serves a connection whose deadline has come.
    pub(super) fn look_after(&mut self, context: &mut Context<'a, P>, token: Token) {
        let now = context.now();
        let connection = self.table.connections[token.index()];
        if connection.is(Flags::BROKEN) {
            return self.close(context, token, Close::Abort);
        }
        let timer_due = connection.timer != Instant::ZERO && connection.timer <= now;
        let drain_due = self.table.draining.is_some_and(|deadline| deadline <= now);
        if connection.is(Flags::LINGERING) && (timer_due || drain_due) {
            return self.close(context, token, Close::Graceful);
        }
        if let Some(reason) = self.overdue(token, now) {
            self.table.connections[token.index()].reason = reason;
            let owes = connection.is(Flags::OWES);
            return self.close(context, token, if owes { Close::Abort } else { Close::Graceful });
        }
        if self.is_draining() {
            self.driver(context, token).begin_closing(token, Reason::Drained);
        } else if timer_due && !connection.is(Flags::CLOSING | Flags::BROKEN) {
            self.table.connections[token.index()].timer = Instant::ZERO;
            self.call(context, token, S::timed_out);
            self.table.connections[token.index()].set(Flags::RESUMED);
        }
        self.offer_again(context, token);
        if !connection.is(Flags::LINGERING) {
            self.settle_again(context, token);
        }
        if context.contains(token) {
            let mut driver = self.driver(context, token);
            if let Some(deadline) = driver.next_deadline(token) {
                driver.schedule(token, deadline);
            }
        }
    }

    /// Offers held bytes again to a service that asked for it, or to whom no block could be lent before.
    fn offer_again(&mut self, context: &mut Context<'a, P>, token: Token) {
        let connection = &mut self.table.connections[token.index()];
        let (starved, resumed) = (connection.is(Flags::STARVED), connection.is(Flags::RESUMED));
        connection.clear(Flags::RESUMED);
        if connection.is(Flags::CLOSING | Flags::BROKEN) {
            return;
        }
        let holds = connection.is(Flags::HOLDS);
        if !starved {
            if resumed && holds {
                self.receive_behind(context, token, false);
            }
            return;
        }
        // It was readable when it began to wait, or had bytes left to be offered.
        let more = !connection.is(Flags::READ_ENDED);
        let mut driver = self.driver(context, token);
        if driver.feed(token) && (more || holds) && driver.has_room(token) {
            self.receive_held(context, token, more);
        }
    }

    /// Why a connection has to be closed by now, if it has.
    fn overdue(&mut self, token: Token, now: Instant) -> Option<Reason> {
        let connection = self.table.connections[token.index()];
        if connection.is(Flags::BROKEN | Flags::LINGERING) {
            return None;
        }
        if self.table.draining.is_some_and(|deadline| deadline <= now) && connection.is(Flags::OWES | Flags::CLOSING) {
            return Some(Reason::Expelled);
        }
        if !connection.outbox.is_none() {
            let since = self.table.pool.block(connection.outbox).waiting_since;
            if self.table.config.stall_timeout.is_some_and(|timeout| since + timeout <= now) {
                return Some(Reason::Stalled);
            }
        }
        let idle = self.table.config.idle_timeout?;
        (connection.progress + idle <= now).then_some(Reason::Idle)
    }
}
