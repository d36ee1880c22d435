//! The sources that a platform owns, and the handles that name them.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;

use crate::contract::{Error, ErrorKind};
use crate::event_loop::Storage;

/// Names one source of a platform until that is removed, and nothing else ever after.
///
/// Eight bytes, also as an `Option`. A platform wraps it in a type of its own, so that handles of
/// different platforms are not mixed up.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle {
    /// The index is the low half, the generation the high one: one word, so that handles are
    /// compared at once. A generation is odd, so never zero.
    name: NonZeroU64,
}

impl Handle {
    /// Returns the handle of a place, if it is in use.
    #[inline]
    fn new(index: u32, generation: u32) -> Option<Self> {
        let name = NonZeroU64::new(u64::from(generation) << 32 | u64::from(index))?;
        (generation & 1 == 1).then_some(Self { name })
    }

    /// Returns the place in the table: dense, and below the capacity.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.place() as usize
    }

    /// Returns the place at its own width.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the low half is meant")]
    const fn place(self) -> u32 {
        self.name.get() as u32
    }

    /// Returns the generation of the place when the handle was issued.
    #[inline]
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.name.get() >> 32) as u32
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Handle({}#{})", self.index(), self.generation())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Handle {
    fn format(&self, formatter: defmt::Formatter<'_>) {
        defmt::write!(formatter, "Handle({}#{})", self.index(), self.generation());
    }
}

/// One place in a [`HandleTable`]. All bits zero means vacant and never used, if they mean an empty
/// `T`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(C)]
pub struct HandleEntry<T> {
    /// While in use: the place itself, so that these halves are bit for bit the handle. While
    /// vacant: the next vacant place + 1, or 0.
    link: u32,
    /// Odd while in use.
    generation: u32,
    value: T,
}

impl<T> HandleEntry<T> {
    /// Makes a vacant place with a placeholder.
    #[must_use]
    pub const fn vacant(value: T) -> Self {
        Self { link: 0, generation: 0, value }
    }

    /// Returns the value that equals the handle of this place while it is in use. Two halves, each
    /// of which has the alignment of a word of 32 bits, so that a place is no larger than its
    /// parts.
    #[inline]
    const fn name(&self) -> u64 {
        (self.generation as u64) << 32 | self.link as u64
    }
}

/// The generation of a place that is used up. The last handle has the odd one before.
const RETIRED: u32 = u32::MAX - 1;

/// Issues handles for the sources that a platform owns.
///
/// All is O(1), and nothing allocates. Making a table is O(1) in any memory: places that it has
/// not used yet count as vacant. Handles of an earlier table in the same memory stay stale, as
/// generations go on. A place whose generations are used up is retired.
///
/// ```
/// use selkie_core::ErrorKind;
/// use selkie_core::backend::{HandleEntry, HandleTable};
///
/// let mut streams = HandleTable::new([HandleEntry::vacant("no stream"); 2]);
/// let stream = streams.insert("a stream").expect("there is room");
/// assert_eq!(streams.get(stream), Ok(&"a stream"));
/// streams.remove(stream, "no stream")?;
/// assert_eq!(streams.get(stream), Err(ErrorKind::Stale.into()));
/// # Ok::<(), selkie_core::Error>(())
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HandleTable<S, T> {
    entries: S,
    /// The most recently vacated place + 1, or 0.
    vacant: u32,
    /// The first place that this table never used.
    fresh: u32,
    len: u32,
    values: PhantomData<T>,
}

impl<T, S: Storage<HandleEntry<T>>> HandleTable<S, T> {
    /// Makes an empty table with one place for each of `entries`, in any state, of which it uses at
    /// most 2^32 - 1.
    #[must_use]
    pub const fn new(entries: S) -> Self {
        Self { entries, vacant: 0, fresh: 0, len: 0, values: PhantomData }
    }

    /// Returns the places that were used.
    #[inline]
    fn used(&self) -> &[HandleEntry<T>] {
        let entries = self.entries.as_ref();
        entries.get(..self.fresh as usize).unwrap_or(entries)
    }

    /// Returns true if another source fits.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.vacant != 0 || self.has_fresh()
    }

    /// Returns true if a place is left that this table never used.
    fn has_fresh(&self) -> bool {
        self.fresh < u32::MAX && (self.fresh as usize) < self.entries.as_ref().len()
    }

    /// Adds a source.
    ///
    /// # Errors
    ///
    /// The source itself, when there is no room.
    pub fn insert(&mut self, value: T) -> Result<Handle, T> {
        loop {
            let (index, is_fresh) = match self.vacant {
                0 if self.has_fresh() => (self.fresh, true),
                0 => return Err(value),
                position => (position - 1, false),
            };
            let entry = &mut self.entries.as_mut()[index as usize];
            if is_fresh {
                self.fresh += 1;
                // In use by an earlier table: its handle becomes stale.
                entry.generation = entry.generation.saturating_add(entry.generation & 1);
            } else {
                self.vacant = entry.link;
            }
            if entry.generation >= RETIRED {
                // An earlier table has used it up.
                continue;
            }
            // The entry is vacant, so its generation is even, and the next one odd.
            let generation = entry.generation + 1;
            let Some(handle) = Handle::new(index, generation) else { return Err(value) };
            *entry = HandleEntry { link: index, generation, value };
            self.len += 1;
            return Ok(handle);
        }
    }

    /// Returns the source of a handle.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it was removed.
    #[inline]
    pub fn get(&self, handle: Handle) -> Result<&T, Error> {
        match self.entries.as_ref().get(handle.index()) {
            // A handle's generation is odd, so equality is enough. What an earlier table in the
            // same memory has used is not in use.
            Some(entry) if entry.name() == handle.name.get() && handle.place() < self.fresh => {
                Ok(&entry.value)
            }
            _ => Err(Error::new(ErrorKind::Stale)),
        }
    }

    /// Returns the source of a handle, as [`get`](Self::get) with a comparison less, which counts
    /// where bytes are moved. Only for a table whose memory was all zero when it was made: in other
    /// memory, a handle of an earlier table may name what that has left.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[inline]
    pub fn get_in_new_memory(&self, handle: Handle) -> Result<&T, Error> {
        match self.entries.as_ref().get(handle.index()) {
            Some(entry) if entry.name() == handle.name.get() => Ok(&entry.value),
            _ => Err(Error::new(ErrorKind::Stale)),
        }
    }

    /// Returns the source of a handle, to be changed.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[inline]
    pub fn get_mut(&mut self, handle: Handle) -> Result<&mut T, Error> {
        self.get(handle)?;
        Ok(&mut self.entries.as_mut()[handle.index()].value)
    }

    /// Removes a source, and leaves a placeholder. The handle is stale from now on.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn remove(&mut self, handle: Handle, placeholder: T) -> Result<T, Error> {
        self.vacate(handle).map(|value| core::mem::replace(value, placeholder))
    }

    /// Removes a source, and returns it where it is: it stays there until the place is used again.
    /// The handle is stale from now on.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn vacate(&mut self, handle: Handle) -> Result<&mut T, Error> {
        self.get(handle)?;
        let entry = &mut self.entries.as_mut()[handle.index()];
        entry.generation += 1;
        // A retired place is not linked again.
        if entry.generation < RETIRED {
            entry.link = self.vacant;
            self.vacant = handle.place() + 1;
        }
        self.len -= 1;
        Ok(&mut entry.value)
    }

    /// Returns the handle and the source at a place, if it is in use.
    #[inline]
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(Handle, &T)> {
        let entry = self.used().get(index)?;
        let handle = Handle::new(u32::try_from(index).ok()?, entry.generation)?;
        Some((handle, &entry.value))
    }

    /// Returns the handle and the source at a place, to be changed, if it is in use.
    #[inline]
    #[must_use]
    pub fn at_mut(&mut self, index: usize) -> Option<(Handle, &mut T)> {
        let entry = self.entries.as_mut().get_mut(index).filter(|_| index < self.fresh as usize)?;
        let handle = Handle::new(u32::try_from(index).ok()?, entry.generation)?;
        Some((handle, &mut entry.value))
    }

    /// Returns the handles and sources in use, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> + '_ {
        (0..self.fresh as usize).filter_map(|index| self.at(index))
    }

    /// Returns the number of sources.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Returns true if there is no source.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of places, the retired ones included.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.as_ref().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_eight_bytes() {
        assert_eq!((size_of::<Handle>(), size_of::<Option<Handle>>()), (8, 8));
    }

    #[test]
    fn a_place_without_generations_left_is_retired() {
        let mut entries = [HandleEntry { link: 0, generation: RETIRED - 2, value: 0 }];
        let mut table = HandleTable::new(&mut entries[..]);
        let last = table.insert(1).unwrap();
        assert_eq!(last.generation(), RETIRED - 1);
        table.remove(last, 0).unwrap();
        assert!(!table.has_room());
        assert_eq!(table.insert(2), Err(2));
        assert_eq!(table.get(last), Err(ErrorKind::Stale.into()));
        let mut heir = HandleTable::new(&mut entries[..]);
        assert_eq!(heir.insert(2), Err(2), "for good");
    }

    #[test]
    fn an_heir_never_issues_the_handles_of_its_predecessor() {
        let mut entries = [HandleEntry::vacant(0); 2];
        let old = HandleTable::new(&mut entries[..]).insert(1).unwrap();
        let mut heir = HandleTable::new(&mut entries[..]);
        assert_eq!(heir.get(old), Err(ErrorKind::Stale.into()), "also before its place is used");
        let new = heir.insert(2).unwrap();
        assert_eq!((new.index(), heir.get(old)), (old.index(), Err(ErrorKind::Stale.into())));
        assert_ne!(new, old);
    }

    #[test]
    fn in_new_memory_a_handle_that_was_removed_names_nothing() {
        let mut table = HandleTable::new([HandleEntry::vacant(0); 2]);
        let (old, other) = (table.insert(1).unwrap(), table.insert(2).unwrap());
        assert_eq!(table.get_in_new_memory(old), Ok(&1));
        table.remove(old, 0).unwrap();
        assert_eq!(table.get_in_new_memory(old), Err(ErrorKind::Stale.into()));
        table.remove(other, 0).unwrap();
        // The first place in the list, and the last, whose link is 0.
        assert_eq!(table.get_in_new_memory(other), Err(ErrorKind::Stale.into()));
        let heir = table.insert(3).unwrap();
        assert_eq!(table.get_in_new_memory(heir), Ok(&3));
    }
}
