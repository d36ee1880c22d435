//! The descriptors that a platform owns, and the handles by which they are named.

use std::fmt;
use std::num::NonZeroU64;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

use selkie_core::{Error, ErrorKind, Token};

use crate::storage::{Zeroable, try_zeroed_slice};

/// The handle of a descriptor that a [`Platform`](crate::Platform) owns: a listener, a stream, or
/// anything else that it was given.
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
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the entry")]
    const fn slot(self) -> u32 {
        self.0.get() as u32
    }

    const fn generation(self) -> u32 {
        (self.0.get() >> 32) as u32
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Socket({}#{})", self.slot(), self.generation())
    }
}

/// What the handle of an entry is in a generation.
const fn name(slot: u32, generation: u32) -> u64 {
    ((generation as u64) << 32) | slot as u64
}

/// One place in the table. All bits zero means vacant and never used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The handle of the descriptor; while vacant, what no handle is, with an even generation.
    name: u64,
    /// What the descriptor is registered under; all zero for nothing.
    pub(crate) token: Token,
    /// The descriptor; while vacant, the next vacant entry, or 0.
    pub(crate) fd: RawFd,
    /// Whether the descriptor is a socket.
    pub(crate) is_socket: bool,
}

// SAFETY: a struct of integers, and of a `bool`, for which 0 is `false`.
unsafe impl Zeroable for Entry {}

/// What the token of a descriptor is that is not registered.
pub(crate) const UNREGISTERED: Token = Token::from_u64(0);

/// The table. It closes what is left in it when it goes.
#[derive(Debug)]
pub(crate) struct Handles {
    entries: Box<[Entry]>,
    /// The most recently vacated entry, or 0.
    vacant: u32,
    /// The first entry that was never used.
    fresh: u32,
    /// The socket that was last read from, if it is still open: whoever reads usually answers.
    last: Option<Socket>,
    /// Its descriptor.
    last_fd: RawFd,
}

impl Handles {
    /// An empty table for `capacity` descriptors.
    pub(crate) fn new(capacity: usize) -> Result<Self, Error> {
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

    /// Whether another descriptor can be taken in.
    pub(crate) fn has_room(&self) -> bool {
        self.vacant != 0 || (self.fresh as usize) < self.entries.len()
    }

    /// Takes a descriptor in, or gives it back if there is no room.
    pub(crate) fn insert(&mut self, fd: OwnedFd, is_socket: bool) -> Result<Socket, OwnedFd> {
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
        *entry = Entry { name: handle.get(), token: UNREGISTERED, fd: fd.into_raw_fd(), is_socket };
        Ok(Socket(handle))
    }

    /// What a handle names, unless it is stale.
    #[inline]
    pub(crate) fn find(&self, socket: Socket) -> Option<&Entry> {
        self.entries.get(socket.slot() as usize).filter(|entry| entry.name == socket.0.get())
    }

    /// What a handle names.
    #[inline]
    pub(crate) fn get(&self, socket: Socket) -> Result<&Entry, Error> {
        self.find(socket).ok_or(Error::new(ErrorKind::Stale))
    }

    /// The descriptor of a handle, and whether it is a socket, for reading.
    #[inline]
    pub(crate) fn reading(&mut self, socket: Socket) -> Option<(RawFd, bool)> {
        let &Entry { fd, is_socket, .. } = self.find(socket)?;
        if is_socket {
            self.last = Some(socket);
            self.last_fd = fd;
        }
        Some((fd, is_socket))
    }

    /// The descriptor of a handle, and whether it is a socket, for writing.
    #[inline]
    pub(crate) fn writing(&self, socket: Socket) -> Option<(RawFd, bool)> {
        if self.last == Some(socket) {
            return Some((self.last_fd, true));
        }
        self.writing_first(socket)
    }

    /// [`writing`](Self::writing) to what was not read from just before.
    #[inline(never)]
    fn writing_first(&self, socket: Socket) -> Option<(RawFd, bool)> {
        self.find(socket).map(|entry| (entry.fd, entry.is_socket))
    }

    /// Records what the descriptor of a valid handle is registered under.
    pub(crate) fn set_token(&mut self, socket: Socket, token: Token) {
        match self.entries.get_mut(socket.slot() as usize) {
            Some(entry) if entry.name == socket.0.get() => entry.token = token,
            _ => {}
        }
    }

    /// Takes a descriptor out. Its handle is stale from now on.
    pub(crate) fn remove(&mut self, socket: Socket) -> Result<OwnedFd, Error> {
        let fd = self.get(socket)?.fd;
        self.last = None;
        let entry = &mut self.entries[socket.slot() as usize];
        // An entry whose generations are used up stays vacant for ever: this last one is even and
        // is never reached again.
        let generation = socket.generation().wrapping_add(1);
        entry.name = name(socket.slot(), generation);
        if generation < u32::MAX - 1 {
            entry.fd = self.vacant.cast_signed();
            self.vacant = socket.slot();
        }
        // SAFETY: the table owned the descriptor, and gives it away with the entry made vacant.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        for entry in &self.entries[1..self.fresh as usize] {
            if entry.name >> 32 & 1 == 1 {
                // SAFETY: the entry is not vacant, so the table owns its descriptor, and is not
                // used any more.
                drop(unsafe { OwnedFd::from_raw_fd(entry.fd) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::descriptor;

    fn descriptor() -> OwnedFd {
        descriptor::pipe().unwrap().0
    }

    #[test]
    fn handles_are_eight_bytes() {
        assert_eq!(
            (size_of::<Socket>(), size_of::<Option<Socket>>(), size_of::<Entry>()),
            (8, 8, 24)
        );
    }

    #[test]
    fn a_closed_handle_is_stale_for_ever() {
        let mut handles = Handles::new(1).unwrap();
        let first = handles.insert(descriptor(), false).unwrap();
        assert!(!handles.has_room());
        let fd = handles.remove(first).unwrap();
        let second = handles.insert(fd, false).unwrap();
        assert_ne!(first, second);
        assert_eq!(handles.get(first).unwrap_err().kind(), ErrorKind::Stale);
        assert_eq!(handles.remove(first).unwrap_err().kind(), ErrorKind::Stale);
        assert!(handles.get(second).is_ok());
    }

    #[test]
    fn an_answer_goes_to_what_was_read_from_while_that_is_open() {
        let mut handles = Handles::new(2).unwrap();
        let first = handles.insert(descriptor(), true).unwrap();
        let second = handles.insert(descriptor(), true).unwrap();
        for (read, written) in [(first, second), (second, second), (second, first), (first, first)]
        {
            assert_eq!(handles.reading(read), handles.find(read).map(|entry| (entry.fd, true)));
            assert_eq!(
                handles.writing(written),
                handles.find(written).map(|entry| (entry.fd, true))
            );
        }
        assert_eq!(handles.last, Some(first));
        let fd = handles.remove(first).unwrap();
        let heir = handles.insert(fd, true).unwrap();
        assert_eq!(heir.slot(), first.slot());
        assert_eq!((handles.reading(first), handles.writing(first)), (None, None));
        assert!(handles.writing(heir).is_some());
    }

    #[test]
    fn a_full_table_gives_the_descriptor_back() {
        let mut handles = Handles::new(1).unwrap();
        handles.insert(descriptor(), false).unwrap();
        let fd = descriptor();
        let number = fd.as_raw_fd();
        assert_eq!(handles.insert(fd, false).unwrap_err().as_raw_fd(), number);
    }

    #[test]
    fn an_entry_without_generations_left_is_retired() {
        let mut handles = Handles::new(1).unwrap();
        let socket = handles.insert(descriptor(), false).unwrap();
        let last = Socket(NonZeroU64::new(name(socket.slot(), u32::MAX - 2)).unwrap());
        handles.entries[1].name = last.0.get();
        let fd = handles.remove(last).unwrap();
        assert!(!handles.has_room());
        assert!(handles.insert(fd, false).is_err());
    }

    #[test]
    fn what_is_left_is_closed() {
        let (read, write) = descriptor::pipe().unwrap();
        let mut handles = Handles::new(2).unwrap();
        handles.insert(write, false).unwrap();
        drop(handles);
        let mut byte = 0_u8;
        // SAFETY: `byte` is valid for a write of one byte.
        let count = unsafe { libc::read(read.as_raw_fd(), (&raw mut byte).cast(), 1) };
        assert_eq!(count, 0, "the end of the stream");
    }
}
