//! The connections of a server: what is known of them, what they are watched for, when they are
//! looked at, how they end.

use core::time::Duration;

use super::connection::{Connection, Flags};
use super::pool::Pool;
use super::{CloseReason, Counters};
use crate::contract::{Error, ErrorKind, Instant, Interest, Mode, Token, Transport};
use crate::event_loop::Context;

/// The connections, their sources and their waiting bytes.
#[derive(Debug)]
pub(super) struct Table<'a, Source> {
    pub(super) connections: &'a mut [Connection],
    pub(super) sources: &'a mut [Option<Source>],
    pub(super) pool: Pool<'a>,
    pub(super) limits: Limits,
    pub(super) counters: Counters,
    /// How many connections are open.
    pub(super) open: usize,
    /// How many connections wait for a block of the pool.
    pub(super) starved: usize,
    /// Where the search for a starved connection begins.
    pub(super) starved_cursor: usize,
    /// Whether a listener may be disarmed.
    pub(super) paused: bool,
    /// Whether the draining has begun.
    pub(super) draining: bool,
    /// When the draining must be over; the end of time before it has begun.
    pub(super) drained_by: Instant,
    /// The most bytes that are held for a service.
    pub(super) received_max: usize,
}

/// The [`Config`](super::Config), in the units that are reckoned with.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) connections_max: usize,
    pub(super) accepts_per_turn: usize,
    pub(super) idle: Span,
    pub(super) stall: Span,
    pub(super) linger: Span,
    pub(super) accept_retry: Span,
}

/// A length of time in nanoseconds, the longest of which is for ever. A sum with one is a single
/// addition, which that with a `Duration` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(u64);

impl Span {
    pub(super) const ZERO: Self = Self(0);

    /// A length of time; none is for ever.
    pub(super) fn new(duration: Option<Duration>) -> Self {
        Self(duration.map_or(Instant::MAX, |duration| Instant::ZERO + duration).as_nanos())
    }

    #[inline]
    pub(super) const fn is_for_ever(self) -> bool {
        self.0 == u64::MAX
    }

    /// The time `self` after `start`; the end of time if that is never.
    #[inline]
    pub(super) const fn after(self, start: Instant) -> Instant {
        Instant::from_nanos(start.as_nanos().saturating_add(self.0))
    }
}

/// The table and the loop together: what acts on connections.
pub(super) struct Driver<'d, 'c, 'a, P: Transport> {
    pub(super) context: &'d mut Context<'c, P>,
    pub(super) table: &'d mut Table<'a, P::Source>,
    /// The connection whose event or service call is under way: what it asked for is settled at
    /// the end.
    pub(super) current: Token,
    /// Where its answers go while nothing has to be looked at before: it is open, and owes and
    /// holds nothing, and there are blocks for what the platform does not take. Whoever may
    /// change a [`connection`](Self::connection) ends that.
    pub(super) quick: Option<P::Source>,
}

impl<P: Transport> Driver<'_, '_, '_, P> {
    /// What is owed, where the server keeps it.
    pub(super) const OWES: Flags = if P::OWNS_BUFFERS { Flags::NONE } else { Flags::OWES };

    /// While nothing is read.
    const PAUSED: Flags =
        Flags::CLOSING.union(if P::OWNS_BUFFERS { Flags::CRAMPED } else { Flags::STARVED });

    /// Whether a readable connection that is open and nothing else is served without the steps that
    /// others need. Where size counts for more, they all are served alike.
    pub(super) const HAS_QUICK_WAY: bool =
        cfg!(target_pointer_width = "64") && !P::OWNS_BUFFERS && !P::READABLE_UNTIL_EMPTY;

    /// A connection, to be changed.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(super) fn connection(&mut self, index: usize) -> &mut Connection {
        if const { Self::HAS_QUICK_WAY } {
            self.quick = None;
        }
        &mut self.table.connections[index]
    }

    /// The connection that the task is about.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(super) fn here(&mut self) -> &mut Connection {
        self.connection(self.current.index())
    }

    /// The source of a connection or listener that is open.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(super) fn source(&self, index: usize) -> Option<P::Source> {
        self.table.sources.get(index).copied().flatten()
    }

    /// Whether a connection lives under `token` that has none of the flags `but`.
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
    pub(super) fn is_open(&self, token: Token) -> bool {
        self.lives(token, Flags::CLOSING | Flags::BROKEN)
    }

    /// Whether a connection lives under `token` that still takes bytes for its peer.
    pub(super) fn is_sendable(&self, token: Token) -> bool {
        self.lives(token, Flags::CLOSING | Flags::BROKEN | Flags::ENDING | Flags::WRITE_ENDED)
    }

    /// Notes that bytes moved on a connection.
    #[inline]
    pub(super) fn touch(&mut self, index: usize) {
        if !self.table.limits.idle.is_for_ever() {
            let now = self.context.turn_time();
            self.table.connections[index].progress = now;
        }
    }

    /// Sees to it that the deadline of a connection or listener, which must live, is no later than
    /// `deadline`.
    #[inline(never)]
    pub(super) fn schedule(&mut self, index: usize, deadline: Instant) {
        if deadline != Instant::MAX {
            self.context.set_slot_timer_earlier(index, deadline);
        }
    }

    /// Has a connection looked after in this turn, or if it is full, in the next.
    pub(super) fn look_soon(&mut self, index: usize) {
        let now = self.context.turn_time();
        self.schedule(index, now);
    }

    /// Has a connection settled in this turn, or if it is full, in the next.
    fn attend(&mut self, index: usize) {
        if index != self.current.index() {
            self.look_soon(index);
        }
    }

    /// Marks a connection as failed; it goes when it is settled.
    #[cold]
    #[inline(never)]
    pub(super) fn fail(&mut self, index: usize, error: Error) {
        let reason = match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                CloseReason::Reset
            }
            _ => CloseReason::Failed,
        };
        self.break_off(index, reason);
    }

    /// Marks a connection for an abort; it goes when it is settled.
    pub(super) fn break_off(&mut self, index: usize, reason: CloseReason) {
        let connection = self.connection(index);
        if !connection.is(Flags::BROKEN) {
            connection.set(Flags::BROKEN);
            connection.reason = reason;
            self.attend(index);
        }
    }

    /// Marks a connection as closing once nothing is owed.
    #[inline(never)]
    pub(super) fn begin_closing(&mut self, index: usize, reason: CloseReason) {
        let connection = self.connection(index);
        if !connection.is(Flags::CLOSING | Flags::BROKEN) {
            let starved = !P::OWNS_BUFFERS && connection.is(Flags::STARVED);
            connection.set(Flags::CLOSING);
            connection.clear(Flags::WANTS_WRITABLE | Flags::STARVED);
            connection.timer = Instant::ZERO;
            connection.reason = reason;
            self.table.starved -= usize::from(starved);
            self.attend(index);
        }
    }

    /// What a connection has to be watched for, from where it is in its life.
    fn wanted(&mut self, index: usize) -> Interest {
        let mut flags = self.connection(index).flags;
        if flags.contains(Flags::LINGERING) {
            return Interest::READABLE;
        }
        if flags.contains(Flags::WANTS_WRITABLE) && self.lacks_outbox(index) {
            // The peer may take bytes, but what it does not take could not be kept: first a block
            // has to come back.
            self.starve(index);
            flags = flags.union(Flags::STARVED).difference(Flags::WANTS_WRITABLE);
        }
        let closing = flags.contains(Flags::CLOSING) && !flags.contains(Flags::WRITE_ENDED);
        let mut interest = Interest::NONE;
        if closing || flags.intersects(Flags::WANTS_WRITABLE | Flags::OWES | Flags::ENDING) {
            interest = Interest::WRITABLE;
        }
        if flags.intersects(Self::PAUSED) {
            return interest;
        }
        if flags.contains(Flags::END_TOLD) {
            // There is nothing more to read; but what is held may wait for the platform's buffer to
            // have room.
            let waits = P::OWNS_BUFFERS && flags.contains(Flags::HOLDS) && !self.has_room(index);
            return if waits { Interest::WRITABLE } else { interest };
        }
        if !P::OWNS_BUFFERS && flags.contains(Flags::OWES) && self.table.starved > 0 {
            // Others wait for a block: a slow peer with an endless supply must give back its own
            // before it goes on.
            return interest;
        }
        if self.has_room(index) {
            let takes_more = P::OWNS_BUFFERS || self.held(index) < self.table.received_max;
            if takes_more && !flags.contains(Flags::READ_ENDED) {
                interest |= Interest::READABLE;
            }
        } else if P::OWNS_BUFFERS {
            // The platform's buffer is full; that it has room again is all that there is to wait
            // for.
            interest = Interest::WRITABLE;
        }
        interest
    }

    /// Tells the platform what a connection has to be watched for.
    #[inline(never)]
    pub(super) fn update_interest(&mut self, index: usize) {
        let wanted = self.wanted(index);
        if let Err(error) = self.watch(index, wanted) {
            self.fail(index, error);
        }
    }

    /// Tells the platform what a connection or listener has to be watched for, if that has changed.
    #[inline(never)]
    pub(super) fn watch(&mut self, index: usize, wanted: Interest) -> Result<(), Error> {
        if self.connection(index).interest != wanted {
            if let (Some(source), Some(token)) =
                (self.source(index), self.context.registry().token_at(index))
            {
                self.context.platform.modify(source, token, wanted, Mode::Level)?;
                self.connection(index).interest = wanted;
            }
        }
        Ok(())
    }

    /// Ends the stream to the peer. Says whether that is done.
    pub(super) fn end_stream(&mut self) -> bool {
        let index = self.current.index();
        let Some(source) = self.source(index) else { return false };
        match self.context.platform.shutdown_write(source) {
            Ok(()) => {
                let connection = self.connection(index);
                connection.clear(Flags::ENDING);
                connection.set(Flags::WRITE_ENDED);
                true
            }
            Err(error) if error.is_would_block() => false,
            Err(error) => {
                self.fail(index, error);
                false
            }
        }
    }

    /// When the current connection has been idle for too long; the end of time if never.
    pub(super) fn idle_at(&mut self) -> Instant {
        let connection = *self.here();
        if connection.is(Flags::LINGERING) {
            Instant::MAX
        } else {
            self.table.limits.idle.after(connection.progress)
        }
    }

    /// When the current connection has stalled for too long; the end of time if never.
    pub(super) fn stalled_at(&mut self) -> Instant {
        let outbox = self.here().outbox;
        if P::OWNS_BUFFERS || outbox.is_none() {
            return Instant::MAX;
        }
        let since = self.table.pool.block(outbox).waiting_since;
        self.table.limits.stall.after(since)
    }

    /// When the current connection has to be looked at next, if nothing happens on it.
    pub(super) fn next_deadline(&mut self) -> Instant {
        let timer = self.here().timer;
        let next = if timer == Instant::ZERO { Instant::MAX } else { timer };
        next.min(self.idle_at()).min(self.stalled_at()).min(self.table.drained_by)
    }
}
