//! The sources that a platform owns, and their handles.

use core::num::NonZeroU32;

use selkie_core::{Error, ErrorKind, Token};

/// The handle of a source that a platform of this crate owns: a listener or a stream.
///
/// Eight bytes, also as an `Option`. Once the source is closed the handle is stale, and never names
/// another source. It is valid only for the platform that issued it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    /// The place in the table.
    index: u32,
    /// The generation of the place when the handle was issued: odd.
    generation: NonZeroU32,
}

impl Socket {
    /// Returns the place in the table.
    #[inline]
    pub(crate) const fn slot(self) -> usize {
        self.index as usize
    }
}

/// One place for a source. All bits zero means vacant and never used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<T> {
    /// The token that the source is registered under, or [`UNREGISTERED`].
    pub(crate) token: Token,
    /// Odd while there is a source, even while there is none.
    generation: u32,
    /// While vacant: the distance of the next vacant place from the one behind this.
    next: u32,
    /// The position of each direction in the list of what is polled, plus one; 0 for none.
    pub(crate) positions: [u32; 2],
    /// The index of the source's event in the current batch, if it has one.
    pub(crate) batch_position: u32,
    /// Set if it is reported once.
    pub(crate) oneshot: bool,
    /// The data of the platform.
    pub(crate) platform: T,
}

/// The token of a source that is not registered.
pub(crate) const UNREGISTERED: Token = Token::from_u64(0);

impl<T> Entry<T> {
    /// Creates a vacant place with placeholder data.
    pub(crate) const fn vacant(platform: T) -> Self {
        Self {
            token: UNREGISTERED,
            generation: 0,
            next: 0,
            positions: [0; 2],
            batch_position: 0,
            oneshot: false,
            platform,
        }
    }
}

/// A table of sources.
#[derive(Debug)]
pub(crate) struct SocketTable<'a, T> {
    entries: &'a mut [Entry<T>],
    /// The next place to use: the last vacated one, or else the first that was never used. The
    /// table is full if there is no such place.
    vacant: u32,
}

impl<'a, T: Copy> SocketTable<'a, T> {
    /// Creates an empty table in the memory of `entries`, of which it uses at most 2^31 - 1.
    pub(crate) fn new(entries: &'a mut [Entry<T>]) -> Self {
        let count = entries.len().min(i32::MAX as usize);
        let entries = &mut entries[..count];
        for entry in entries.iter_mut() {
            // Handles of an earlier table in the same memory stay stale.
            entry.generation += entry.generation % 2;
            entry.next = 0;
        }
        Self { entries, vacant: 0 }
    }

    /// Returns whether there is room for another source.
    #[inline]
    pub(crate) const fn has_room(&self) -> bool {
        (self.vacant as usize) < self.entries.len()
    }

    /// Adds a source. Check first whether [there is room](Self::has_room).
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn insert(&mut self, platform: T) -> Socket {
        let index = self.vacant;
        let entry = &mut self.entries[index as usize];
        let generation = entry.generation.wrapping_add(1);
        self.vacant = index.wrapping_add(1).wrapping_add(entry.next);
        *entry = Entry { generation, ..Entry::vacant(platform) };
        // It is odd already.
        Socket { index, generation: NonZeroU32::MIN | generation }
    }

    /// Returns the source of a handle and its place.
    #[inline]
    pub(crate) fn get(&mut self, socket: Socket) -> Result<(usize, &mut Entry<T>), Error> {
        match self.entries.get_mut(socket.slot()) {
            // A handle's generation is odd, so equality is enough.
            Some(entry) if entry.generation == socket.generation.get() => {
                Ok((socket.slot(), entry))
            }
            _ => Err(Error::new(ErrorKind::Stale)),
        }
    }

    /// Returns the source at a place that is in use.
    #[inline]
    pub(crate) const fn at(&mut self, slot: usize) -> &mut Entry<T> {
        &mut self.entries[slot]
    }

    /// Returns the source at a place, if there is such a place.
    #[inline]
    pub(crate) fn find(&mut self, slot: usize) -> Option<&mut Entry<T>> {
        self.entries.get_mut(slot)
    }

    /// Returns the number of places.
    pub(crate) const fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is a source at a place.
    pub(crate) const fn is_in_use(&self, slot: usize) -> bool {
        self.entries[slot].generation % 2 == 1
    }

    /// Makes the handle of a place stale. Its source stays until the place is
    /// [vacated](Self::vacate).
    pub(crate) fn disown(&mut self, slot: usize) {
        let entry = &mut self.entries[slot];
        // Plus two stays odd: in use, under no handle that was issued.
        entry.generation = entry.generation.wrapping_add(2);
    }

    /// Removes the source at a place that is in use. Its handle is stale from now on.
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^31 places")]
    pub(crate) fn vacate(&mut self, slot: usize) -> T {
        let entry = &mut self.entries[slot];
        entry.generation = entry.generation.wrapping_add(1);
        // A place whose generations are nearly used up is never used again: a wrapped generation
        // would make an old handle valid.
        if entry.generation < u32::MAX - 4 {
            entry.next = self.vacant.wrapping_sub(slot as u32 + 1);
            self.vacant = slot as u32;
        }
        entry.platform
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> [Entry<u8>; 2] {
        [Entry::vacant(0); 2]
    }

    #[test]
    fn handles_are_eight_bytes() {
        assert_eq!((size_of::<Socket>(), size_of::<Option<Socket>>()), (8, 8));
    }

    #[test]
    fn a_closed_handle_stays_stale() {
        let mut entries = table();
        let mut handles = SocketTable::new(&mut entries[..1]);
        let first = handles.insert(7);
        assert!(!handles.has_room());
        let (slot, _) = handles.get(first).unwrap();
        assert_eq!(handles.vacate(slot), 7);
        let second = handles.insert(9);
        assert_ne!(first, second);
        assert_eq!(handles.get(first).unwrap_err().kind(), ErrorKind::Stale);
        assert_eq!(handles.get(second).unwrap().1.platform, 9);
    }

    #[test]
    fn places_are_used_again_before_fresh_ones() {
        let mut entries = [Entry::vacant(0); 4];
        let mut handles = SocketTable::new(&mut entries);
        let sockets = [7, 8, 9].map(|source| handles.insert(source));
        for socket in [sockets[0], sockets[2]] {
            handles.vacate(socket.slot());
        }
        assert_eq!([10, 11, 12].map(|source| handles.insert(source).slot()), [2, 0, 3]);
        assert!(!handles.has_room());
    }

    #[test]
    fn what_is_disowned_stays_until_it_is_vacated() {
        let mut entries = table();
        let mut handles = SocketTable::new(&mut entries[..1]);
        let socket = handles.insert(7);
        handles.disown(0);
        assert!(handles.get(socket).is_err());
        assert!(!handles.has_room());
        assert!(handles.is_in_use(0));
        handles.vacate(0);
        assert!(handles.has_room());
        assert!(!handles.is_in_use(0));
    }

    #[test]
    fn an_heir_keeps_the_handles_of_its_predecessor_stale() {
        let mut entries = table();
        let old = SocketTable::new(&mut entries).insert(7);
        let mut heir = SocketTable::new(&mut entries);
        assert!(heir.get(old).is_err());
        assert_ne!(heir.insert(8), old);
    }
}
