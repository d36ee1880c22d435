//! The life of a connection: open, serve, settle, close.

use super::connection::{Connection, Flags};
use super::pool;
use super::service::Service;
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

    /// [`settle`](Self::settle), for a connection that may be gone by now.
    fn settle_again(&mut self, context: &mut Context<'a, P>, token: Token) {
        if context.contains(token) {
            self.settle(context, token);
        }
    }

    /// Brings a connection to where its flags say it should be: told, ended, closed, or watched for the right things.
    #[inline(never)]
    pub(super) fn settle(&mut self, context: &mut Context<'a, P>, token: Token) {
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
    pub(super) fn close(&mut self, context: &mut Context<'a, P>, token: Token, how: Close) {
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
