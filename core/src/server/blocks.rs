//! What connections borrow from the pool: an inbox for what the service leaves, an outbox for what the peer does not take;
//! and who waits while there is none.

use super::connection::Flags;
use super::pool::BlockId;
use super::table::Driver;
use crate::{Error, ErrorKind, Interest, Token, Transport};

/// How many blocks one read may take at most: an outbox and an inbox.
pub(super) const BLOCKS_PER_READ: usize = 2;

impl<P: Transport> Driver<'_, '_, P> {
    /// Borrows a block and keeps the count.
    pub(super) fn borrow_block(&mut self) -> Option<BlockId> {
        let block = self.table.pool.borrow()?;
        self.table.counters.blocks_max = self.table.counters.blocks_max.max(self.table.pool.borrowed() as u64);
        Some(block)
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
    pub(super) fn needs(&self, token: Token) -> usize {
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
    pub(super) fn lacks_outbox(&self, token: Token) -> bool {
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
    pub(super) fn wait_no_longer(&mut self, token: Token) {
        if self.connection(token).is(Flags::STARVED) {
            self.connection(token).clear(Flags::STARVED);
            self.table.starved -= 1;
        }
    }

    /// Marks a connection as waiting for a block.
    #[cold]
    pub(super) fn starve(&mut self, token: Token) {
        if !self.connection(token).is(Flags::STARVED) {
            self.connection(token).set(Flags::STARVED);
            self.table.starved += 1;
            self.table.counters.starved += 1;
        }
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
}
