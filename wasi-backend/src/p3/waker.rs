//! The waker: a stream whose two ends both belong to the guest.

use core::cell::{Cell, UnsafeCell};
use core::marker::PhantomData;

use selkie_core::Token;

use super::abi::{self, Outcome};

/// Wakes the [`WaitableSet`](super::WaitableSet) that made it: from another task of the same
/// component, or from its own before it waits.
///
/// When it is dropped, its token is no longer registered.
#[derive(Debug)]
pub struct Waker {
    /// The writable end.
    writable: u32,
    /// Set if the platform is gone. end-is-final: another write would be a trap.
    orphaned: Cell<bool>,
    /// Handles belong to the thread that made them.
    thread: PhantomData<*const ()>,
}

impl Waker {
    /// Wakes the platform, unless a wake is under way already.
    pub fn wake(&self) {
        if self.orphaned.get() {
            return;
        }
        // SAFETY: one byte is read from a constant.
        let outcome = unsafe { abi::stream_write(self.writable, b"!".as_ptr(), 1) };
        if outcome.is_blocked() {
            // No read is in flight, so the event of an earlier wake is still to be handled.
            abi::stream_cancel_write(self.writable);
        } else if outcome.is_dropped() {
            self.orphaned.set(true);
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        abi::stream_drop_writable(self.writable);
    }
}

/// The memory for the byte of a wake, which is never read.
struct Sink(UnsafeCell<u8>);

// SAFETY: only the host writes to it, and it is never read.
unsafe impl Sync for Sink {}

static SINK: Sink = Sink(UnsafeCell::new(0));

/// The other end of a waker, which has a read in flight until the waker is dropped.
#[derive(Debug)]
pub(super) struct WakeSource {
    pub(super) token: Token,
    /// The readable end.
    readable: u32,
    /// Set if a wake is to be reported.
    pub(super) pending: bool,
}

/// The meaning of an event for a waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// It is about another handle.
    Foreign,
    /// A wake.
    Woken,
    /// The waker was dropped.
    Gone,
}

impl WakeSource {
    /// Creates a waker and its other end, which joins the set.
    pub(super) fn new(token: Token, set: u32) -> (Self, Waker) {
        let ends = abi::stream_new();
        #[expect(clippy::cast_possible_truncation, reason = "the halves are the two ends")]
        let (readable, writable) = (ends as u32, (ends >> 32) as u32);
        let mut source = Self { token, readable, pending: false };
        abi::waitable_join(readable, set);
        source.listen();
        (source, Waker { writable, orphaned: Cell::new(false), thread: PhantomData })
    }

    /// Starts a read. Returns whether it is in flight: it is not once the waker was dropped.
    fn listen(&mut self) -> bool {
        // SAFETY: the memory for the byte is `'static`.
        unsafe { abi::stream_read(self.readable, SINK.0.get(), 1) }.is_blocked()
    }

    /// Processes an event. The next read is in flight before the wake is reported, so that none is
    /// lost.
    pub(super) fn take(&mut self, waitable: u32, word: u32) -> Wake {
        if waitable != self.readable {
            return Wake::Foreign;
        }
        if Outcome(word).is_dropped() || !self.listen() {
            return Wake::Gone;
        }
        self.pending = true;
        Wake::Woken
    }

    /// Closes the end of a waker that was dropped.
    pub(super) fn close(&self) {
        abi::stream_drop_readable(self.readable);
    }

    /// Closes an end that has a read in flight.
    pub(super) fn cancel(&self) {
        abi::waitable_join(self.readable, 0);
        abi::stream_cancel_read(self.readable);
        abi::stream_drop_readable(self.readable);
    }
}
