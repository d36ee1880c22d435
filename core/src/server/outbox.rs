//! What is sent: handed to the platform at once, and as far as it does not take it, kept in the outbox; and all else that a
//! service can ask for.

use core::time::Duration;

use super::Reason;
use super::blocks::BLOCKS_PER_READ;
use super::connection::Flags;
use super::pool::BlockId;
use super::service::{Outlet, SendError};
use super::table::Driver;
use crate::{Error, ErrorKind, Instant, Token, Transport};

/// After how long it is tried again whether the platform's own outbox has the room that was not there.
const ROOM_RETRY: Duration = Duration::from_millis(10);

/// What came of a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    All,
    Part(usize),
    Broken,
}

impl<P: Transport> Driver<'_, '_, P> {
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

    /// Hands bytes to the platform.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
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

    /// Starts the clock of a connection that now owes bytes.
    fn start_stall(&mut self, token: Token) {
        let Some(timeout) = self.table.config.stall_timeout else { return };
        let now = self.context.now();
        let outbox = self.connection(token).outbox;
        self.table.pool.block(outbox).waiting_since = now;
        self.schedule(token, now + timeout);
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

    /// Has held bytes offered again in a while, where nothing is reported when the platform's outbox has more room than
    /// it had.
    #[cold]
    pub(super) fn offer_later(&mut self, token: Token) {
        self.connection(token).set(Flags::RESUMED);
        let retry = self.context.now() + ROOM_RETRY;
        self.schedule(token, retry);
    }
}

impl<P: Transport> Outlet for Driver<'_, '_, P> {
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[allow(
        clippy::inline_always,
        reason = "the usual answer is part of receiving, without a call in between, except where size counts"
    )]
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
