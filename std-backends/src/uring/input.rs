//! The buffers that the kernel fills with what it receives.
//!
//! A buffer is in one of three places: provided to the kernel, in the list of a connection, or
//! free. Free ones are a stack and only as many as one turn needs are provided, so that buffers
//! which were never needed stay untouched pages.
//!
//! Where more connections receive at once than there are provided buffers, those that found none
//! come first in the next turn, and more are provided for a while.
//!
//! There are two groups. A multishot receive may fill any number of buffers before it can be
//! cancelled, so these receives have a small group that all connections share. A connection that
//! finds it empty receives one buffer at a time, into the other group, in which each has its share.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::io_uring::{io_uring_buf, io_uring_ptr};
use selkie_core::Error;

use super::memory::{BUFFER, BUFFER_STRIDE, Buffer, PROVIDED, PROVIDED_MAX, Page, SHARED};
use super::ring::Ring;

/// The buffers of one connection, in the order in which their bytes were received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Input {
    /// The first and the last buffer + 1, or 0.
    first: u32,
    last: u32,
    /// The number of buffers.
    pub(super) held: u32,
    /// Bytes of the first buffer that were taken out.
    taken: u32,
    /// Bytes that are left in all of them.
    pub(super) unread: u32,
}

/// The group in which each connection has its share.
pub(super) const OWN_GROUP: u16 = 0;
/// The group for multishot receives, which all connections share.
pub(super) const SHARED_GROUP: u16 = 1;

/// A ring of buffers that the kernel fills.
#[derive(Debug)]
struct Group {
    ring: NonNull<io_uring_buf>,
    /// The number of its places, less one.
    mask: u16,
    tail: u16,
    provided: usize,
}

impl Group {
    /// Registers a ring, which is empty.
    fn new(ring: &Ring, memory: &'static mut [Page], size: usize, id: u16) -> Result<Self, Error> {
        #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
        let entries = size as u16;
        ring.register_buffers(memory.as_mut_ptr().cast(), u32::from(entries), id)?;
        let ring = NonNull::from(memory).cast();
        Ok(Self { ring, mask: entries - 1, tail: 0, provided: 0 })
    }

    /// Writes a buffer behind the last one that the kernel has.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "numbers of buffers have 16 bits")]
    fn provide(&mut self, buffer: usize, start: *mut u8) {
        let place = usize::from(self.tail & self.mask);
        // SAFETY: the place is within the ring, and the kernel reads it only once it is before the
        // tail. The last field of the first place is the tail itself, and stays.
        unsafe {
            let entry = self.ring.add(place).as_ptr();
            (&raw mut (*entry).addr).write(io_uring_ptr::new(start.cast()));
            (&raw mut (*entry).len).write(BUFFER);
            (&raw mut (*entry).bid).write(buffer as u16);
        }
        self.tail = self.tail.wrapping_add(1);
        self.provided += 1;
        // SAFETY: the tail of the ring is the last field of its first place.
        let tail = unsafe { AtomicU16::from_ptr(&raw mut (*self.ring.as_ptr()).resv) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// The limits of receiving.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most buffers that a connection keeps.
    pub(super) held_max: u32,
    /// Set if there are buffers for another multishot receive.
    pub(super) has_shared: bool,
    /// Set while connections that have found no buffer come first.
    pub(super) is_scarce: bool,
}

/// All buffers.
#[derive(Debug)]
pub(super) struct Buffers {
    bytes: NonNull<u8>,
    entries: &'static mut [Buffer],
    own: Group,
    shared: Group,
    /// The first buffer of the shared group, behind all others.
    shared_first: usize,
    /// The top of the stack of free buffers + 1, or 0.
    free: u32,
    /// The first buffer that was never used.
    fresh: usize,
    /// The buffers of the first group that are to be provided.
    wanted: usize,
    /// The turns for which connections without a buffer come first.
    scarce: u8,
}

// SAFETY: the pointers are to memory that belongs to the buffers for as long as the process runs.
unsafe impl Send for Buffers {}

impl Buffers {
    /// Registers the rings of provided buffers, and provides the shared ones.
    pub(super) fn new(
        ring: &Ring,
        (provided, shared): (&'static mut [Page], &'static mut [Page]),
        input: &'static mut [u8],
        buffers: &'static mut [Buffer],
    ) -> Result<Self, Error> {
        let mut made = Self {
            bytes: NonNull::from(input).cast(),
            shared_first: buffers.len() - SHARED,
            entries: buffers,
            own: Group::new(ring, provided, PROVIDED_MAX, OWN_GROUP)?,
            shared: Group::new(ring, shared, SHARED, SHARED_GROUP)?,
            free: 0,
            fresh: 0,
            wanted: PROVIDED,
            scarce: 0,
        };
        for buffer in made.shared_first..made.entries.len() {
            made.free(buffer);
        }
        Ok(made)
    }

    /// Provides free buffers to the kernel, as many as it may fill in one turn.
    #[inline]
    pub(super) fn provide(&mut self) {
        while self.own.provided < self.wanted {
            let Some(buffer) = self.take_free() else { break };
            self.own.provide(buffer, self.start(buffer));
        }
    }

    /// Records that a connection has found no buffer.
    #[cold]
    pub(super) fn begin_scarcity(&mut self) {
        (self.scarce, self.wanted) = (2, PROVIDED_MAX);
    }

    /// Ends a turn: scarcity ends when none has found too few buffers in the last two.
    #[inline]
    pub(super) fn end_turn(&mut self) {
        if self.scarce > 0 {
            self.scarce -= 1;
            self.wanted = if self.scarce > 0 { PROVIDED_MAX } else { PROVIDED };
        }
        self.provide();
    }

    /// Returns the limits of a connection that keeps `held_max` buffers at most.
    #[inline]
    pub(super) const fn limits(&self, held_max: u32) -> Limits {
        let has_shared = self.shared.provided > SHARED / 4;
        Limits { held_max, has_shared, is_scarce: self.scarce > 0 }
    }

    /// Returns the group to which the kernel has filled a buffer.
    #[inline]
    fn group(&mut self, buffer: usize) -> &mut Group {
        if buffer < self.shared_first { &mut self.own } else { &mut self.shared }
    }

    /// Takes a free buffer.
    fn take_free(&mut self) -> Option<usize> {
        if self.free != 0 {
            let buffer = self.free as usize - 1;
            self.free = self.entries[buffer].next;
            return Some(buffer);
        }
        let fresh = self.fresh;
        (fresh < self.shared_first).then(|| {
            self.fresh += 1;
            fresh
        })
    }

    /// Frees a buffer: provides it again, or returns it to the stack.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "numbers of buffers have 16 bits")]
    fn free(&mut self, buffer: usize) {
        if buffer >= self.shared_first {
            return self.shared.provide(buffer, self.start(buffer));
        }
        if self.own.provided < self.wanted {
            return self.own.provide(buffer, self.start(buffer));
        }
        self.entries[buffer] = Buffer { next: self.free, length: 0 };
        self.free = buffer as u32 + 1;
    }

    /// Returns the address of a buffer.
    fn start(&self, buffer: usize) -> *mut u8 {
        debug_assert!(buffer < self.entries.len());
        // SAFETY: there are as many bytes as buffers of that size, with their distance.
        unsafe { self.bytes.as_ptr().add(buffer * BUFFER_STRIDE) }
    }

    /// Takes a buffer over that the kernel has filled, and drops its bytes.
    pub(super) fn discard(&mut self, buffer: usize) {
        self.group(buffer).provided -= 1;
        self.free(buffer);
    }

    /// Takes a buffer over that the kernel has filled with `count` bytes, and adds it to a
    /// connection's.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "numbers of buffers have 16 bits")]
    pub(super) fn append(&mut self, input: &mut Input, buffer: usize, count: u32) {
        self.group(buffer).provided -= 1;
        if input.last != 0 {
            return self.append_behind(input, buffer, count);
        }
        self.entries[buffer] = Buffer { next: 0, length: count };
        let link = buffer as u32 + 1;
        *input = Input { first: link, last: link, held: 1, taken: 0, unread: count };
    }

    /// Adds a buffer behind others. A few bytes move into the buffer before, as far as that has
    /// room: else a peer that sends single bytes would take one for each.
    #[expect(clippy::cast_possible_truncation, reason = "numbers of buffers have 16 bits")]
    fn append_behind(&mut self, input: &mut Input, buffer: usize, count: u32) {
        input.unread += count;
        let last = input.last as usize - 1;
        let length = self.entries[last].length;
        if length + count <= BUFFER {
            // SAFETY: the kernel has neither of the two buffers, and the bytes fit.
            unsafe {
                let end = self.start(last).add(length as usize);
                self.start(buffer).copy_to_nonoverlapping(end, count as usize);
            }
            self.entries[last].length = length + count;
            return self.free(buffer);
        }
        self.entries[buffer] = Buffer { next: 0, length: count };
        self.entries[last].next = buffer as u32 + 1;
        input.last = buffer as u32 + 1;
        input.held += 1;
    }

    /// Copies what a connection has received into `into`, as far as there is room.
    #[inline]
    pub(super) fn copy(&self, input: &Input, into: &mut [u8]) -> usize {
        let count = input.unread as usize;
        if input.held == 1 && count <= into.len() {
            // SAFETY: the kernel does not have the buffer, and so many bytes were received.
            unsafe {
                let from = self.start(input.first as usize - 1).add(input.taken as usize);
                from.copy_to_nonoverlapping(into.as_mut_ptr(), count);
            }
            return count;
        }
        self.copy_parts(input, into)
    }

    /// Copies from several buffers, or a part of one.
    fn copy_parts(&self, input: &Input, into: &mut [u8]) -> usize {
        let (mut next, mut skipped, mut copied) = (input.first, input.taken as usize, 0);
        while next != 0 && copied < into.len() {
            let buffer = next as usize - 1;
            let available = self.entries[buffer].length as usize - skipped;
            let count = available.min(into.len() - copied);
            // SAFETY: the kernel does not have the buffer, and so many bytes were received.
            unsafe {
                let from = self.start(buffer).add(skipped);
                from.copy_to_nonoverlapping(into[copied..].as_mut_ptr(), count);
            }
            (next, skipped, copied) = (self.entries[buffer].next, 0, copied + count);
        }
        copied
    }

    /// Drops the first `count` bytes that a connection has received.
    #[inline]
    pub(super) fn drop_first(&mut self, input: &mut Input, count: usize) {
        if input.held == 1 && count >= input.unread as usize {
            let buffer = input.first as usize - 1;
            *input = Input::default();
            return self.free(buffer);
        }
        self.drop_parts(input, count);
    }

    /// Drops the bytes of several buffers, or a part of one.
    #[expect(clippy::cast_possible_truncation, reason = "at most what was received")]
    fn drop_parts(&mut self, input: &mut Input, count: usize) {
        let mut count = (count as u32).min(input.unread);
        input.unread -= count;
        while input.first != 0 {
            let buffer = input.first as usize - 1;
            let Buffer { next, length } = self.entries[buffer];
            let available = length - input.taken;
            if count < available {
                input.taken += count;
                return;
            }
            count -= available;
            input.taken = 0;
            input.first = next;
            input.held -= 1;
            self.free(buffer);
        }
        input.last = 0;
    }
}

#[cfg(test)]
impl Buffers {
    /// Checks that the kernel has as many buffers at the next entry as it may fill in one turn.
    pub(super) fn check_provided(&mut self) {
        self.provide();
        let is_enough = (PROVIDED..=PROVIDED_MAX).contains(&self.own.provided);
        assert!(is_enough, "connections have taken the buffers of others");
    }

    /// Checks that every buffer is free, provided, or one of `held` others.
    pub(super) fn check_all(&self, held: usize) {
        let (mut free, mut next) = (0, self.free);
        while next != 0 {
            free += 1;
            next = self.entries[next as usize - 1].next;
        }
        assert_eq!(free + self.own.provided + held, self.fresh, "buffers are lost");
        assert_eq!(self.shared.provided, SHARED, "shared buffers are lost");
    }
}
