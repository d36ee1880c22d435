//! The descriptors that a platform owns, and the handles by which they are named.

use std::num::NonZeroU32;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

use selkie_core::{Error, ErrorKind, Token};

use crate::storage::{Zeroable, try_zeroed_slice};

/// The handle of a descriptor that a [`Platform`](crate::Platform) owns: a listener, a stream, or anything else that it
/// was given.
///
/// Eight bytes, also as an `Option`. Once the descriptor is closed the handle is stale, and never names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    /// The entry in the table; the first one is never used.
    slot: NonZeroU32,
    /// The generation of the entry when the handle was issued: odd.
    generation: u32,
}

/// One place in the table. All bits zero means vacant and never used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// What the descriptor is registered under; all zero for nothing.
    pub(crate) token: Token,
    /// Odd while there is a descriptor, even while there is none.
    generation: u32,
    /// The descriptor.
    pub(crate) fd: RawFd,
    /// While vacant: the next vacant entry, or 0.
    next: u32,
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
}

impl Handles {
    /// An empty table for `capacity` descriptors.
    pub(crate) fn new(capacity: usize) -> Result<Self, Error> {
        match u32::try_from(capacity) {
            Ok(fits) if fits < u32::MAX => {}
            _ => return Err(Error::new(ErrorKind::InvalidInput)),
        }
        Ok(Self { entries: try_zeroed_slice(capacity + 1)?, vacant: 0, fresh: 1 })
    }

    /// Whether another descriptor can be taken in.
    pub(crate) fn has_room(&self) -> bool {
        self.vacant != 0 || (self.fresh as usize) < self.entries.len()
    }

    /// Takes a descriptor in, or gives it back if there is no room.
    pub(crate) fn insert(&mut self, fd: OwnedFd, is_socket: bool) -> Result<Socket, OwnedFd> {
        let index = if self.vacant == 0 { self.fresh } else { self.vacant };
        let (Some(entry), Some(slot)) = (self.entries.get_mut(index as usize), NonZeroU32::new(index)) else {
            return Err(fd);
        };
        if self.vacant == 0 {
            self.fresh += 1;
        } else {
            self.vacant = entry.next;
        }
        let generation = entry.generation + 1;
        *entry = Entry { token: UNREGISTERED, generation, fd: fd.into_raw_fd(), next: 0, is_socket };
        Ok(Socket { slot, generation })
    }

    /// What a handle names.
    #[inline]
    pub(crate) fn get(&self, socket: Socket) -> Result<&Entry, Error> {
        match self.entries.get(socket.slot.get() as usize) {
            // A handle's generation is odd, so equality is enough.
            Some(entry) if entry.generation == socket.generation => Ok(entry),
            _ => Err(Error::new(ErrorKind::Stale)),
        }
    }

    /// Records what the descriptor of a valid handle is registered under.
    pub(crate) fn set_token(&mut self, socket: Socket, token: Token) {
        match self.entries.get_mut(socket.slot.get() as usize) {
            Some(entry) if entry.generation == socket.generation => entry.token = token,
            _ => {}
        }
    }

    /// Takes a descriptor out. Its handle is stale from now on.
    pub(crate) fn remove(&mut self, socket: Socket) -> Result<OwnedFd, Error> {
        let fd = self.get(socket)?.fd;
        let entry = &mut self.entries[socket.slot.get() as usize];
        // An entry whose generations are used up stays vacant for ever: this last one is even and is never reached again.
        entry.generation = entry.generation.wrapping_add(1);
        if entry.generation < u32::MAX - 1 {
            entry.next = self.vacant;
            self.vacant = socket.slot.get();
        }
        // SAFETY: the table owned the descriptor, and gives it away with the entry made vacant.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        for entry in &self.entries[1..self.fresh as usize] {
            if entry.generation % 2 == 1 {
                // SAFETY: the entry is not vacant, so the table owns its descriptor, and is not used any more.
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
        assert_eq!((size_of::<Socket>(), size_of::<Option<Socket>>(), size_of::<Entry>()), (8, 8, 24));
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
        let last = Socket { slot: socket.slot, generation: u32::MAX - 2 };
        handles.entries[1].generation = last.generation;
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
