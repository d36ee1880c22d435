//! Sources whose entries are without gaps in one array, which each system call takes as a whole.

use selkie_core::{Error, Interest, Mode, Token};

use super::source_table::SourceTable;
use crate::memory::{Zeroable, try_zeroed_slice};
use crate::sys::poll;
use crate::sys::source::RawSource;
use crate::waker::{WakeSource, Waker};

/// An entry of the array.
pub(super) trait PackedEntry: Zeroable + Copy {
    /// Returns the source of the entry.
    fn source(self) -> RawSource;
}

impl PackedEntry for poll::Entry {
    fn source(self) -> RawSource {
        poll::source(self)
    }
}

#[cfg(windows)]
impl PackedEntry for RawSource {
    fn source(self) -> RawSource {
        self
    }
}

/// The array, and the table of its sources.
#[derive(Debug)]
pub(super) struct PackedSources<E> {
    entries: Box<[E]>,
    /// Each source with the position of its entry.
    pub(super) table: SourceTable<u32>,
}

impl<E: PackedEntry> PackedSources<E> {
    /// Makes an empty array for `capacity` sources.
    pub(super) fn new(capacity: usize) -> Result<Self, Error> {
        Ok(Self { entries: try_zeroed_slice(capacity)?, table: SourceTable::new(capacity)? })
    }

    /// Returns the bytes of the array and the table, where a process may open `hard_limit`
    /// descriptors.
    pub(super) fn memory(capacity: usize, hard_limit: u64) -> usize {
        SourceTable::<u32>::memory(capacity, hard_limit)
            .saturating_add(capacity.saturating_mul(size_of::<E>()))
    }

    /// Returns the entries of the registered sources.
    pub(super) fn entries(&mut self) -> &mut [E] {
        &mut self.entries[..self.table.len()]
    }

    /// Returns the entry at a position.
    pub(super) fn at(&self, position: usize) -> E {
        self.entries[position]
    }

    /// Adds the entry of a source that can be registered under `token`.
    pub(super) fn insert(&mut self, entry: E, token: Token, interest: Interest, mode: Mode) {
        let position = self.append(entry);
        self.table.insert(entry.source(), token, interest, mode, position);
    }

    /// Returns the entry of a registered source.
    pub(super) fn entry(&mut self, source: RawSource, token: Token) -> Result<&mut E, Error> {
        self.table.get(source, token)?;
        let position = *self.table.value(token)?;
        Ok(&mut self.entries[position as usize])
    }

    /// Removes a registered source.
    pub(super) fn remove(&mut self, source: RawSource, token: Token) -> Result<(), Error> {
        self.table.get(source, token)?;
        let position = *self.table.value(token)?;
        self.table.remove(source, token);
        self.fill_gap(position);
        Ok(())
    }

    /// Makes a waker, whose wakes are reported under `token`. `entry` makes the entry of its
    /// source.
    pub(super) fn insert_waker(
        &mut self,
        token: Token,
        entry: impl FnOnce(RawSource) -> E,
    ) -> Result<Waker, Error> {
        self.table.check_waker_vacant(token)?;
        let source = WakeSource::new(token)?;
        let waker = source.waker();
        let position = self.append(entry(source.source()));
        self.table.insert_waker(source, position);
        Ok(waker)
    }

    /// Removes the waker of `token`.
    pub(super) fn remove_waker(&mut self, token: Token) -> Result<(), Error> {
        let position = self.table.value(token).map(|position| *position);
        self.table.remove_waker(token)?;
        self.fill_gap(position?);
        Ok(())
    }

    /// Appends the entry of a source that is about to be recorded, and returns its position.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "positions are below a capacity of 32 bits"
    )]
    fn append(&mut self, entry: E) -> u32 {
        let position = self.table.len();
        self.entries[position] = entry;
        position as u32
    }

    /// Moves the last entry into the gap of a source that was just removed from the table.
    fn fill_gap(&mut self, position: u32) {
        let last = self.entries[self.table.len()];
        self.entries[position as usize] = last;
        let moved = self.table.token_of(last.source());
        if let Some(Ok(moved)) = moved.map(|token| self.table.value(token)) {
            *moved = position;
        }
    }
}
