//! The connections of a server, and everything about them that needs no service.

use core::time::Duration;

use super::connection::{Connection, Flags};
use super::pool::{BlockId, Pool};
use super::service::{Outlet, SendError};
use super::{Config, Counters, Reason};
use crate::{Context, Error, ErrorKind, Instant, Interest, Mode, Token, Transport};

/// How many blocks one read may take at most: an outbox and an inbox.
const BLOCKS_PER_READ: usize = 2;

/// After how long it is tried again whether the platform's own outbox has the room that was not there.
const ROOM_RETRY: Duration = Duration::from_millis(10);

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

/// What came of a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    All,
    Part(usize),
    Broken,
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
    fn lives(&self, token: Token, but: Flags) -> bool {
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
    fn is_open(&self, token: Token) -> bool {
        self.lives(token, Flags::CLOSING | Flags::BROKEN)
    }

    /// Whether a connection lives under `token` that still takes bytes for its peer.
    #[inline]
    fn is_sendable(&self, token: Token) -> bool {
        self.lives(token, Flags::CLOSING | Flags::BROKEN | Flags::ENDING | Flags::WRITE_ENDED)
    }

    /// How many bytes can be sent to a connection without loss.
    #[inline]
    pub(super) fn outbox_room(&mut self, token: Token) -> usize {
        if P::OWNS_OUTBOX {
            return self.source(token).map_or(0, |source| self.context.platform.write_room(source));
        }
        let outbox = self.table.connections[token.index()].outbox;
        if !outbox.is_none() {
            self.table.pool.room(outbox)
        } else if self.table.pool.free() > BLOCKS_PER_READ || self.table.pool.free() > self.reserved_from(token) {
            self.table.pool.size()
        } else {
            0
        }
    }

    /// How many blocks a connection must leave, as the one that is being served may need them for what it has read. So
    /// what a service sends to others never costs the speaker its own bytes.
    #[cold]
    fn reserved_from(&self, token: Token) -> usize {
        if token == self.current || !self.is_open(self.current) { 0 } else { self.needs(self.current) }
    }

    /// Whether an answer of the service has anywhere to go. Where a block would have to be borrowed, the read sees to it.
    pub(super) fn has_room(&mut self, token: Token) -> bool {
        let unborrowed = !P::OWNS_OUTBOX && self.connection(token).outbox.is_none();
        unborrowed || self.outbox_room(token) > 0
    }

    /// Whether bytes are held that the service could not be offered in full, for want of room for an answer.
    pub(super) fn is_cramped(&mut self, token: Token) -> bool {
        let connection = *self.connection(token);
        if !connection.is(Flags::HOLDS) {
            return false;
        }
        let held = self.table.pool.len(connection.inbox);
        connection.is(Flags::OWES | Flags::STARVED) || (P::OWNS_OUTBOX && self.outbox_room(token) < held)
    }

    /// Notes that bytes moved on a connection.
    #[inline]
    pub(super) fn touch(&mut self, token: Token) {
        if self.table.config.idle_timeout.is_some() {
            let now = self.context.now();
            self.connection(token).progress = now;
        }
    }

    /// Hands bytes to the platform.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as for `send`")]
    fn write(&mut self, token: Token, bytes: &[u8]) -> Written {
        let Some(source) = self.source(token) else { return Written::Broken };
        match self.context.platform.write(source, bytes) {
            Ok(count) => {
                self.table.counters.bytes_out += count as u64;
                self.touch(token);
                if count >= bytes.len() { Written::All } else { Written::Part(count) }
            }
            Err(nb::Error::WouldBlock) => Written::Part(0),
            Err(nb::Error::Other(error)) => {
                self.fail(token, error);
                Written::Broken
            }
        }
    }

    /// [`Outlet::send`], to a connection in any state.
    #[inline(never)]
    fn send_in_any_case(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        if !self.is_sendable(token) {
            return Err(SendError::Closed);
        }
        if bytes.len() > self.outbox_room(token) {
            if P::OWNS_OUTBOX {
                self.offer_later(token);
            }
            return Err(SendError::Full);
        }
        let written = if self.connection(token).is(Flags::OWES) { Written::Part(0) } else { self.write(token, bytes) };
        self.keep_rest(token, bytes, written)
    }

    /// Keeps what the platform did not take.
    #[inline(never)]
    fn keep_rest(&mut self, token: Token, bytes: &[u8], written: Written) -> Result<(), SendError> {
        match written {
            Written::All => Ok(()),
            Written::Part(count) => {
                self.keep(token, &bytes[count..]);
                if token != self.current {
                    self.update_interest(token);
                }
                Ok(())
            }
            Written::Broken => Err(SendError::Closed),
        }
    }

    /// Keeps bytes that the platform did not take.
    #[cold]
    fn keep(&mut self, token: Token, bytes: &[u8]) {
        if self.connection(token).outbox.is_none() {
            let Some(block) = self.borrow_block() else {
                // The room was asked for before, so there is a block; without one, better a reset than a gap.
                self.fail(token, Error::new(ErrorKind::Full));
                return;
            };
            self.connection(token).outbox = block;
            self.connection(token).set(Flags::OWES);
            self.start_stall(token);
        }
        let outbox = self.connection(token).outbox;
        self.table.pool.push(outbox, bytes);
    }

    /// Borrows a block and keeps the count.
    fn borrow_block(&mut self) -> Option<BlockId> {
        let block = self.table.pool.borrow()?;
        self.table.counters.blocks_max = self.table.counters.blocks_max.max(self.table.pool.borrowed() as u64);
        Some(block)
    }

    /// Starts the clock of a connection that now owes bytes.
    fn start_stall(&mut self, token: Token) {
        let Some(timeout) = self.table.config.stall_timeout else { return };
        let now = self.context.now();
        let outbox = self.connection(token).outbox;
        self.table.pool.block(outbox).waiting_since = now;
        self.schedule(token, now + timeout);
    }

    /// Sees to it that the deadline of a connection is no later than `deadline`.
    pub(super) fn schedule(&mut self, token: Token, deadline: Instant) {
        // A token that is gone needs no deadline.
        let _ = self.context.set_timer_earlier(token, deadline);
    }

    /// Has a connection settled in this turn, or if it is full, in the next.
    fn attend(&mut self, token: Token) {
        if token != self.current {
            let now = self.context.now();
            self.schedule(token, now);
        }
    }

    /// Hands owed bytes to the platform. Says whether any moved.
    pub(super) fn flush(&mut self, token: Token) -> bool {
        let mut moved = false;
        // A ring has at most two pieces.
        for _ in 0..2 {
            let outbox = self.connection(token).outbox;
            let Some(source) = self.source(token) else { break };
            if outbox.is_none() {
                break;
            }
            let front = self.table.pool.front(outbox);
            let length = front.len();
            match self.context.platform.write(source, front) {
                Ok(count) => {
                    self.table.counters.bytes_out += count as u64;
                    self.table.pool.consume(outbox, count);
                    moved |= count > 0;
                    if self.table.pool.len(outbox) == 0 {
                        self.connection(token).outbox = BlockId::NONE;
                        self.connection(token).clear(Flags::OWES);
                        self.give_back(outbox);
                        break;
                    }
                    if count < length {
                        break;
                    }
                }
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(error)) => {
                    self.fail(token, error);
                    break;
                }
            }
        }
        if moved {
            self.touch(token);
            if self.connection(token).is(Flags::OWES) {
                self.start_stall(token);
            }
        }
        moved
    }

    /// Returns a block to the pool, and lets a connection that waited for one read again.
    pub(super) fn give_back(&mut self, block: BlockId) {
        self.table.pool.give_back(block);
        if self.table.starved > 0 && !block.is_none() {
            self.feed_starved();
        }
    }

    /// Has the starved connection looked after that comes next in the order of slots, of those that the free blocks
    /// suffice for.
    ///
    /// It may take fewer blocks than it was woken for, or none. So whoever was woken wakes the next in turn; otherwise the
    /// others would wait for a block to come back that nobody has taken. It keeps its turn until it is fed.
    #[cold]
    pub(super) fn feed_starved(&mut self) {
        let count = self.table.connections.len();
        for step in 0..count {
            let index = (self.table.starved_cursor + step) % count;
            let connection = &self.table.connections[index];
            if !connection.is(Flags::STARVED) || connection.is(Flags::BROKEN) {
                continue;
            }
            let Some(token) = self.context.registry().token_at(index) else { continue };
            if self.awaits(token) <= self.table.pool.free() {
                let now = self.context.now();
                return self.schedule(token, now);
            }
        }
    }

    /// How many blocks of the pool a connection may need for what it reads: one for what it then owes, one for what the
    /// service leaves.
    ///
    /// As nobody who owes nothing takes the last block for an inbox, one is always left for somebody's outbox, or is one.
    #[inline]
    fn needs(&self, token: Token) -> usize {
        let connection = &self.table.connections[token.index()];
        let reads = !connection.is(Flags::READ_ENDED);
        let inbox = usize::from(connection.inbox.is_none() && reads && self.table.pool.size() > 0);
        let outbox = usize::from(connection.outbox.is_none() && !P::OWNS_OUTBOX);
        inbox + outbox
    }

    /// How many blocks of the pool a connection waits for: those that it [needs](Self::needs) to read, or one, if it wants
    /// to write and is not even watched for that.
    fn awaits(&self, token: Token) -> usize {
        let connection = &self.table.connections[token.index()];
        let cannot_write = connection.is(Flags::WANTS_WRITABLE) && !connection.interest.contains(Interest::WRITABLE);
        let needs = self.needs(token);
        if cannot_write { needs.min(1) } else { needs }
    }

    /// Whether there is no block to keep in what a peer does not take.
    fn lacks_outbox(&self, token: Token) -> bool {
        !P::OWNS_OUTBOX && self.table.connections[token.index()].outbox.is_none() && self.table.pool.free() == 0
    }

    /// Whether the pool has the blocks that a connection may need for what it reads. If not, it is marked as waiting for
    /// them.
    #[inline]
    pub(super) fn is_fed(&mut self, token: Token) -> bool {
        self.table.pool.free() >= 2 * BLOCKS_PER_READ || self.is_fed_from_few(token)
    }

    /// [`is_fed`](Self::is_fed) while blocks are few: nobody overtakes those who wait.
    #[inline(never)]
    fn is_fed_from_few(&mut self, token: Token) -> bool {
        let (free, needs) = (self.table.pool.free(), self.needs(token));
        // Who has read its last may overtake: it takes nothing in any more, and gives back what it has when it is done.
        let ended = self.connection(token).is(Flags::READ_ENDED);
        let kept = if self.table.starved > 0 && needs > 0 && !ended { BLOCKS_PER_READ } else { 0 };
        if free >= needs + kept {
            return true;
        }
        self.starve(token);
        if free >= needs {
            // Perhaps nobody else can use what there is, and then nobody else would wake this one.
            self.feed_starved();
        }
        false
    }

    /// [`is_fed`](Self::is_fed), for a connection that may be waiting already, and then waits no longer.
    pub(super) fn feed(&mut self, token: Token) -> bool {
        if !self.connection(token).is(Flags::STARVED) {
            return self.is_fed(token);
        }
        let fed = self.table.pool.free() >= self.needs(token);
        if fed {
            self.table.starved_cursor = (token.index() + 1) % self.table.connections.len();
            self.wait_no_longer(token);
        }
        fed
    }

    /// Takes a connection off those that wait for a block.
    fn wait_no_longer(&mut self, token: Token) {
        if self.connection(token).is(Flags::STARVED) {
            self.connection(token).clear(Flags::STARVED);
            self.table.starved -= 1;
        }
    }

    /// Marks a connection as waiting for a block.
    #[cold]
    fn starve(&mut self, token: Token) {
        if !self.connection(token).is(Flags::STARVED) {
            self.connection(token).set(Flags::STARVED);
            self.table.starved += 1;
            self.table.counters.starved += 1;
        }
    }

    /// Has held bytes offered again in a while, where nothing is reported when the platform's outbox has more room than
    /// it had.
    #[cold]
    pub(super) fn offer_later(&mut self, token: Token) {
        self.connection(token).set(Flags::RESUMED);
        let retry = self.context.now() + ROOM_RETRY;
        self.schedule(token, retry);
    }

    /// Parks bytes that the service has not taken.
    pub(super) fn hold(&mut self, token: Token, bytes: &[u8]) {
        let inbox = match self.connection(token).inbox {
            inbox if !inbox.is_none() => inbox,
            _ => {
                let Some(block) = self.borrow_block() else {
                    self.fail(token, Error::new(ErrorKind::Full));
                    return;
                };
                block
            }
        };
        let connection = self.connection(token);
        connection.inbox = inbox;
        connection.set(Flags::HOLDS);
        self.table.pool.push(inbox, bytes);
    }

    /// Takes parked bytes out into `target`, and says how many there were.
    pub(super) fn unhold(&mut self, token: Token, target: &mut [u8]) -> usize {
        let inbox = self.connection(token).inbox;
        if inbox.is_none() { 0 } else { self.table.pool.drain_to(inbox, target) }
    }

    /// Gives the inbox back if nothing is parked in it.
    pub(super) fn release_inbox(&mut self, token: Token) {
        let inbox = self.connection(token).inbox;
        if !inbox.is_none() && self.table.pool.len(inbox) == 0 {
            self.connection(token).inbox = BlockId::NONE;
            self.connection(token).clear(Flags::HOLDS);
            self.give_back(inbox);
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
    fn break_off(&mut self, token: Token, reason: Reason) {
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

impl<P: Transport> Outlet for Driver<'_, '_, P> {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the usual answer is part of receiving, without a call in between")]
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        // The answer of a connection that owes nothing, which most are.
        if token == self.current
            && self.connection(token).flags == Flags::OPEN
            && bytes.len() <= self.outbox_room(token)
        {
            match self.write(token, bytes) {
                Written::All => Ok(()),
                written => self.keep_rest(token, bytes, written),
            }
        } else {
            self.send_in_any_case(token, bytes)
        }
    }

    fn room(&mut self, token: Token) -> usize {
        if self.is_sendable(token) { self.outbox_room(token) } else { 0 }
    }

    fn received_max(&self) -> usize {
        self.table.received_max
    }

    fn now(&mut self) -> Instant {
        self.context.now()
    }

    fn set_timer(&mut self, token: Token, deadline: Option<Instant>) {
        if !self.is_open(token) {
            return;
        }
        // Zero means no deadline, and the time after it is as good.
        let deadline = deadline.map(|deadline| deadline.max(Instant::from_nanos(1)));
        self.connection(token).timer = deadline.unwrap_or(Instant::ZERO);
        if let Some(deadline) = deadline {
            self.schedule(token, deadline);
        }
    }

    fn request_writable(&mut self, token: Token) {
        if self.is_open(token) {
            self.connection(token).set(Flags::WANTS_WRITABLE);
        }
    }

    fn resume(&mut self, token: Token) {
        // What the call that is under way leaves is not held yet.
        if self.is_open(token) && (token == self.current || self.connection(token).is(Flags::HOLDS)) {
            self.connection(token).set(Flags::RESUMED);
            let now = self.context.now();
            self.schedule(token, now);
        }
    }

    fn end(&mut self, token: Token) {
        if self.is_sendable(token) {
            self.connection(token).set(Flags::ENDING);
        }
    }

    fn close(&mut self, token: Token) {
        if self.is_open(token) {
            let ended = self.connection(token).is(Flags::READ_ENDED);
            self.begin_closing(token, if ended { Reason::Finished } else { Reason::Closed });
        }
    }

    fn abort(&mut self, token: Token) {
        if self.lives(token, Flags::BROKEN) {
            self.break_off(token, Reason::Aborted);
        }
    }
}
