//! The descriptors that a platform owns, and the handles that name them.

use std::fmt;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use selkie_core::{Error, ErrorKind, Token};

use crate::storage::{Zeroable, try_zeroed_slice};
use crate::sys::fd;

/// The handle of a descriptor that a [`Platform`](crate::Platform) owns: a listener, a stream, or
/// anything else that it adopted.
///
/// Eight bytes, also as an `Option`. Once the descriptor is closed the handle is stale, and never
/// names another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Socket(
    /// The low half is the entry in the table, the first of which is never used; the high half is
    /// the generation of the entry when the handle was issued, which is odd. One word, so that
    /// a handle is compared at once.
    NonZeroU64,
);

impl Socket {
    /// Returns the low half.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the entry")]
    const fn slot(self) -> u32 {
        self.0.get() as u32
    }

    /// Returns the high half.
    const fn generation(self) -> u32 {
        (self.0.get() >> 32) as u32
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Socket({}#{})", self.slot(), self.generation())
    }
}

/// Returns the handle of an entry in a generation, as one word.
const fn name(slot: u32, generation: u32) -> u64 {
    ((generation as u64) << 32) | slot as u64
}

/// One place in the table. All bits zero means vacant and never used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The handle of the descriptor. While vacant: a word with an even generation, which no handle
    /// has.
    name: u64,
    /// The token that the descriptor is registered under, or [`UNREGISTERED`].
    pub(super) token: Token,
    /// The descriptor; while vacant, the next vacant entry, or 0.
    pub(super) fd: RawFd,
    pub(super) properties: Properties,
}

/// The properties of a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// The properties of a socket that was made by this crate.
    pub(super) const SOCKET: Self = Self {
        is_socket: true,
        was_blocking: false,
        // inherited-no-delay: set once on the listener instead.
        sets_no_delay: !fd::INHERITS_NO_DELAY,
        clears_linger: false,
    };

    /// Makes the open file blocking again, if it was before it was adopted. A failure leaves it
    /// non-blocking, and is no reason to keep it.
    fn restore(self, fd: &OwnedFd) {
        if self.was_blocking {
            let _ = fd::set_blocking(fd.as_fd());
        }
    }
}

// SAFETY: a struct of integers, and of `bool`s, for which 0 is `false`.
unsafe impl Zeroable for Entry {}

/// The token of a descriptor that is not registered.
pub(super) const UNREGISTERED: Token = Token::from_u64(0);

/// The table. Dropping it closes the descriptors in it.
#[derive(Debug)]
pub(super) struct SocketTable {
    entries: Box<[Entry]>,
    /// The most recently vacated entry, or 0.
    vacant: u32,
    /// The first entry that was never used.
    fresh: u32,
    /// The socket that was last read from, if it is still open: an answer usually follows.
    last: Option<Socket>,
    /// The descriptor of `last`.
    last_fd: RawFd,
}

impl SocketTable {
    /// Makes an empty table for `capacity` descriptors.
    pub(super) fn new(capacity: usize) -> Result<Self, Error> {
        match u32::try_from(capacity) {
            Ok(fits) if fits < u32::MAX => {}
            _ => return Err(Error::new(ErrorKind::InvalidInput)),
        }
        Ok(Self {
            entries: try_zeroed_slice(capacity + 1)?,
            vacant: 0,
            fresh: 1,
            last: None,
            last_fd: -1,
        })
    }

    /// Returns true if another descriptor fits.
    pub(super) fn has_room(&self) -> bool {
        self.vacant != 0 || (self.fresh as usize) < self.entries.len()
    }

    /// Adds a descriptor, or returns it if there is no room.
    pub(super) fn insert(
        &mut self,
        fd: OwnedFd,
        properties: Properties,
    ) -> Result<Socket, OwnedFd> {
        let slot = if self.vacant == 0 { self.fresh } else { self.vacant };
        let Some(entry) = self.entries.get_mut(slot as usize) else { return Err(fd) };
        // A vacant entry has an even generation, so this one is odd, and the name not zero.
        let generation = (entry.name >> 32) as u32 + 1;
        let Some(handle) = NonZeroU64::new(name(slot, generation)) else { return Err(fd) };
        if self.vacant == 0 {
            self.fresh += 1;
        } else {
            self.vacant = entry.fd.cast_unsigned();
        }
        *entry =
            Entry { name: handle.get(), token: UNREGISTERED, fd: fd.into_raw_fd(), properties };
        Ok(Socket(handle))
    }

    /// Returns the entry of a handle, unless the handle is stale.
    #[inline]
    pub(super) fn find(&self, socket: Socket) -> Option<&Entry> {
        self.entries.get(socket.slot() as usize).filter(|entry| entry.name == socket.0.get())
    }

    /// Returns the entry of a handle.
    #[inline]
    pub(super) fn get(&self, socket: Socket) -> Result<&Entry, Error> {
        self.find(socket).ok_or(Error::new(ErrorKind::Stale))
    }

    /// Returns the descriptor of a handle for reading, and true if it is a socket.
    #[inline]
    pub(super) fn reading(&mut self, socket: Socket) -> Option<(RawFd, bool)> {
        let &Entry { fd, properties: Properties { is_socket, .. }, .. } = self.find(socket)?;
        if is_socket {
            self.last = Some(socket);
            self.last_fd = fd;
        }
        Some((fd, is_socket))
    }

    /// Returns the descriptor of a handle for writing, and true if it is a socket.
    #[inline]
    pub(super) fn writing(&self, socket: Socket) -> Option<(RawFd, bool)> {
        if self.last == Some(socket) {
            return Some((self.last_fd, true));
        }
        self.writing_first(socket)
    }

    /// Performs [`writing`](Self::writing) for a socket that was not read from just before.
    #[inline(never)]
    fn writing_first(&self, socket: Socket) -> Option<(RawFd, bool)> {
        self.find(socket).map(|entry| (entry.fd, entry.properties.is_socket))
    }

    /// Returns the descriptor of a handle that is no socket, after making sure that it does not
    /// block: another process that has the same open file may have changed it. `None` if the
    /// handle is stale or the system call fails, with errno set.
    pub(super) fn nonblocking_file(&mut self, socket: Socket) -> Option<RawFd> {
        let fd = self.find(socket)?.fd;
        let entry = &mut self.entries[socket.slot() as usize];
        // SAFETY: the table owns the descriptor.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        entry.properties.was_blocking |= fd::set_nonblocking(borrowed).ok()?;
        Some(fd)
    }

    /// Records the token that the descriptor of a valid handle is registered under.
    pub(super) fn set_token(&mut self, socket: Socket, token: Token) {
        match self.entries.get_mut(socket.slot() as usize) {
            Some(entry) if entry.name == socket.0.get() => entry.token = token,
            _ => {}
        }
    }

    /// Removes a descriptor. Its handle is stale from now on.
    pub(super) fn remove(&mut self, socket: Socket) -> Result<OwnedFd, Error> {
        let Entry { fd, properties, .. } = *self.get(socket)?;
        self.last = None;
        let entry = &mut self.entries[socket.slot() as usize];
        // An entry whose generations are used up stays vacant: this last one is even, and the entry
        // is not linked again.
        let generation = socket.generation().wrapping_add(1);
        entry.name = name(socket.slot(), generation);
        if generation < u32::MAX - 1 {
            entry.fd = self.vacant.cast_signed();
            self.vacant = socket.slot();
        }
        // SAFETY: the table owned the descriptor, and its entry is vacant now.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        properties.restore(&fd);
        Ok(fd)
    }
}

impl Drop for SocketTable {
    fn drop(&mut self) {
        for entry in &self.entries[1..self.fresh as usize] {
            if entry.name >> 32 & 1 == 1 {
                // SAFETY: the entry is not vacant, so the table owns its descriptor, and is not
                // used any more.
                let fd = unsafe { OwnedFd::from_raw_fd(entry.fd) };
                entry.properties.restore(&fd);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    const FILE: Properties = Properties {
        is_socket: false,
        was_blocking: false,
        sets_no_delay: false,
        clears_linger: false,
    };

    fn descriptor() -> OwnedFd {
        fd::pipe().unwrap().0
    }

    #[test]
    fn sockets_are_eight_bytes() {
        assert_eq!(
            (size_of::<Socket>(), size_of::<Option<Socket>>(), size_of::<Entry>()),
            (8, 8, 24)
        );
    }

    #[test]
    fn a_closed_handle_stays_stale() {
        let mut table = SocketTable::new(1).unwrap();
        let first = table.insert(descriptor(), FILE).unwrap();
        assert!(!table.has_room());
        let fd = table.remove(first).unwrap();
        let second = table.insert(fd, FILE).unwrap();
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
            assert_eq!(table.reading(read), table.find(read).map(|entry| (entry.fd, true)));
            assert_eq!(table.writing(written), table.find(written).map(|entry| (entry.fd, true)));
        }
        assert_eq!(table.last, Some(first));
        let fd = table.remove(first).unwrap();
        let heir = table.insert(fd, Properties::SOCKET).unwrap();
        assert_eq!(heir.slot(), first.slot());
        assert_eq!((table.reading(first), table.writing(first)), (None, None));
        assert!(table.writing(heir).is_some());
    }

    #[test]
    fn a_full_table_gives_the_descriptor_back() {
        let mut table = SocketTable::new(1).unwrap();
        table.insert(descriptor(), FILE).unwrap();
        let fd = descriptor();
        let number = fd.as_raw_fd();
        assert_eq!(table.insert(fd, FILE).unwrap_err().as_raw_fd(), number);
    }

    #[test]
    fn an_entry_without_generations_left_is_retired() {
        let mut table = SocketTable::new(1).unwrap();
        let socket = table.insert(descriptor(), FILE).unwrap();
        let last = Socket(NonZeroU64::new(name(socket.slot(), u32::MAX - 2)).unwrap());
        table.entries[1].name = last.0.get();
        let fd = table.remove(last).unwrap();
        assert!(!table.has_room());
        assert!(table.insert(fd, FILE).is_err());
    }

    #[test]
    fn what_is_left_is_closed() {
        let (read, write) = fd::pipe().unwrap();
        let mut table = SocketTable::new(2).unwrap();
        table.insert(write, FILE).unwrap();
        drop(table);
        let mut byte = 0_u8;
        // SAFETY: `byte` is valid for a write of one byte.
        let count = unsafe { libc::read(read.as_raw_fd(), (&raw mut byte).cast(), 1) };
        assert_eq!(count, 0, "the end of the stream");
    }
}
