//! Memory for a loop and a server, of a size that is chosen at start-up.

use std::boxed::Box;

use selkie_core::Error;
#[cfg(not(any(unix, windows)))]
use selkie_core::ErrorKind;
use selkie_core::Event;
use selkie_core::memory::{
    Block, ConnectionEntry, Entry, LimitEntry, LoopMemory, LoopStorage, ServerMemory,
    ServerStorage, Slot, TimerSlot,
};
#[cfg(any(unix, windows))]
use selkie_std::memory::try_zeroed_slice as table;
#[cfg(target_os = "wasi")]
use selkie_wasi::memory::ZeroedSlice as Table;

/// A table of zeros, in pages that cost nothing before they are used where there are such.
#[cfg(not(target_os = "wasi"))]
type Table<T> = Box<[T]>;

/// Makes an empty table in pages that the host does not provide before they are used.
#[cfg(target_os = "wasi")]
fn table<T: selkie_wasi::memory::Zeroable>(len: usize) -> Result<Table<T>, Error> {
    Table::try_new(len)
}

/// Makes an empty table where no backend has fresh pages.
#[cfg(not(any(unix, windows, target_os = "wasi")))]
fn table<T: Clone + Default>(len: usize) -> Result<Table<T>, Error> {
    let mut table = std::vec::Vec::new();
    table.try_reserve_exact(len).map_err(|_| ErrorKind::OutOfMemory)?;
    table.resize(len, T::default());
    Ok(table.into_boxed_slice())
}

/// Makes a table without values, of a type that only the user knows. Where fresh pages can be had,
/// nothing is written to them.
fn vacant<T>(len: usize) -> Result<Box<[Entry<T>]>, Error> {
    #[cfg(any(unix, windows))]
    return table(len);
    #[cfg(not(any(unix, windows)))]
    {
        let mut table = std::vec::Vec::new();
        table.try_reserve_exact(len).map_err(|_| ErrorKind::OutOfMemory)?;
        table.resize_with(len, || Entry::Vacant);
        Ok(table.into_boxed_slice())
    }
}

/// The memory of a loop, on the heap.
///
/// Pages that the loop has not used yet cost nothing.
#[derive(Debug)]
pub struct HeapLoop {
    slots: Table<Slot>,
    timers: Table<TimerSlot>,
    events: Table<Event>,
}

impl HeapLoop {
    /// Makes memory for `slots` sources, listeners and wakers included, and batches of `events`.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](selkie_core::ErrorKind::OutOfMemory).
    pub fn new(slots: usize, events: usize) -> Result<Self, Error> {
        Ok(Self { slots: table(slots)?, timers: table(slots)?, events: table(events)? })
    }

    /// Returns the bytes that [`new`](Self::new) takes from the heap.
    #[must_use]
    pub const fn memory(slots: usize, events: usize) -> usize {
        let slot = size_of::<Slot>() + size_of::<TimerSlot>();
        slots.saturating_mul(slot).saturating_add(events.saturating_mul(size_of::<Event>()))
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
    connections: Table<ConnectionEntry<Source>>,
    sessions: Box<[Entry<Session>]>,
    blocks: Table<Block>,
    bytes: Table<u8>,
    scratch: Table<u8>,
    limits: Table<LimitEntry>,
}

impl<Source: Copy, Session> HeapServer<Source, Session> {
    /// Makes memory for a server in a loop of `slots` sources, with `blocks` output buffers and
    /// input buffers of `block_size` bytes.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](selkie_core::ErrorKind::OutOfMemory).
    pub fn new(slots: usize, blocks: usize, block_size: usize) -> Result<Self, Error> {
        Ok(Self {
            connections: table(slots)?,
            sessions: vacant(slots)?,
            blocks: table(blocks)?,
            bytes: table(blocks.saturating_mul(block_size))?,
            scratch: table(block_size)?,
            limits: table(0)?,
        })
    }

    /// Adds the table that limits by address and rate need: 40 bytes for each slot.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](selkie_core::ErrorKind::OutOfMemory).
    pub fn with_limits(self) -> Result<Self, Error> {
        Ok(Self { limits: table(self.connections.len())?, ..self })
    }

    /// Returns the bytes that [`new`](Self::new) takes from the heap.
    #[must_use]
    pub const fn memory(slots: usize, blocks: usize, block_size: usize) -> usize {
        let slot = size_of::<ConnectionEntry<Source>>() + size_of::<Entry<Session>>();
        let block = size_of::<Block>().saturating_add(block_size);
        slots
            .saturating_mul(slot)
            .saturating_add(blocks.saturating_mul(block))
            .saturating_add(block_size)
    }

    /// Lends the memory to a server.
    pub fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        ServerStorage {
            connections: &mut self.connections,
            sessions: &mut self.sessions,
            blocks: &mut self.blocks,
            bytes: &mut self.bytes,
            scratch: &mut self.scratch,
            limits: &mut self.limits,
        }
    }
}

impl<Source: Copy, Session> ServerMemory<Source, Session> for HeapServer<Source, Session> {
    const LIMITS: bool = true;

    type Sessions<'m>
        = &'m mut [Entry<Session>]
    where
        Self: 'm,
        Session: 'm;

    type Tables<'m>
        = (&'m mut [ConnectionEntry<Source>], &'m mut [Block], &'m mut [u8])
    where
        Self: 'm,
        Source: 'm;

    #[inline]
    fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        self.storage()
    }

    #[inline]
    fn split(&mut self) -> (Self::Sessions<'_>, &mut [u8], Self::Tables<'_>) {
        let tables = (&mut *self.connections, &mut *self.blocks, &mut *self.bytes);
        (&mut self.sessions, &mut self.scratch, tables)
    }

    #[inline]
    fn connections(&self) -> &[ConnectionEntry<Source>] {
        &self.connections
    }
}
