//! The sources that a platform owns, and their handles.

use core::fmt;

use selkie_core::backend::{Handle, HandleEntry, HandleTable};
use selkie_core::{Error, ErrorKind, Token};

/// The handle of a source that a platform of this crate owns: a listener or a stream.
///
/// Eight bytes, also as an `Option`. Once the source is closed the handle is stale, and never names
/// another source. It is valid only for the platform that issued it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Socket(Handle);

impl Socket {
    /// Returns the place in the table.
    #[inline]
    pub(crate) const fn slot(self) -> usize {
        self.0.index()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Socket({}#{})", self.0.index(), self.0.generation())
    }
}

/// The token of a source that is not registered.
pub(crate) const UNREGISTERED: Token = Token::from_u64(0);

/// A source of a platform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<T> {
    /// The token that the source is registered under, or [`UNREGISTERED`].
    pub(crate) token: Token,
    /// The position of each direction in the list of what is polled, plus one; 0 for none.
    pub(crate) positions: [u32; 2],
    /// The index of the source's event in the current batch, if it has one.
    pub(crate) batch_position: u32,
    /// Set if it is reported once.
    pub(crate) oneshot: bool,
    /// Set if its handle counts as stale, while the source stays in its place.
    is_disowned: bool,
    /// The data of the platform.
    pub(crate) platform: T,
}

impl<T> Source<T> {
    /// Creates a source that is not registered.
    const fn new(platform: T) -> Self {
        Self {
            token: UNREGISTERED,
            positions: [0; 2],
            batch_position: 0,
            oneshot: false,
            is_disowned: false,
            platform,
        }
    }
}

/// One place for a source. All bits zero means vacant and never used.
pub(crate) type Entry<T> = HandleEntry<Source<T>>;

/// Creates a vacant place with placeholder data.
pub(crate) const fn vacant<T>(platform: T) -> Entry<T> {
    Entry::vacant(Source::new(platform))
}

/// The table of sources of a platform: a [`HandleTable`] whose places are looked up by number too,
/// since hosts know sources by that.
#[derive(Debug)]
pub(crate) struct SocketTable<'a, T>(HandleTable<&'a mut [Entry<T>], Source<T>>);

impl<'a, T: Copy> SocketTable<'a, T> {
    /// Creates an empty table in the memory of `entries`, of which it uses at most 2^31 - 1.
    pub(crate) fn new(entries: &'a mut [Entry<T>]) -> Self {
        let count = entries.len().min(i32::MAX as usize);
        Self(HandleTable::new(&mut entries[..count]))
    }

    /// Returns whether there is room for another source.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.0.has_room()
    }

    /// Adds a source. Check first whether [there is room](Self::has_room).
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn insert(&mut self, platform: T) -> Socket {
        let Ok(handle) = self.0.insert(Source::new(platform)) else {
            panic!("the caller has checked the room")
        };
        Socket(handle)
    }

    /// Returns the source of a handle and its place.
    #[inline]
    pub(crate) fn get(&mut self, socket: Socket) -> Result<(usize, &mut Source<T>), Error> {
        let source = self.0.get_mut(socket.0)?;
        if source.is_disowned {
            return Err(Error::new(ErrorKind::Stale));
        }
        Ok((socket.slot(), source))
    }

    /// Returns the source at a place, if there is one.
    #[inline]
    pub(crate) fn find(&mut self, slot: usize) -> Option<&mut Source<T>> {
        self.0.at_mut(slot).map(|(_, source)| source)
    }

    /// Returns the source at a place that is in use.
    ///
    /// # Panics
    ///
    /// If it is vacant.
    #[inline]
    pub(crate) fn at(&mut self, slot: usize) -> &mut Source<T> {
        match self.find(slot) {
            Some(source) => source,
            None => panic!("the place is in use"),
        }
    }

    /// Returns the number of places.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Makes the handle of a place stale. Its source stays until the place is
    /// [vacated](Self::vacate).
    pub(crate) fn disown(&mut self, slot: usize) {
        self.at(slot).is_disowned = true;
    }

    /// Removes the source at a place that is in use. Its handle is stale from now on.
    ///
    /// # Panics
    ///
    /// If it is vacant.
    pub(crate) fn vacate(&mut self, slot: usize) -> T {
        let handle = self.0.at(slot).map(|(handle, _)| handle);
        match handle.and_then(|handle| self.0.vacate(handle).ok()) {
            Some(source) => source.platform,
            None => panic!("the place is in use"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> [Entry<u8>; 2] {
        [vacant(0); 2]
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
    fn a_disowned_source_stays_until_its_place_is_vacated() {
        let mut entries = table();
        let mut handles = SocketTable::new(&mut entries[..1]);
        let socket = handles.insert(7);
        handles.disown(0);
        assert!(handles.get(socket).is_err());
        assert!(!handles.has_room());
        assert!(handles.find(0).is_some());
        handles.vacate(0);
        assert!(handles.has_room());
        assert!(handles.find(0).is_none());
    }
}
