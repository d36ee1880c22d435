//! The peer of a callback, lent to a task for as long as it is polled.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use selkie_core::Token;
use selkie_core::layers::PeerOps;

use crate::table::TaskSlot;

/// The number of refused calls in one poll after which a task is made to wait.
const PATIENCE: u16 = 32;

/// The means of a callback: what the server allows, and the bytes that it offers.
pub(crate) struct Lent<'a> {
    pub(crate) ops: &'a mut dyn PeerOps,
    /// The connection that the callback is about; [`NONE`](Self::NONE) once that one is closed.
    pub(crate) token: Token,
    /// The slot of that connection.
    pub(crate) slot: &'a TaskSlot,
    /// The connection that the task which is polled was made for.
    pub(crate) task: Token,
    /// The bytes that are offered and that the task has not taken.
    pub(crate) input: &'a [u8],
    /// The server offers unread input again after this callback, without being asked.
    pub(crate) offers_again: bool,
    /// The server has looked for more just before, and has found nothing.
    pub(crate) has_looked: bool,
    patience: u16,
}

impl<'a> Lent<'a> {
    /// No connection.
    pub(crate) const NONE: Token = Token::new(u32::MAX, 0);

    /// Lends what a callback about `token` has, to the task that was made for `task`.
    #[inline]
    pub(crate) fn new(
        ops: &'a mut dyn PeerOps,
        token: Token,
        slot: &'a TaskSlot,
        task: Token,
        input: &'a [u8],
    ) -> Self {
        let (offers_again, has_looked, patience) = (false, false, PATIENCE);
        Self { ops, token, slot, task, input, offers_again, has_looked, patience }
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

    /// Lends `lent` until the result is dropped.
    #[inline]
    pub(crate) fn lend<'d>(&'d self, lent: &'d mut Lent<'_>) -> Loan<'d> {
        self.0.store(ptr::from_mut(lent).cast::<Lent<'static>>(), Ordering::Relaxed);
        Loan(self)
    }

    /// Calls `act` with what is lent; `None` if nothing is, or if it is in use further up.
    #[inline]
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Lent<'_>) -> R) -> Option<R> {
        let mut place = NonNull::new(self.0.swap_relaxed(ptr::null_mut()))?;
        let _restore = Restore { desk: self, before: place.as_ptr() };
        // SAFETY: only `lend` stores a pointer, that of a mutable reference which its result
        // borrows until it empties the place, so it is valid now. (A result that is never dropped
        // would leave it there: the service, which alone can lend, drops all of them.) It was taken
        // out of its place, so there is no other reference to it until `_restore` is dropped. The
        // lifetime in the pointer's type is too long; as `act` must accept any, nothing can leave
        // it. A desk is never shared between threads, as a `TaskTable` is not `Sync`.
        Some(act(unsafe { place.as_mut() }))
    }
}

/// Empties the desk when the poll is over.
pub(crate) struct Loan<'d>(&'d Desk);

impl Drop for Loan<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.0.store(ptr::null_mut(), Ordering::Relaxed);
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
