//! What is sent: handed to the platform at once, and as far as it does not take it, kept in the
//! outbox; and all else that a service can ask for.

use core::time::Duration;

use super::CloseReason;
use super::blocks::BLOCKS_PER_READ;
use super::connection::Flags;
use super::counters::tally;
use super::pool::BlockId;
use super::service::{Outlet, SendError};
use super::table::Driver;
use crate::contract::{Error, ErrorKind, Instant, Token, Transport};

/// After how long it is tried again whether the platform's own outbox has the room that was not
/// there.
const ROOM_RETRY: Duration = Duration::from_millis(10);

impl<'c, 'a, P: Transport> Driver<'_, 'c, 'a, P> {
    /// How many bytes can be sent to a connection without loss.
    #[inline(never)]
    pub(super) fn outbox_room(&mut self, index: usize) -> usize {
        if P::OWNS_BUFFERS {
            if self.connection(index).is(Flags::ENDING | Flags::WRITE_ENDED) {
                // No answer will need any, and what the platform says of a stream that has ended
                // means nothing.
                return usize::MAX;
            }
            return self.source(index).map_or(0, |source| self.context.platform.write_room(source));
        }
        let outbox = self.table.connections[index].outbox;
        let free = self.table.pool.free();
        if !outbox.is_none() {
            self.table.pool.room(outbox)
        } else if free > BLOCKS_PER_READ || free > self.reserved_from(index) {
            self.table.pool.size()
        } else {
            0
        }
    }

    /// How many blocks a connection must leave, as the one that is being served may need them for
    /// what it has read. So what a service sends to others never costs the speaker its own
    /// bytes.
    #[cold]
    fn reserved_from(&mut self, index: usize) -> usize {
        let current = self.current.index();
        if index == current || !self.is_open(self.current) { 0 } else { self.needs(current) }
    }

    /// Whether an answer of the service has anywhere to go. Where a block would have to be
    /// borrowed, the read sees to it.
    pub(super) fn has_room(&mut self, index: usize) -> bool {
        let unborrowed = !P::OWNS_BUFFERS && self.connection(index).outbox.is_none();
        unborrowed || self.outbox_room(index) > 0
    }

    /// [`Outlet::send`], to a connection in any state.
    #[inline(never)]
    fn send_in_any_case(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        if !self.is_sendable(token) {
            return Err(SendError::Closed);
        }
        let index = token.index();
        if bytes.len() > self.outbox_room(index) {
            if P::OWNS_BUFFERS {
                self.offer_later(index);
            }
            return Err(SendError::Full);
        }
        let owes = self.connection(index).is(Self::OWES);
        let written = if owes { Err(Error::WOULD_BLOCK) } else { self.write(index, bytes) };
        self.keep_rest(index, bytes, written)
    }

    /// Hands bytes to the platform.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn write(&mut self, index: usize, bytes: &[u8]) -> Result<usize, Error> {
        let Some(source) = self.source(index) else {
            return Err(Error::new(ErrorKind::Stale));
        };
        let count = self.context.platform.write(source, bytes)?;
        tally(&mut self.table.counters.bytes_out, count);
        self.touch(index);
        Ok(count)
    }

    /// The same driver once more, for what may change a connection. This one can then be kept in
    /// registers.
    fn apart(&mut self) -> Driver<'_, 'c, 'a, P> {
        self.quick = None;
        Driver { context: self.context, table: self.table, current: self.current, quick: None }
    }

    /// [`keep_rest`](Self::keep_rest) of an answer of which `count` bytes were taken.
    #[cold]
    #[inline(never)]
    fn keep_rest_from(&mut self, count: usize, bytes: &[u8]) -> Result<(), SendError> {
        self.keep_rest(self.current.index(), bytes, Ok(count))
    }

    /// [`keep_rest`](Self::keep_rest) of an answer that was not taken.
    #[cold]
    #[inline(never)]
    fn keep_all(&mut self, bytes: &[u8], why: Error) -> Result<(), SendError> {
        self.keep_rest(self.current.index(), bytes, Err(why))
    }

    /// Keeps what the platform did not take.
    #[cold]
    #[inline(never)]
    fn keep_rest(
        &mut self,
        index: usize,
        bytes: &[u8],
        written: Result<usize, Error>,
    ) -> Result<(), SendError> {
        let count = match written {
            Ok(count) => count,
            Err(error) if error.is_would_block() => 0,
            Err(error) => {
                self.fail(index, error);
                return Err(SendError::Closed);
            }
        };
        let Some(rest @ [_, ..]) = bytes.get(count..) else { return Ok(()) };
        self.keep(index, rest);
        if index != self.current.index() {
            self.update_interest(index);
        }
        Ok(())
    }

    /// Keeps bytes that the platform did not take.
    fn keep(&mut self, index: usize, bytes: &[u8]) {
        if P::OWNS_BUFFERS {
            // The platform had the room, and broke its word. Better a reset than a gap.
            return self.fail(index, Error::new(ErrorKind::Full));
        }
        let mut outbox = self.connection(index).outbox;
        if outbox.is_none() {
            let Some(block) = self.borrow_block(index) else { return };
            outbox = block;
            let connection = self.connection(index);
            connection.outbox = outbox;
            connection.set(Flags::OWES);
            self.start_stall(index, outbox);
        }
        self.table.pool.push(outbox, bytes);
    }

    /// Starts the clock of a connection that now owes bytes.
    fn start_stall(&mut self, index: usize, outbox: BlockId) {
        if self.table.limits.stall.is_for_ever() {
            return;
        }
        let now = self.context.turn_time();
        self.table.pool.block(outbox).waiting_since = now;
        let deadline = self.table.limits.stall.after(now);
        self.schedule(index, deadline);
    }

    /// Hands owed bytes of the current connection to the platform. Says whether any moved.
    pub(super) fn flush(&mut self) -> bool {
        let index = self.current.index();
        let outbox = self.here().outbox;
        if P::OWNS_BUFFERS || outbox.is_none() {
            return false;
        }
        let Some(source) = self.source(index) else { return false };
        let mut moved = false;
        // A ring has at most two pieces.
        loop {
            let front = self.table.pool.front(outbox);
            let length = front.len();
            match self.context.platform.write(source, front) {
                Ok(count) => {
                    tally(&mut self.table.counters.bytes_out, count);
                    self.table.pool.consume(outbox, count);
                    moved |= count > 0;
                    if count < length || self.table.pool.len(outbox) == 0 {
                        break;
                    }
                }
                Err(error) if error.is_would_block() => break,
                Err(error) => {
                    self.fail(index, error);
                    break;
                }
            }
        }
        if moved {
            self.touch(index);
            if self.table.pool.len(outbox) > 0 {
                self.start_stall(index, outbox);
            } else {
                let connection = self.here();
                connection.outbox = BlockId::NONE;
                connection.clear(Flags::OWES);
                self.give_back(outbox);
            }
        }
        moved
    }

    /// Has held bytes offered again in a while, where nothing is reported when the platform's
    /// outbox has more room than it had.
    #[cold]
    pub(super) fn offer_later(&mut self, index: usize) {
        self.connection(index).set(Flags::RESUMED);
        let retry = self.context.turn_time() + ROOM_RETRY;
        self.schedule(index, retry);
    }
}

impl<P: Transport> Outlet for Driver<'_, '_, '_, P> {
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[allow(
        clippy::inline_always,
        reason = "the usual answer is part of receiving, without a call in between, except where size counts"
    )]
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        if const { !Self::HAS_QUICK_WAY } {
            return self.send_in_any_case(token, bytes);
        }
        // The answer of a connection that owes nothing, which most are.
        let Some(source) = self.quick else { return self.apart().send_in_any_case(token, bytes) };
        if token != self.current || bytes.len() > self.table.pool.size() {
            return self.apart().send_in_any_case(token, bytes);
        }
        match self.context.platform.write(source, bytes) {
            Ok(count) => {
                // That bytes move was noted when some were received.
                tally(&mut self.table.counters.bytes_out, count);
                if count < bytes.len() { self.apart().keep_rest_from(count, bytes) } else { Ok(()) }
            }
            Err(error) => self.apart().keep_all(bytes, error),
        }
    }

    fn room(&mut self, token: Token) -> usize {
        if self.is_sendable(token) { self.outbox_room(token.index()) } else { 0 }
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
        let timer = deadline.map_or(Instant::ZERO, |deadline| deadline.max(Instant::from_nanos(1)));
        self.connection(token.index()).timer = timer;
        if timer != Instant::ZERO {
            self.schedule(token.index(), timer);
        }
    }

    fn request_writable(&mut self, token: Token) {
        if self.is_open(token) {
            self.connection(token.index()).set(Flags::WANTS_WRITABLE);
        }
    }

    fn resume(&mut self, token: Token) {
        // What the call that is under way leaves is not held yet.
        if self.is_open(token)
            && (token == self.current || self.connection(token.index()).is(Flags::HOLDS))
        {
            self.connection(token.index()).set(Flags::RESUMED);
            self.look_soon(token.index());
        }
    }

    fn shutdown_write(&mut self, token: Token) {
        if self.is_sendable(token) {
            self.connection(token.index()).set(Flags::ENDING);
        }
    }

    fn close(&mut self, token: Token) {
        if self.is_open(token) {
            let ended = self.connection(token.index()).is(Flags::READ_ENDED);
            self.begin_closing(
                token.index(),
                if ended { CloseReason::Finished } else { CloseReason::Closed },
            );
        }
    }

    fn abort(&mut self, token: Token) {
        if self.lives(token, Flags::BROKEN) {
            self.break_off(token.index(), CloseReason::Aborted);
        }
    }
}
