//! The polls of a selector: their memory, their states, and which of them are to be begun.
//!
//! ```text
//!             begin                    cancel
//!     Idle ----------> Pending -------------------> Cancelling
//!      ^                  |                             |
//!      +----- finish -----+---------- finish -----------+
//! ```
//!
//! The kernel writes into the memory of a poll from `begin` until its completion has been taken
//! from the port, which is what `finish` is called for. So a poll that is cancelled still has its
//! memory: the source is gone, but the next one with the same index waits for the completion.

use std::ptr::NonNull;

use selkie_core::{Error, Token};

use crate::memory::{Zeroable, try_zeroed_slice};
use crate::sys::afd::{self, AfdOperation, Device, Found};
use crate::sys::port::{Packet, Port};

/// Polls of one handle of the device. Cancelling one looks through all of its handle.
const POLLS_PER_DEVICE: usize = 32;

/// The key of packets for polls that could not be begun.
pub(super) const FAILED: usize = 1;

/// Pauses of the port for the completions of cancelled polls, when a selector is dropped.
const LAST_PAUSES: u32 = 20;

/// The state of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// The memory is ours.
    Idle,
    /// The kernel has the memory, for the source that is registered.
    Pending,
    /// The kernel has the memory, and what it finds does not count any more.
    Cancelling,
}

/// The part of a poll that is kept outside of its memory.
#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    /// True while the index is in the queue.
    is_due: bool,
    /// The events that a pending poll asks for.
    asked: u32,
}

// SAFETY: a struct of integers, of `bool`s, and of an enum whose first variant is 0.
unsafe impl Zeroable for Entry {}

/// The memory, one operation for each index of a token.
///
/// It is reached by raw pointers only: while the kernel writes into an operation there must be no
/// reference to it.
#[derive(Debug)]
struct Memory {
    start: NonNull<AfdOperation>,
    len: usize,
    /// True if this table allocated it, and it may be given back once the kernel has finished.
    is_ours: bool,
}

// SAFETY: the memory is borrowed without end, or owned; nothing else refers to it.
unsafe impl Send for Memory {}

impl Memory {
    fn new(memory: &'static mut [AfdOperation], is_ours: bool) -> Self {
        let len = memory.len();
        Self { start: NonNull::from(memory).cast(), len, is_ours }
    }

    /// Returns the operation of an index.
    fn at(&self, index: usize) -> *mut AfdOperation {
        assert!(index < self.len, "an index of a token is below the capacity");
        // SAFETY: the operation is within the memory.
        unsafe { self.start.as_ptr().add(index) }
    }

    /// Frees the memory if it is ours. The kernel has finished with all of it.
    fn free(&mut self) {
        if self.is_ours {
            let memory = std::ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len);
            // SAFETY: the memory was leaked from a box of this length, and this is the last use.
            drop(unsafe { Box::from_raw(memory) });
        }
    }
}

/// The polls.
#[derive(Debug)]
pub(super) struct Polls {
    memory: Memory,
    entries: Box<[Entry]>,
    /// Opened when a source with an index of theirs is registered first.
    devices: Box<[Option<Device>]>,
    /// A ring of the indices whose polls are to be begun, in the order in which they were reported.
    due: Box<[u32]>,
    due_first: usize,
    due_count: usize,
    /// Number of polls that the kernel has.
    begun: usize,
}

impl Polls {
    /// Makes polls in memory of their own, which is given back when they are dropped.
    pub(super) fn new(capacity: usize) -> Result<Self, Error> {
        let memory: &'static mut [AfdOperation] = Box::leak(try_zeroed_slice(capacity)?);
        Self::over(Memory::new(memory, true))
    }

    /// Makes polls in memory that the caller lends without end.
    pub(super) fn in_memory(memory: &'static mut [AfdOperation]) -> Result<Self, Error> {
        Self::over(Memory::new(memory, false))
    }

    /// Returns the bytes of the polls of `capacity` sources.
    pub(super) fn memory(capacity: usize) -> usize {
        let each = size_of::<AfdOperation>() + size_of::<Entry>() + size_of::<u32>();
        let devices = capacity.div_ceil(POLLS_PER_DEVICE) * size_of::<Option<Device>>();
        capacity.saturating_mul(each).saturating_add(devices)
    }

    fn over(mut memory: Memory) -> Result<Self, Error> {
        let tables = (|| {
            let mut devices = Vec::new();
            devices.resize_with(memory.len.div_ceil(POLLS_PER_DEVICE), || None);
            Ok((try_zeroed_slice(memory.len)?, devices.into(), try_zeroed_slice(memory.len)?))
        })();
        match tables {
            Ok((entries, devices, due)) => {
                Ok(Self { memory, entries, devices, due, due_first: 0, due_count: 0, begun: 0 })
            }
            Err(error) => {
                memory.free();
                Err(error)
            }
        }
    }

    /// Returns the number of polls.
    pub(super) const fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// Makes sure that the device of a token is open.
    pub(super) fn open_device(&mut self, token: Token, port: &Port) -> Result<(), Error> {
        let device = &mut self.devices[token.index() / POLLS_PER_DEVICE];
        if device.is_none() {
            *device = Some(Device::open(port)?);
        }
        Ok(())
    }

    /// Records that the poll of an index is to be begun, or looked at, before the next wait.
    #[expect(clippy::cast_possible_truncation, reason = "the index of a token has 32 bits")]
    pub(super) fn schedule(&mut self, index: usize) {
        if std::mem::replace(&mut self.entries[index].is_due, true) {
            return;
        }
        let mut end = self.due_first + self.due_count;
        if end >= self.due.len() {
            end -= self.due.len();
        }
        self.due[end] = index as u32;
        self.due_count += 1;
    }

    /// Takes the next index that was scheduled.
    pub(super) fn next_due(&mut self) -> Option<usize> {
        self.due_count = self.due_count.checked_sub(1)?;
        let index = self.due[self.due_first] as usize;
        self.due_first += 1;
        if self.due_first == self.due.len() {
            self.due_first = 0;
        }
        self.entries[index].is_due = false;
        Some(index)
    }

    /// Returns true if an index is scheduled.
    pub(super) const fn has_due(&self) -> bool {
        self.due_count > 0
    }

    /// Makes the poll of an index ask for `events`: begins it, lets one go on that asks for them,
    /// or cancels one that does not, so that it is scheduled again when it is finished.
    pub(super) fn update(
        &mut self,
        index: usize,
        base: usize,
        events: u32,
        port: &Port,
    ) -> Result<(), Error> {
        match self.entries[index].state {
            State::Idle => self.begin(index, base, events, port),
            State::Pending if events & !self.entries[index].asked != 0 => {
                self.cancel(index);
                Ok(())
            }
            State::Pending | State::Cancelling => Ok(()),
        }
    }

    /// Begins an idle poll. One that cannot be begun has a packet that says so: the source is
    /// reported in its turn.
    fn begin(&mut self, index: usize, base: usize, events: u32, port: &Port) -> Result<(), Error> {
        let operation = self.memory.at(index);
        let Some(device) = &self.devices[index / POLLS_PER_DEVICE] else { return Ok(()) };
        // SAFETY: the memory is borrowed without end, or freed only once no poll is begun any more.
        // The poll is idle, so the kernel does not use its memory; and it is not idle again before
        // `finish`, whose caller has taken the completion.
        if unsafe { device.poll(operation, base, events, index + 1) }.is_err() {
            port.post(FAILED, index + 1)?;
        }
        self.entries[index] = Entry { state: State::Pending, asked: events, ..self.entries[index] };
        self.begun += 1;
        Ok(())
    }

    /// Cancels a pending poll.
    pub(super) fn cancel(&mut self, index: usize) {
        if self.entries[index].state != State::Pending {
            return;
        }
        self.entries[index].state = State::Cancelling;
        if let Some(device) = &self.devices[index / POLLS_PER_DEVICE] {
            // SAFETY: the poll was begun with this device and operation.
            unsafe { device.cancel(self.memory.at(index)) };
        }
    }

    /// Records that the completion of a poll has been taken from the port. Returns what it found,
    /// unless it was cancelled.
    pub(super) fn finish(&mut self, index: usize, has_begun: bool) -> Option<Found> {
        let state = std::mem::replace(&mut self.entries[index].state, State::Idle);
        debug_assert_ne!(state, State::Idle, "a completion belongs to a poll that was begun");
        self.begun -= 1;
        match state {
            State::Pending if !has_begun => Some(Found::Failed),
            // SAFETY: the completion has been taken.
            State::Pending => Some(unsafe { afd::found(self.memory.at(index)) }),
            State::Idle | State::Cancelling => None,
        }
    }

    /// Cancels all polls, and waits for their completions. Returns true if all have arrived.
    pub(super) fn finish_all(&mut self, port: &Port) -> bool {
        for device in self.devices.iter().flatten() {
            device.cancel_all();
        }
        let mut pauses = 0;
        while self.begun > 0 && pauses < LAST_PAUSES {
            let mut packets = [Packet::EMPTY; 64];
            let taken = port.take(&mut packets, Some(std::time::Duration::from_millis(100)));
            let count = taken.unwrap_or(0);
            pauses += u32::from(count == 0);
            for packet in &packets[..count] {
                if let Some(index) = packet.context().checked_sub(1) {
                    let _ = self.finish(index, false);
                }
            }
        }
        self.begun == 0
    }

    /// Frees the memory, after [`finish_all`](Self::finish_all) has returned true.
    pub(super) fn free(&mut self) {
        if self.begun == 0 {
            self.memory.free();
        }
    }

    /// Returns the state of a poll.
    #[cfg(test)]
    pub(super) const fn state(&self, index: usize) -> State {
        self.entries[index].state
    }
}
