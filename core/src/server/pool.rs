//! Bytes that wait: a pool of blocks that connections borrow only while they need them.

use crate::contract::Instant;

/// The bookkeeping of one block of bytes. All bits zero means unused.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Block {
    /// Since when the bytes here wait without any of them moving.
    pub(super) waiting_since: Instant,
    /// Where the first byte is.
    head: u32,
    /// How many bytes there are, or while the block is free: the next free block, as number + 1.
    len: u32,
}

impl Block {
    /// An unused block: all bits zero.
    pub const EMPTY: Self = Self { waiting_since: Instant::ZERO, head: 0, len: 0 };
}

/// Names a borrowed block: its number + 1, so that 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct BlockId(u16);

impl BlockId {
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn is_none(self) -> bool {
        self.0 == 0
    }

    #[cfg_attr(target_family = "wasm", inline(never))]
    const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

/// All blocks, each a ring of `size` bytes.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    blocks: &'a mut [Block],
    bytes: &'a mut [u8],
    size: usize,
    /// The most recently freed block, as number + 1.
    vacant: u32,
    /// The first block that was never borrowed.
    fresh: usize,
    free: usize,
}

impl<'a> Pool<'a> {
    /// Divides `bytes` among `blocks`, of which it uses at most 65,535.
    pub(super) fn new(blocks: &'a mut [Block], bytes: &'a mut [u8]) -> Self {
        let count = blocks.len().min(usize::from(u16::MAX));
        let size = bytes.len().checked_div(count).unwrap_or(0).min(u32::MAX as usize);
        Self {
            blocks: &mut blocks[..count],
            bytes,
            size,
            vacant: 0,
            fresh: 0,
            free: if size == 0 { 0 } else { count },
        }
    }

    /// How many bytes a block holds.
    #[inline]
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// How many blocks can be borrowed.
    #[inline]
    pub(super) const fn free(&self) -> usize {
        self.free
    }

    /// How many blocks are borrowed.
    pub(super) const fn borrowed(&self) -> usize {
        self.blocks.len() - self.free
    }

    /// Borrows an empty block.
    #[allow(clippy::cast_possible_truncation, reason = "there are at most 65,535 blocks")]
    pub(super) fn borrow(&mut self) -> Option<BlockId> {
        if self.free == 0 {
            return None;
        }
        self.free -= 1;
        let number = if self.vacant == 0 {
            self.fresh += 1;
            self.fresh - 1
        } else {
            let number = self.vacant as usize - 1;
            self.vacant = self.blocks[number].len;
            number
        };
        self.blocks[number] = Block::EMPTY;
        Some(BlockId(number as u16 + 1))
    }

    /// Takes a block back, with whatever is in it.
    pub(super) fn give_back(&mut self, id: BlockId) {
        if !id.is_none() {
            self.blocks[id.index()].len = self.vacant;
            self.vacant = u32::from(id.0);
            self.free += 1;
        }
    }

    pub(super) fn block(&mut self, id: BlockId) -> &mut Block {
        &mut self.blocks[id.index()]
    }

    /// How many bytes wait in a block.
    pub(super) const fn len(&self, id: BlockId) -> usize {
        self.blocks[id.index()].len as usize
    }

    /// How many more bytes fit into a block.
    pub(super) const fn room(&self, id: BlockId) -> usize {
        self.size - self.len(id)
    }

    /// Adds `bytes` behind those that wait. They must fit.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    #[allow(clippy::cast_possible_truncation, reason = "a block has at most 2^32 - 1 bytes")]
    pub(super) fn push(&mut self, id: BlockId, bytes: &[u8]) {
        let (start, size) = (id.index() * self.size, self.size);
        let block = &mut self.blocks[id.index()];
        let ring = &mut self.bytes[start..start + size];
        debug_assert!(bytes.len() <= size - block.len as usize, "the room was asked for");
        let mut rest = bytes;
        // Up to the end of the ring, and from its beginning.
        while !rest.is_empty() {
            let tail = wrap(block.head as usize + block.len as usize, size);
            let (piece, behind) = rest.split_at(rest.len().min(size - tail));
            ring[tail..tail + piece.len()].copy_from_slice(piece);
            block.len += piece.len() as u32;
            rest = behind;
        }
    }

    /// The bytes that wait, up to where the ring wraps.
    pub(super) fn front(&self, id: BlockId) -> &[u8] {
        let block = &self.blocks[id.index()];
        let start = id.index() * self.size;
        let end = (block.head as usize + block.len as usize).min(self.size);
        &self.bytes[start + block.head as usize..start + end]
    }

    /// Takes the first `count` bytes out.
    #[allow(clippy::cast_possible_truncation, reason = "a block has at most 2^32 - 1 bytes")]
    pub(super) fn consume(&mut self, id: BlockId, count: usize) {
        let size = self.size;
        let block = &mut self.blocks[id.index()];
        debug_assert!(count <= block.len as usize, "no more than there is");
        block.len -= count as u32;
        block.head =
            if block.len == 0 { 0 } else { wrap(block.head as usize + count, size) as u32 };
    }

    /// Copies the bytes that wait out to the front of `target`, up to where the ring wraps, empties
    /// the block, and says how many they were.
    pub(super) fn unfill(&mut self, id: BlockId, target: &mut [u8]) -> usize {
        let front = self.front(id);
        let len = front.len();
        target[..len].copy_from_slice(front);
        self.consume(id, len);
        len
    }
}

/// A place in a ring of `size` bytes.
const fn wrap(position: usize, size: usize) -> usize {
    if position >= size { position - size } else { position }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came() {
        let mut blocks = [Block::EMPTY; 2];
        let mut bytes = [0; 16];
        let mut pool = Pool::new(&mut blocks, &mut bytes);
        let id = pool.borrow().unwrap();
        pool.push(id, b"abcdef");
        pool.consume(id, 4);
        pool.push(id, b"ghijkl");
        assert_eq!(pool.room(id), 0);
        assert_eq!(pool.front(id), b"efgh");
        pool.consume(id, 4);
        assert_eq!(pool.front(id), b"ijkl");
    }

    #[test]
    fn a_block_is_filled_and_emptied_at_once() {
        let mut blocks = [Block::EMPTY; 2];
        let mut bytes = [0; 16];
        let mut pool = Pool::new(&mut blocks, &mut bytes);
        let (_other, id) = (pool.borrow().unwrap(), pool.borrow().unwrap());
        let mut target = [0; 8];
        for held in [&b"abcdefgh"[..], b"ij"] {
            pool.push(id, held);
            assert_eq!(pool.len(id), held.len());
            assert_eq!(pool.unfill(id, &mut target), held.len());
            assert_eq!(&target[..held.len()], held);
            assert_eq!(pool.len(id), 0);
        }
    }

    #[test]
    fn blocks_come_back_and_go_out_again_empty() {
        let mut blocks = [Block::EMPTY; 2];
        let mut bytes = [0; 8];
        let mut pool = Pool::new(&mut blocks, &mut bytes);
        let (first, second) = (pool.borrow().unwrap(), pool.borrow().unwrap());
        assert_eq!(pool.borrow(), None);
        pool.push(first, b"old");
        pool.give_back(first);
        pool.give_back(second);
        assert_eq!(pool.free(), 2);
        assert_eq!(pool.borrow(), Some(second), "the one that is warmest");
        assert_eq!(pool.borrow(), Some(first));
        assert_eq!(pool.len(first), 0);
    }

    #[test]
    fn a_pool_without_memory_lends_nothing() {
        let mut pool = Pool::new(&mut [], &mut []);
        assert_eq!(pool.borrow(), None);
        let mut blocks = [Block::EMPTY; 4];
        let mut pool = Pool::new(&mut blocks, &mut []);
        assert_eq!(pool.borrow(), None);
    }
}
