//! Memory for a loop and a server, of a size that is chosen at start-up.

use std::boxed::Box;

use selkie_core::Event;
use selkie_core::memory::{
    Block, Connection, LoopMemory, LoopStorage, ServerStorage, Slot, TimerSlot,
};
#[cfg(unix)]
use selkie_std::zeroed_slice as table;

/// Makes an empty table. Where fresh pages can be had, `selkie_std` has them instead.
#[cfg(not(unix))]
fn table<T: Clone + Default>(len: usize) -> Box<[T]> {
    std::vec![T::default(); len].into_boxed_slice()
}

/// Makes a table of nothing, for entries that only the user knows.
fn nothing<T>(len: usize) -> Box<[Option<T>]> {
    (0..len).map(|_| None).collect()
}

/// The memory of a loop, on the heap.
///
/// Pages that the loop has not used yet cost nothing.
#[derive(Debug)]
pub struct HeapLoop {
    slots: Box<[Slot]>,
    timers: Box<[TimerSlot]>,
    events: Box<[Event]>,
}

impl HeapLoop {
    /// Makes memory for `slots` sources, listeners and wakers included, and batches of `events`.
    #[must_use]
    pub fn new(slots: usize, events: usize) -> Self {
        Self { slots: table(slots), timers: table(slots), events: table(events) }
    }
}

impl LoopMemory for HeapLoop {
    #[inline]
    fn storage(&mut self) -> LoopStorage<'_> {
        LoopStorage { slots: &mut self.slots, timers: &mut self.timers, events: &mut self.events }
    }
}

/// The memory of a server, on the heap.
///
/// Pages that the server has not used yet cost nothing, so there may be a block for every
/// connection.
#[derive(Debug)]
pub struct HeapServer<Source, Session> {
    connections: Box<[Connection]>,
    sources: Box<[Option<Source>]>,
    sessions: Box<[Option<Session>]>,
    blocks: Box<[Block]>,
    bytes: Box<[u8]>,
    scratch: Box<[u8]>,
}

impl<Source, Session> HeapServer<Source, Session> {
    /// Makes memory for a server in a loop of `slots` sources, with `blocks` outboxes and inboxes of
    /// `block_size` bytes.
    #[must_use]
    pub fn new(slots: usize, blocks: usize, block_size: usize) -> Self {
        Self {
            connections: table(slots),
            sources: nothing(slots),
            sessions: nothing(slots),
            blocks: table(blocks),
            bytes: table(blocks * block_size),
            scratch: table(block_size),
        }
    }

    /// Lends the memory to a server.
    pub const fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        ServerStorage {
            connections: &mut self.connections,
            sources: &mut self.sources,
            sessions: &mut self.sessions,
            blocks: &mut self.blocks,
            bytes: &mut self.bytes,
            scratch: &mut self.scratch,
        }
    }
}
