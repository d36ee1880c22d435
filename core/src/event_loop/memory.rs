//! The memory of tables and loops, which the caller provides.

use crate::contract::Event;
use crate::event_loop::{Slot, TimerSlot};

/// An array that a table keeps its entries in: `&mut [T]`, `[T; N]`, `Box<[T]>`, `heapless::Vec<T,
/// N>`.
///
/// Core never allocates. Firmware and WebAssembly lend it static arrays, a native program lends it
/// memory whose size was chosen at start-up, and the code is the same. Every entry type has an
/// `EMPTY` value that is all zero bits, so that large tables lie in `.bss` or in fresh pages, and
/// never pass through the stack.
///
/// Implemented for everything that is both `AsRef<[T]>` and `AsMut<[T]>`; the array must not change
/// its length.
pub trait Storage<T>: AsRef<[T]> + AsMut<[T]> {}

impl<T, S: AsRef<[T]> + AsMut<[T]> + ?Sized> Storage<T> for S {}

/// The memory of an [`EventLoop`](crate::EventLoop): a [`StaticLoop`], `HeapLoop` in the crate
/// `selkie`, three slices as a [`LoopStorage`], or a `&mut` of one of them.
///
/// The loop owns it, so that a function can build a loop and return it. Lend a large one
/// (`&'static mut StaticLoop`) where moving it would take it through the stack.
pub trait LoopMemory {
    /// Lends the tables. They are the same, with the same lengths, in every call.
    fn storage(&mut self) -> LoopStorage<'_>;
}

impl<M: LoopMemory + ?Sized> LoopMemory for &mut M {
    #[inline]
    fn storage(&mut self) -> LoopStorage<'_> {
        (**self).storage()
    }
}

/// The tables of a loop. The first two have the same length: the loop's capacity.
#[derive(Debug)]
pub struct LoopStorage<'a> {
    /// One for each source that can be registered, listeners and wakers included.
    pub slots: &'a mut [Slot],
    /// As many as there are slots.
    pub timers: &'a mut [TimerSlot],
    /// The batch: how many events one wait reports at most, and how many deadlines one turn
    /// handles at most.
    pub events: &'a mut [Event],
}

impl LoopMemory for LoopStorage<'_> {
    #[inline]
    fn storage(&mut self) -> LoopStorage<'_> {
        LoopStorage { slots: self.slots, timers: self.timers, events: self.events }
    }
}

/// The memory of a loop as one value, for a `static`: a loop of `SLOTS` sources and batches of
/// `EVENTS`.
#[derive(Clone, Debug)]
pub struct StaticLoop<const SLOTS: usize, const EVENTS: usize> {
    slots: [Slot; SLOTS],
    timers: [TimerSlot; SLOTS],
    events: [Event; EVENTS],
}

impl<const SLOTS: usize, const EVENTS: usize> StaticLoop<SLOTS, EVENTS> {
    /// Makes memory that is all zero, so that a `static` of it lies in `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [Slot::EMPTY; SLOTS],
            timers: [TimerSlot::EMPTY; SLOTS],
            events: [Event::EMPTY; EVENTS],
        }
    }
}

impl<const SLOTS: usize, const EVENTS: usize> LoopMemory for StaticLoop<SLOTS, EVENTS> {
    #[inline]
    fn storage(&mut self) -> LoopStorage<'_> {
        LoopStorage { slots: &mut self.slots, timers: &mut self.timers, events: &mut self.events }
    }
}

impl<const SLOTS: usize, const EVENTS: usize> Default for StaticLoop<SLOTS, EVENTS> {
    fn default() -> Self {
        Self::new()
    }
}
