//! The mechanism of buffers: a pool of equal blocks of bytes, and the order in which they were
//! borrowed.

use core::num::NonZeroU32;

use crate::compact::compact;
use crate::contract::Instant;

/// The bookkeeping of one block of bytes, the memory of one buffer. All bits zero is unused.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Block {
    /// The time since when no byte was taken out.
    pub(super) waiting_since: Instant,
    /// The time at which it was borrowed; it is given back whenever it is empty.
    pub(super) borrowed_at: Instant,
    /// The slot that has borrowed it.
    pub(super) owner: u32,
    /// The position of the first byte.
    head: u32,
    /// The number of bytes, or while the block is free: the next free block, as number + 1.
    len: u32,
    /// The block that was borrowed after this one, as number + 1.
    next: u32,
    /// The block that was borrowed before this one, as number + 1.
    previous: u32,
}

impl Block {
    /// An unused block: all bits zero.
    pub const EMPTY: Self = Self {
        waiting_since: Instant::ZERO,
        borrowed_at: Instant::ZERO,
        owner: 0,
        head: 0,
        len: 0,
        next: 0,
        previous: 0,
    };
}

/// The name of a borrowed buffer: the number of its block + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BufferId(NonZeroU32);

impl BufferId {
    pub(super) const fn unpack(bits: u32) -> Option<Self> {
        match NonZeroU32::new(bits) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    pub(super) const fn pack(id: Option<Self>) -> u32 {
        match id {
            Some(id) => id.0.get(),
            None => 0,
        }
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The part of the pool that stays between two turns, beside its tables.
#[derive(Debug, Default)]
pub(super) struct PoolState {
    /// The number of bytes in a buffer.
    size: usize,
    /// The most recently freed block, as number + 1.
    vacant: u32,
    /// The first block that was never borrowed.
    fresh: u32,
    free: u32,
    count: u32,
    /// The buffer that was borrowed first, and that which was borrowed last, as number + 1.
    oldest: u32,
    newest: u32,
}

impl PoolState {
    /// Divides `bytes` bytes among `blocks` blocks.
    pub(super) fn new(blocks: usize, bytes: usize) -> Self {
        // Without blocks there is nothing to divide among.
        let size = bytes.checked_div(blocks).unwrap_or(0).min(u32::MAX as usize);
        // The number of a block is its index + 1, and has 32 bits.
        let count = u32::try_from(blocks).unwrap_or(u32::MAX - 1).min(u32::MAX - 1);
        // Blocks without a byte can keep nothing, so there are none.
        let count = if size == 0 { 0 } else { count };
        Self { size, count, free: count, ..Self::default() }
    }

    /// Returns the number of bytes in a buffer.
    #[inline]
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of buffers that can be borrowed.
    #[inline]
    pub(super) const fn free(&self) -> usize {
        self.free as usize
    }

    /// Returns the number of buffers that are borrowed.
    pub(super) const fn borrowed(&self) -> usize {
        self.count as usize - self.free as usize
    }
}

/// All buffers. What waits in one is one piece, so that one write offers all of it: where a ring
/// would wrap around, the bytes move to the front.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    blocks: &'a mut [Block],
    bytes: &'a mut [u8],
    state: &'a mut PoolState,
}

impl<'a> Pool<'a> {
    pub(super) const fn new(
        blocks: &'a mut [Block],
        bytes: &'a mut [u8],
        state: &'a mut PoolState,
    ) -> Self {
        Self { blocks, bytes, state }
    }

    pub(super) const fn size(&self) -> usize {
        self.state.size
    }

    pub(super) const fn free(&self) -> usize {
        self.state.free as usize
    }

    pub(super) const fn borrowed(&self) -> usize {
        self.state.borrowed()
    }

    /// Borrows an empty buffer for a slot.
    #[allow(clippy::cast_possible_truncation, reason = "slots and blocks have numbers of 32 bits")]
    pub(super) fn borrow(&mut self, owner: usize, now: Instant) -> Option<BufferId> {
        if self.state.free == 0 {
            return None;
        }
        self.state.free -= 1;
        // Freed blocks first: a block that was never borrowed is in pages that were never touched.
        let number = match self.state.vacant {
            0 => {
                self.state.fresh += 1;
                self.state.fresh
            }
            number => {
                self.state.vacant = self.blocks[number as usize - 1].len;
                number
            }
        };
        // Blocks stand in the order of borrowing, so that the grace finds the oldest at once.
        let newest = core::mem::replace(&mut self.state.newest, number);
        self.blocks[number as usize - 1] = Block {
            waiting_since: now,
            borrowed_at: now,
            owner: owner as u32,
            previous: newest,
            ..Block::EMPTY
        };
        self.link(newest, number);
        BufferId::unpack(number)
    }

    /// Takes a buffer back, with the bytes in it.
    pub(super) fn release(&mut self, id: BufferId) {
        let block = self.blocks[id.index()];
        // Any buffer may be given back, not only the oldest: its neighbours are linked.
        self.link(block.previous, block.next);
        match block.next {
            0 => self.state.newest = block.previous,
            next => self.blocks[next as usize - 1].previous = block.previous,
        }
        // A free block has no bytes, so its length is free for the link.
        self.blocks[id.index()].len = self.state.vacant;
        self.state.vacant = id.0.get();
        self.state.free += 1;
    }

    /// Borrows the buffer of this number, in a pool where each has one user.
    #[allow(clippy::cast_possible_truncation, reason = "blocks have numbers of 32 bits")]
    pub(super) fn borrow_own(&mut self, number: usize, now: Instant) -> Option<BufferId> {
        self.state.free -= 1;
        self.blocks[number] = Block { waiting_since: now, ..Block::EMPTY };
        BufferId::unpack(number as u32 + 1)
    }

    /// Takes a buffer back that has one user, with the bytes in it.
    pub(super) fn release_own(&mut self) {
        self.state.free += 1;
    }

    /// Links `next` behind `previous` in the order of borrowing; 0 is the end on either side.
    fn link(&mut self, previous: u32, next: u32) {
        match previous {
            0 => self.state.oldest = next,
            previous => self.blocks[previous as usize - 1].next = next,
        }
    }

    /// Returns the buffer that was borrowed longest ago.
    pub(super) fn oldest(&self) -> Option<&Block> {
        Some(&self.blocks[BufferId::unpack(self.state.oldest)?.index()])
    }

    pub(super) fn block(&mut self, id: BufferId) -> &mut Block {
        &mut self.blocks[id.index()]
    }

    /// Returns the number of bytes in a buffer.
    pub(super) const fn len(&self, id: BufferId) -> usize {
        self.blocks[id.index()].len as usize
    }

    /// Returns the number of bytes that still fit into a buffer.
    pub(super) const fn room(&self, id: BufferId) -> usize {
        self.state.size - self.len(id)
    }

    compact! {
        /// Adds `bytes`, which must fit, behind those that wait.
        #[allow(clippy::cast_possible_truncation, reason = "a block has at most 2^32 - 1 bytes")]
        pub(super) fn push(&mut self, id: BufferId, bytes: &[u8]) {
            let size = self.state.size;
            let start = id.index() * size;
            let block = &mut self.blocks[id.index()];
            let memory = &mut self.bytes[start..start + size];
            debug_assert!(bytes.len() <= size - block.len as usize, "the room was asked for");
            let (head, len) = (block.head as usize, block.len as usize);
            let mut tail = head + len;
            if size - tail < bytes.len() {
                memory.copy_within(head..tail, 0);
                (block.head, tail) = (0, len);
            }
            memory[tail..tail + bytes.len()].copy_from_slice(bytes);
            block.len += bytes.len() as u32;
        }
    }

    /// Returns the bytes that wait.
    pub(super) fn bytes(&self, id: BufferId) -> &[u8] {
        let block = &self.blocks[id.index()];
        &self.bytes[id.index() * self.state.size + block.head as usize..][..block.len as usize]
    }

    /// Takes the first `count` bytes out.
    #[allow(clippy::cast_possible_truncation, reason = "a block has at most 2^32 - 1 bytes")]
    pub(super) fn consume(&mut self, id: BufferId, count: usize) {
        let block = &mut self.blocks[id.index()];
        debug_assert!(count <= block.len as usize, "no more than there is");
        block.head += count as u32;
        block.len -= count as u32;
    }

    /// Moves the bytes that wait to the front of `target`, and returns their number.
    pub(super) fn drain_into(&mut self, id: BufferId, target: &mut [u8]) -> usize {
        let len = self.len(id);
        target[..len].copy_from_slice(self.bytes(id));
        self.consume(id, len);
        len
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    /// Runs a test on a pool of `N` blocks of eight bytes.
    fn with_pool<const N: usize>(test: impl FnOnce(&mut Pool<'_>)) {
        let mut blocks = [Block::EMPTY; N];
        let mut bytes = [0; 64];
        let mut state = PoolState::new(N, 8 * N);
        test(&mut Pool::new(&mut blocks, &mut bytes[..8 * N], &mut state));
    }

    #[test]
    fn bytes_leave_in_the_order_in_which_they_were_pushed() {
        with_pool::<2>(|pool| {
            let id = pool.borrow(0, Instant::ZERO).unwrap();
            pool.push(id, b"abcdef");
            pool.consume(id, 4);
            pool.push(id, b"ghijkl");
            assert_eq!(pool.room(id), 0);
            assert_eq!(pool.bytes(id), b"efghijkl");
            pool.consume(id, 5);
            assert_eq!(pool.bytes(id), b"jkl");
            pool.push(id, b"mnopq");
            assert_eq!(pool.bytes(id), b"jklmnopq");
        });
    }

    #[test]
    fn a_buffer_is_filled_and_emptied_at_once() {
        with_pool::<2>(|pool| {
            let [_other, id] = [0, 1].map(|owner| pool.borrow(owner, Instant::ZERO).unwrap());
            let mut target = [0; 8];
            for bytes in [&b"abcdefgh"[..], b"ij"] {
                pool.push(id, bytes);
                assert_eq!(pool.len(id), bytes.len());
                assert_eq!(pool.drain_into(id, &mut target), bytes.len());
                assert_eq!(&target[..bytes.len()], bytes);
                assert_eq!(pool.len(id), 0);
            }
        });
    }

    #[test]
    fn buffers_are_borrowed_again_empty() {
        with_pool::<2>(|pool| {
            let [first, second] = [0, 1].map(|owner| pool.borrow(owner, Instant::ZERO).unwrap());
            assert_eq!(pool.borrow(2, Instant::ZERO), None);
            pool.push(first, b"old");
            pool.release(first);
            pool.release(second);
            assert_eq!(pool.free(), 2);
            assert_eq!(pool.borrow(3, Instant::ZERO), Some(second), "the one that is warmest");
            assert_eq!(pool.borrow(4, Instant::ZERO), Some(first));
            assert_eq!(pool.len(first), 0);
        });
    }

    #[test]
    fn the_oldest_buffer_is_the_one_borrowed_first_of_those_not_given_back() {
        with_pool::<4>(|pool| {
            let [one, two, three] =
                [1, 2, 3].map(|owner| pool.borrow(owner, Instant::ZERO).unwrap());
            let owner = |pool: &Pool<'_>| pool.oldest().map(|block| block.owner);
            assert_eq!(owner(pool), Some(1));
            pool.release(two);
            pool.release(one);
            assert_eq!(owner(pool), Some(3));
            let four = pool.borrow(4, Instant::ZERO).unwrap();
            pool.release(three);
            assert_eq!(owner(pool), Some(4));
            pool.release(four);
            assert_eq!(owner(pool), None);
        });
    }

    #[test]
    fn a_buffer_waits_from_the_time_at_which_it_was_borrowed() {
        with_pool::<1>(|pool| {
            let now = Instant::from_millis(7);
            let id = pool.borrow(3, now).unwrap();
            let block = *pool.block(id);
            assert_eq!((block.waiting_since, block.borrowed_at, block.owner), (now, now, 3));
        });
    }

    #[test]
    fn a_pool_without_memory_lends_nothing() {
        let mut state = PoolState::new(0, 0);
        assert_eq!(Pool::new(&mut [], &mut [], &mut state).borrow(0, Instant::ZERO), None);
        let mut blocks = [Block::EMPTY; 4];
        let mut state = PoolState::new(4, 0);
        let mut pool = Pool::new(&mut blocks, &mut [], &mut state);
        assert_eq!((pool.borrow(0, Instant::ZERO), pool.borrowed()), (None, 0));
    }

    #[test]
    fn numbers_beyond_16_bits_name_buffers() {
        let mut state = PoolState::new(70_000, 70_000);
        assert_eq!((state.size(), state.free()), (1, 70_000));
        state.fresh = 69_998;
        state.free = 2;
        let mut blocks = std::vec![Block::EMPTY; 70_000];
        let mut bytes = std::vec![0; 70_000];
        let mut pool = Pool::new(&mut blocks, &mut bytes, &mut state);
        let [first, second] = [0, 1].map(|owner| pool.borrow(owner, Instant::ZERO).unwrap());
        pool.push(first, b"a");
        pool.push(second, b"b");
        assert_eq!((pool.bytes(first), pool.bytes(second)), (&b"a"[..], &b"b"[..]));
    }
}
