//! The descriptors that a platform owns, and the handles that name them.

use std::fmt;

use selkie_core::backend::{Handle, HandleEntry, HandleTable};
use selkie_core::{Error, ErrorKind};

use crate::memory::{Zeroable, try_zeroed_slice};
use crate::sys::source::{self, OwnedSource, RawSource, raw};
use crate::sys::{file, socket};

/// The handle of a descriptor that a [`Platform`](crate::Platform) owns: a listener, a stream, or
/// anything else that it adopted.
///
/// Eight bytes, also as an `Option`. Once the descriptor is closed the handle is stale, and never
/// names another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Socket(Handle);

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Socket({}#{})", self.0.index(), self.0.generation())
    }
}

/// A descriptor in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) fd: RawSource,
    pub(super) properties: Properties,
}

impl Entry {
    /// The content of a vacant place.
    const VACANT: Self = Self { fd: source::NONE, properties: Properties::FILE };
}

/// The properties of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, a byte each")]
pub(super) struct Properties {
    /// True if the descriptor is a socket.
    pub(super) is_socket: bool,
    /// True if the open file was blocking before it was adopted, and is to be again.
    pub(super) was_blocking: bool,
    /// For a listener: true if accepted connections do not inherit `TCP_NODELAY` from it.
    pub(super) sets_no_delay: bool,
    /// For a listener: true if accepted connections may inherit `SO_LINGER` from it.
    pub(super) clears_linger: bool,
}

impl Properties {
    /// The properties of what is no socket.
    pub(super) const FILE: Self =
        Self { is_socket: false, was_blocking: false, sets_no_delay: false, clears_linger: false };

    /// The properties of a socket that was made by this crate.
    pub(super) const SOCKET: Self = Self {
        is_socket: true,
        was_blocking: false,
        // inherited-options: set once on the listener instead.
        sets_no_delay: !socket::INHERITS_NO_DELAY,
        clears_linger: false,
    };

    /// Makes the open file blocking again, if it was before it was adopted. A failure leaves it
    /// non-blocking, and is no reason to keep it.
    fn restore(self, fd: &OwnedSource) {
        if self.was_blocking {
            // SAFETY: the source is open for as long as `fd` is.
            let _ = file::set_blocking(unsafe { source::borrowed(raw(fd)) });
        }
    }
}

// SAFETY: a struct of integers, and of `bool`s, for which 0 is `false`.
unsafe impl Zeroable for Entry {}

/// The table. Dropping it closes the descriptors in it.
#[derive(Debug)]
pub(super) struct SocketTable {
    entries: HandleTable<Box<[HandleEntry<Entry>]>, Entry>,
    /// The socket that was last read from, if it is still open: an answer usually follows.
    last: Option<Socket>,
    /// The descriptor of `last`.
    last_fd: RawSource,
}

impl SocketTable {
    /// Makes an empty table for `capacity` descriptors.
    pub(super) fn new(capacity: usize) -> Result<Self, Error> {
        if u32::try_from(capacity).is_err() {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        let entries = HandleTable::new(try_zeroed_slice(capacity)?);
        Ok(Self { entries, last: None, last_fd: source::NONE })
    }

    /// Returns the bytes of a table for `capacity` descriptors.
    pub(super) const fn memory(capacity: usize) -> usize {
        capacity.saturating_mul(size_of::<HandleEntry<Entry>>())
    }

    /// Returns the number of descriptors that fit.
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Returns true if another descriptor fits.
    pub(super) fn has_room(&self) -> bool {
        self.entries.has_room()
    }

    /// Adds a descriptor, or returns it if there is no room.
    pub(super) fn insert(
        &mut self,
        fd: OwnedSource,
        properties: Properties,
    ) -> Result<Socket, OwnedSource> {
        if !self.has_room() {
            return Err(fd);
        }
        let entry = Entry { fd: source::into_raw(fd), properties };
        // SAFETY: the descriptor was given up a line above.
        self.entries.insert(entry).map(Socket).map_err(|_| unsafe { source::owned(entry.fd) })
    }

    /// Returns the entry of a handle, unless the handle is stale.
    #[inline]
    pub(super) fn find(&self, socket: Socket) -> Option<&Entry> {
        // The memory is the table's own, and was zero when it was made.
        self.entries.get_in_new_memory(socket.0).ok()
    }

    /// Returns the entry of a handle.
    #[inline]
    pub(super) fn get(&self, socket: Socket) -> Result<&Entry, Error> {
        self.entries.get(socket.0)
    }

    /// Returns the descriptor of a socket for reading; `None` for anything else.
    #[inline]
    pub(super) fn reading(&mut self, socket: Socket) -> Option<RawSource> {
        let &Entry { fd, properties: Properties { is_socket, .. } } = self.find(socket)?;
        if !is_socket {
            return None;
        }
        self.last = Some(socket);
        self.last_fd = fd;
        Some(fd)
    }

    /// Returns the descriptor of the socket that was read from just before, if it is this one.
    #[inline]
    pub(super) fn answering(&self, socket: Socket) -> Option<RawSource> {
        (self.last == Some(socket)).then_some(self.last_fd)
    }

    /// Returns the descriptor of a handle that is no socket, after making sure that it does not
    /// block: another process that has the same open file may have changed it.
    pub(super) fn nonblocking_file(&mut self, socket: Socket) -> Result<RawSource, Error> {
        let entry = self.entries.get_mut(socket.0)?;
        // SAFETY: the table owns the descriptor.
        let borrowed = unsafe { source::borrowed(entry.fd) };
        entry.properties.was_blocking |= file::set_nonblocking(borrowed)?;
        Ok(entry.fd)
    }

    /// Removes a descriptor. Its handle is stale from now on.
    pub(super) fn remove(&mut self, socket: Socket) -> Result<OwnedSource, Error> {
        let Entry { fd, properties } = self.entries.remove(socket.0, Entry::VACANT)?;
        self.last = None;
        // SAFETY: the table owned the descriptor, and its entry is vacant now.
        let fd = unsafe { source::owned(fd) };
        properties.restore(&fd);
        Ok(fd)
    }
}

impl Drop for SocketTable {
    fn drop(&mut self) {
        for (_, entry) in self.entries.iter() {
            // SAFETY: the table owns the descriptor, and is not used any more.
            let fd = unsafe { source::owned(entry.fd) };
            entry.properties.restore(&fd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::{pair, read_byte};

    fn descriptor() -> OwnedSource {
        pair().0
    }

    #[test]
    fn handles_are_eight_bytes() {
        let sizes = (size_of::<Socket>(), size_of::<Option<Socket>>());
        assert_eq!(sizes, (8, 8));
        assert_eq!(size_of::<HandleEntry<Entry>>(), 8 + 2 * size_of::<RawSource>());
    }

    #[test]
    fn a_closed_handle_stays_stale() {
        let mut table = SocketTable::new(1).unwrap();
        let first = table.insert(descriptor(), Properties::FILE).unwrap();
        assert!(!table.has_room());
        let fd = table.remove(first).unwrap();
        let second = table.insert(fd, Properties::FILE).unwrap();
        assert_ne!(first, second);
        assert_eq!(table.get(first).unwrap_err().kind(), ErrorKind::Stale);
        assert_eq!(table.remove(first).unwrap_err().kind(), ErrorKind::Stale);
        assert!(table.get(second).is_ok());
    }

    #[test]
    fn an_answer_goes_to_what_was_read_from_while_that_is_open() {
        let mut table = SocketTable::new(2).unwrap();
        let first = table.insert(descriptor(), Properties::SOCKET).unwrap();
        let second = table.insert(descriptor(), Properties::SOCKET).unwrap();
        for (read, written) in [(first, second), (second, second), (second, first), (first, first)]
        {
            let fd = |table: &SocketTable, socket| table.find(socket).map(|entry| entry.fd);
            assert_eq!(table.reading(read), fd(&table, read));
            let answer = fd(&table, written).filter(|_| written == read);
            assert_eq!(table.answering(written), answer);
        }
        assert_eq!(table.last, Some(first));
        let fd = table.remove(first).unwrap();
        let heir = table.insert(fd, Properties::SOCKET).unwrap();
        assert_eq!(heir.0.index(), first.0.index());
        assert_eq!((table.reading(first), table.answering(first)), (None, None));
        assert_eq!(table.answering(heir), None);
        assert_eq!(table.reading(heir), table.answering(heir));
    }

    #[test]
    fn a_full_table_gives_the_descriptor_back() {
        let mut table = SocketTable::new(1).unwrap();
        table.insert(descriptor(), Properties::FILE).unwrap();
        let fd = descriptor();
        let number = raw(&fd);
        assert_eq!(raw(&table.insert(fd, Properties::FILE).unwrap_err()), number);
    }

    #[test]
    fn what_is_left_is_closed() {
        let (read, write) = pair();
        let mut table = SocketTable::new(2).unwrap();
        table.insert(write, Properties::FILE).unwrap();
        drop(table);
        assert_eq!(read_byte(read), 0, "the end of the stream");
    }
}
