//! The peer of a callback, lent to a task for as long as it is polled.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use selkie_core::{PeerOps, Token};

/// The number of refused calls in one poll after which a task is made to wait.
const PATIENCE: u8 = 32;

/// The means of a callback: what the server allows, and the bytes that it offers.
pub(crate) struct Lent<'a> {
    pub(crate) ops: &'a mut dyn PeerOps,
    /// The connection that the callback is about; [`NONE`](Self::NONE) once that one is closed.
    pub(crate) token: Token,
    /// The slot of the task that is polled.
    pub(crate) task: u32,
    /// The server offers unread input again after this callback, without being asked.
    pub(crate) offers_again: bool,
    patience: u8,
    pub(crate) input: &'a [u8],
    /// The number of bytes of `input` that the task has taken.
    pub(crate) taken: usize,
}

impl<'a> Lent<'a> {
    /// No connection.
    pub(crate) const NONE: Token = Token::new(u32::MAX, 0);

    #[inline]
    pub(crate) fn new(ops: &'a mut dyn PeerOps, token: Token, task: u32) -> Self {
        Self { ops, token, task, offers_again: false, patience: PATIENCE, input: &[], taken: 0 }
    }

    /// Counts a call that fails or that has nothing to wait for. Returns false after many of them:
    /// a task that repeats them without end must not stop the loop.
    pub(crate) const fn has_patience(&mut self) -> bool {
        self.patience = self.patience.saturating_sub(1);
        self.patience > 0
    }
}

/// The place through which tasks reach what is lent. It is empty while no task is polled.
pub(crate) struct Desk(AtomicPtr<Lent<'static>>);

impl Desk {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Lends `lent` while `poll` runs, also if that panics.
    #[inline]
    pub(crate) fn lend<R>(&self, lent: &mut Lent<'_>, poll: impl FnOnce() -> R) -> R {
        let place = ptr::from_mut(lent).cast::<Lent<'static>>();
        let _restore = Restore { desk: self, before: self.0.swap_relaxed(place) };
        poll()
    }

    /// Calls `act` with what is lent; `None` if nothing is, or if it is in use further up.
    #[inline]
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Lent<'_>) -> R) -> Option<R> {
        let mut place = NonNull::new(self.0.swap_relaxed(ptr::null_mut()))?;
        let _restore = Restore { desk: self, before: place.as_ptr() };
        // SAFETY: only `lend` stores a pointer, that of a mutable reference which it borrows until
        // it has restored the place, so it is valid now. It was taken out of its place, so there
        // is no other reference to it until `_restore` is dropped. The lifetime in the pointer's
        // type is too long; as `act` must accept any, nothing can leave it. A desk is never shared
        // between threads, as a `TaskTable` is not `Sync`.
        Some(act(unsafe { place.as_mut() }))
    }
}

/// Puts back what was at the desk before.
struct Restore<'d> {
    desk: &'d Desk,
    before: *mut Lent<'static>,
}

impl Drop for Restore<'_> {
    #[inline]
    fn drop(&mut self) {
        self.desk.0.store(self.before, Ordering::Relaxed);
    }
}

trait SwapRelaxed<T> {
    /// Replaces the pointer by a load and a store, which every processor has: a desk belongs to
    /// one thread.
    fn swap_relaxed(&self, pointer: *mut T) -> *mut T;
}

impl<T> SwapRelaxed<T> for AtomicPtr<T> {
    #[inline]
    fn swap_relaxed(&self, pointer: *mut T) -> *mut T {
        let before = self.load(Ordering::Relaxed);
        self.store(pointer, Ordering::Relaxed);
        before
    }
}
