//! What connections borrow from the pool: an inbox for what the service leaves, an outbox for what
//! the peer does not take; and who waits while there is none.

use super::connection::{Connection, Flags};
use super::counters::tally;
use super::pool::BlockId;
use super::table::Driver;
use crate::contract::{Error, ErrorKind, Interest, Transport};

/// How many blocks one read may take at most: an outbox and an inbox.
pub(super) const BLOCKS_PER_READ: usize = 2;

impl<P: Transport> Driver<'_, '_, '_, P> {
    /// Borrows a block for a connection, and keeps the count. Without one the connection fails.
    pub(super) fn borrow_block(&mut self, index: usize) -> Option<BlockId> {
        let block = self.table.pool.borrow();
        if block.is_none() {
            // The room was asked for before, so there is a block; without one, better a reset than
            // a gap.
            self.fail(index, Error::new(ErrorKind::Full));
        }
        let borrowed = self.table.pool.borrowed() as u64;
        if borrowed > self.table.counters.blocks_max {
            self.table.counters.blocks_max = borrowed;
        }
        block
    }

    /// Returns a block to the pool, and lets a connection that waited for one read again.
    pub(super) fn give_back(&mut self, block: BlockId) {
        self.table.pool.give_back(block);
        self.feed_next();
    }

    /// Returns all that a connection has borrowed, which is gone.
    pub(super) fn give_all_back(&mut self, connection: Connection) {
        if P::OWNS_BUFFERS {
            return;
        }
        self.table.starved -= usize::from(connection.is(Flags::STARVED));
        self.table.pool.give_back(connection.outbox);
        self.table.pool.give_back(connection.inbox);
        self.feed_next();
    }

    /// Has the next starved connection looked after, if there is one: something was given back, or
    /// the one that was woken has had its turn.
    #[inline]
    pub(super) fn feed_next(&mut self) {
        if !P::OWNS_BUFFERS && self.table.starved > 0 {
            self.feed_starved();
        }
    }

    /// Has the starved connection looked after that comes next in the order of slots, of those that
    /// the free blocks suffice for.
    ///
    /// It may take fewer blocks than it was woken for, or none. So whoever was woken wakes the next
    /// in turn; otherwise the others would wait for a block to come back that nobody has taken.
    /// It keeps its turn until it is fed.
    #[cold]
    #[inline(never)]
    fn feed_starved(&mut self) {
        let mut index = self.table.starved_cursor;
        for _ in 0..self.table.connections.len() {
            if index >= self.table.connections.len() {
                index = 0;
            }
            let connection = *self.connection(index);
            if connection.is(Flags::STARVED)
                && !connection.is(Flags::BROKEN)
                && self.awaits(index) <= self.table.pool.free()
            {
                return self.look_soon(index);
            }
            index += 1;
        }
    }

    /// How many blocks of the pool a connection may need for what it reads: one for what it then
    /// owes, one for what the service leaves.
    ///
    /// As nobody who owes nothing takes the last block for an inbox, one is always left for
    /// somebody's outbox, or is one.
    pub(super) fn needs(&mut self, index: usize) -> usize {
        let connection = *self.connection(index);
        let reads = !connection.is(Flags::READ_ENDED);
        let inbox = usize::from(connection.inbox.is_none() && reads && self.table.pool.size() > 0);
        let outbox = usize::from(connection.outbox.is_none());
        inbox + outbox
    }

    /// How many blocks of the pool a connection waits for: those that it [needs](Self::needs) to
    /// read, or one, if it wants to write and is not even watched for that.
    fn awaits(&mut self, index: usize) -> usize {
        let connection = *self.connection(index);
        let cannot_write = connection.is(Flags::WANTS_WRITABLE)
            && !connection.interest.contains(Interest::WRITABLE);
        let needs = self.needs(index);
        if cannot_write { needs.min(1) } else { needs }
    }

    /// Whether there is no block to keep in what a peer does not take.
    pub(super) fn lacks_outbox(&mut self, index: usize) -> bool {
        !P::OWNS_BUFFERS && self.table.pool.free() == 0 && self.connection(index).outbox.is_none()
    }

    /// Whether the pool has the blocks that the current connection may need for what it reads. If
    /// not, it is marked as waiting for them; if so, it waits no longer.
    pub(super) fn feed(&mut self) -> bool {
        let index = self.current.index();
        let flags = self.here().flags;
        let starved = flags.contains(Flags::STARVED);
        let (free, needs) = (self.table.pool.free(), self.needs(index));
        // Nobody overtakes those who wait, except for who has read its last: it takes nothing in
        // any more, and gives back what it has when it is done.
        let overtakes =
            starved || self.table.starved == 0 || needs == 0 || flags.contains(Flags::READ_ENDED);
        let fed = free >= needs + if overtakes { 0 } else { BLOCKS_PER_READ };
        if fed && starved {
            self.here().clear(Flags::STARVED);
            self.table.starved -= 1;
            self.table.starved_cursor = index + 1;
        } else if !fed && !starved {
            self.starve(index);
            if free >= needs {
                // Perhaps nobody else can use what there is, and then nobody else would wake this
                // one.
                self.feed_starved();
            }
        }
        fed
    }

    /// Marks a connection as waiting for a block.
    #[cold]
    pub(super) fn starve(&mut self, index: usize) {
        let connection = self.connection(index);
        if !connection.is(Flags::STARVED) {
            connection.set(Flags::STARVED);
            self.table.starved += 1;
            tally(&mut self.table.counters.starved, 1);
        }
    }

    /// How many bytes are held for the service.
    pub(super) fn held(&mut self, index: usize) -> usize {
        let inbox = self.connection(index).inbox;
        if inbox.is_none() { 0 } else { self.table.pool.len(inbox) }
    }

    /// Takes what is held for the current connection out into `target`, and says how many bytes
    /// there were.
    pub(super) fn unhold(&mut self, target: &mut [u8]) -> usize {
        let inbox = self.here().inbox;
        if inbox.is_none() { 0 } else { self.table.pool.unfill(inbox, target) }
    }

    /// Holds nothing any more: what was held is given back, or where the platform has it, read.
    pub(super) fn let_go(&mut self) {
        if !P::OWNS_BUFFERS {
            return self.hold(&[]);
        }
        if let Some(source) = self.source(self.current.index()) {
            self.context.platform.consume(source, 0, 0);
        }
    }

    /// Holds bytes that the service has not taken, and without any gives the inbox back. What was
    /// held before is [taken out](Self::unhold).
    #[inline(never)]
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        let index = self.current.index();
        let mut inbox = self.here().inbox;
        if bytes.is_empty() {
            if !inbox.is_none() {
                let connection = self.here();
                connection.inbox = BlockId::NONE;
                connection.clear(Flags::HOLDS);
                self.give_back(inbox);
            }
            return;
        }
        if inbox.is_none() {
            let Some(block) = self.borrow_block(index) else { return };
            inbox = block;
            let connection = self.here();
            connection.inbox = inbox;
            connection.set(Flags::HOLDS);
        }
        self.table.pool.push(inbox, bytes);
    }
}
