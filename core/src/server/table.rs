//! The connections of a server: what is known of them, what they are watched for, when they are looked at, how they end.

use core::time::Duration;

use super::connection::{Connection, Flags};
use super::pool::Pool;
use super::service::Outlet;
use super::{Config, Counters, Reason};
use crate::{Context, Error, ErrorKind, Instant, Interest, Mode, Token, Transport};

/// The connections, their sources and their waiting bytes.
#[derive(Debug)]
pub(super) struct Table<'a, Source> {
    pub(super) connections: &'a mut [Connection],
    pub(super) sources: &'a mut [Option<Source>],
    pub(super) pool: Pool<'a>,
    pub(super) config: Config,
    pub(super) counters: Counters,
    /// How many connections are open.
    pub(super) open: usize,
    /// How many connections wait for a block of the pool.
    pub(super) starved: usize,
    /// Where the search for a starved connection begins.
    pub(super) starved_cursor: usize,
    /// How many listeners are disarmed.
    pub(super) paused: usize,
    /// When the draining must be over, once it has begun.
    pub(super) draining: Option<Instant>,
    /// The most bytes that are held for a service.
    pub(super) received_max: usize,
}

/// The table and the loop together: what acts on connections.
pub(super) struct Driver<'d, 'a, P: Transport> {
    pub(super) context: &'d mut Context<'a, P>,
    pub(super) table: &'d mut Table<'a, P::Source>,
    /// The connection whose service call is under way: what it asked for is settled after the call.
    pub(super) current: Token,
}

impl<P: Transport> Driver<'_, '_, P> {
    #[inline]
    pub(super) fn connection(&mut self, token: Token) -> &mut Connection {
        &mut self.table.connections[token.index()]
    }

    /// The source of a connection or listener that is open.
    #[inline]
    pub(super) fn source(&self, token: Token) -> Option<P::Source> {
        self.table.sources[token.index()]
    }

    /// Whether a connection lives under `token` that has none of the flags `but`.
    #[inline]
    pub(super) fn lives(&self, token: Token, but: Flags) -> bool {
        match self.table.connections.get(token.index()) {
            Some(connection) => {
                connection.is(Flags::OPEN)
                    && !connection.is(but)
                    && (token == self.current || self.context.contains(token))
            }
            None => false,
        }
    }

    /// Whether a connection lives under `token` that the service may still do something with.
    #[inline]
    pub(super) fn is_open(&self, token: Token) -> bool {
        self.lives(token, Flags::CLOSING | Flags::BROKEN)
    }

    /// Whether a connection lives under `token` that still takes bytes for its peer.
    #[inline]
    pub(super) fn is_sendable(&self, token: Token) -> bool {
        self.lives(token, Flags::CLOSING | Flags::BROKEN | Flags::ENDING | Flags::WRITE_ENDED)
    }

    /// Notes that bytes moved on a connection.
    #[inline]
    pub(super) fn touch(&mut self, token: Token) {
        if self.table.config.idle_timeout.is_some() {
            let now = self.context.now();
            self.connection(token).progress = now;
        }
    }

    /// Sees to it that the deadline of a connection is no later than `deadline`.
    pub(super) fn schedule(&mut self, token: Token, deadline: Instant) {
        // A token that is gone needs no deadline.
        let _ = self.context.set_timer_earlier(token, deadline);
    }

    /// Has a connection settled in this turn, or if it is full, in the next.
    pub(super) fn attend(&mut self, token: Token) {
        if token != self.current {
            let now = self.context.now();
            self.schedule(token, now);
        }
    }

    /// Marks a connection as failed; it goes when it is settled.
    #[cold]
    pub(super) fn fail(&mut self, token: Token, error: Error) {
        let reason = match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Reason::Reset,
            _ => Reason::Failed,
        };
        self.break_off(token, reason);
    }

    /// Marks a connection for an abort; it goes when it is settled.
    pub(super) fn break_off(&mut self, token: Token, reason: Reason) {
        let connection = self.connection(token);
        if !connection.is(Flags::BROKEN) {
            connection.set(Flags::BROKEN);
            connection.reason = reason;
            self.attend(token);
        }
    }

    /// Marks a connection as closing once nothing is owed.
    pub(super) fn begin_closing(&mut self, token: Token, reason: Reason) {
        let connection = self.connection(token);
        if !connection.is(Flags::CLOSING | Flags::BROKEN) {
            connection.set(Flags::CLOSING);
            connection.clear(Flags::WANTS_WRITABLE);
            connection.timer = Instant::ZERO;
            connection.reason = reason;
            self.wait_no_longer(token);
            self.attend(token);
        }
    }

    /// What a connection has to be watched for, from where it is in its life.
    fn wanted(&mut self, token: Token) -> Interest {
        let connection = *self.connection(token);
        let mut interest = Interest::NONE;
        if connection.is(Flags::LINGERING) {
            return Interest::READABLE;
        }
        let mut tells = connection.is(Flags::WANTS_WRITABLE);
        if tells && self.lacks_outbox(token) {
            // The peer may take bytes, but what it does not take could not be kept: first a block has to come back.
            tells = false;
            self.starve(token);
        }
        let connection = *self.connection(token);
        if tells
            || connection.is(Flags::OWES | Flags::ENDING)
            || (connection.is(Flags::CLOSING) && !connection.is(Flags::WRITE_ENDED))
        {
            interest |= Interest::WRITABLE;
        }
        if connection.is(Flags::CLOSING | Flags::STARVED) {
            return interest;
        }
        if connection.is(Flags::END_TOLD) {
            // There is nothing more to read; but what is held may wait for the platform's buffer to have room.
            let waits = P::OWNS_OUTBOX && connection.is(Flags::HOLDS) && !self.has_room(token);
            return if waits { interest | Interest::WRITABLE } else { interest };
        }
        if connection.is(Flags::OWES) && self.table.starved > 0 {
            // Others wait for a block: a slow peer with an endless supply must give back its own before it goes on.
            return interest;
        }
        if self.has_room(token) {
            let full = connection.is(Flags::HOLDS) && self.table.pool.len(connection.inbox) >= self.table.received_max;
            if !full && !connection.is(Flags::READ_ENDED) {
                interest |= Interest::READABLE;
            }
        } else if P::OWNS_OUTBOX {
            // The platform's buffer is full; that it has room again is all that there is to wait for.
            interest |= Interest::WRITABLE;
        }
        interest
    }

    /// Tells the platform what a connection has to be watched for, if that has changed.
    pub(super) fn update_interest(&mut self, token: Token) {
        let wanted = self.wanted(token);
        if self.connection(token).interest == wanted {
            return;
        }
        let Some(source) = self.source(token) else { return };
        match self.context.modify(source, token, wanted, Mode::Level) {
            Ok(()) => self.connection(token).interest = wanted,
            Err(error) => self.fail(token, error),
        }
    }

    /// Ends the stream to the peer. Says whether that is done.
    pub(super) fn end_stream(&mut self, token: Token) -> bool {
        let Some(source) = self.source(token) else { return false };
        match self.context.platform.shutdown_write(source) {
            Ok(()) => {
                let connection = self.connection(token);
                connection.clear(Flags::ENDING);
                connection.set(Flags::WRITE_ENDED);
                if P::OWNS_OUTBOX {
                    // Answers need no room any more, so what was held for want of it is not waited for in vain.
                    self.resume(token);
                }
                true
            }
            Err(nb::Error::WouldBlock) => false,
            Err(nb::Error::Other(error)) => {
                self.fail(token, error);
                false
            }
        }
    }

    /// When a connection has to be looked at next, if nothing happens on it.
    pub(super) fn next_deadline(&mut self, token: Token) -> Option<Instant> {
        let connection = *self.connection(token);
        let mut next = (connection.timer != Instant::ZERO).then_some(connection.timer);
        let after = |since: Instant, timeout: Option<Duration>| timeout.map(|timeout| since + timeout);
        if !connection.is(Flags::LINGERING) {
            next = Instant::earlier(next, after(connection.progress, self.table.config.idle_timeout));
        }
        if !connection.outbox.is_none() {
            let since = self.table.pool.block(connection.outbox).waiting_since;
            next = Instant::earlier(next, after(since, self.table.config.stall_timeout));
        }
        Instant::earlier(next, self.table.draining)
    }
}
