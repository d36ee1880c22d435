//! Connections that the kernel has accepted and the server has not taken yet, in the order of each
//! listener.
//!
//! The kernel accepts ahead, and what it has accepted is not closed for lack of a place: it waits.

use std::os::fd::RawFd;

use super::endpoint::Endpoint;
use super::memory::{COMPLETIONS, Parked};

/// All connections that wait, in lists that begin at their listeners.
#[derive(Debug)]
pub(super) struct ParkedTable {
    entries: &'static mut [Parked],
    /// The most recently freed place + 1, or 0.
    free: u32,
    fresh: usize,
    /// The connections that wait.
    len: usize,
}

impl ParkedTable {
    pub(super) const fn new(entries: &'static mut [Parked]) -> Self {
        Self { entries, free: 0, fresh: 0, len: 0 }
    }

    /// Adds a connection at the end of its listener's list. Returns it if there is no place.
    #[expect(clippy::cast_possible_truncation, reason = "the table has few places")]
    pub(super) fn push(&mut self, listener: &mut Endpoint, fd: RawFd) -> Result<(), RawFd> {
        let index = if self.free != 0 {
            let index = self.free as usize - 1;
            self.free = self.entries[index].next;
            index
        } else if self.fresh < self.entries.len() {
            self.fresh += 1;
            self.fresh - 1
        } else {
            return Err(fd);
        };
        self.entries[index] = Parked { fd, next: 0 };
        self.len += 1;
        let link = index as u32 + 1;
        match listener.parked_last {
            0 => listener.parked_first = link,
            last => self.entries[last as usize - 1].next = link,
        }
        listener.parked_last = link;
        Ok(())
    }

    /// Takes the connection that has waited longest at a listener.
    pub(super) fn pop(&mut self, listener: &mut Endpoint) -> Option<RawFd> {
        let index = listener.parked_first.checked_sub(1)? as usize;
        let Parked { fd, next } = self.entries[index];
        listener.parked_first = next;
        if next == 0 {
            listener.parked_last = 0;
        }
        self.entries[index].next = self.free;
        #[expect(clippy::cast_possible_truncation, reason = "the table has few places")]
        let link = index as u32 + 1;
        self.free = link;
        self.len -= 1;
        Some(fd)
    }

    /// Returns true if all fit that the kernel can accept before it is told to stop: a queue full
    /// of completions, and in the next entry another.
    pub(super) const fn has_room_for_many(&self) -> bool {
        self.entries.len() - self.len >= 2 * COMPLETIONS as usize
    }
}
