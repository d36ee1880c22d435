//! Wake flags: which tasks are to be polled. They are in `'static` memory, since a [`Waker`] may
//! be cloned, sent to another thread, and used after everything else is gone.
//!
//! They are set and cleared by loads and stores only, which every processor has (`thumbv6m` has no
//! swap). A flag of each task, and above it a tree of flags with 32 branches a node, so that the
//! tasks that were woken are found without a look at all of them:
//!
//! ```text
//!   Shared.state          some task was woken
//!   Group.levels[2]       ... one of these 32 * 32 groups
//!   Group.levels[1]       ... one of these 32 groups
//!   Group.levels[0]       ... one of this group
//!   Group.woken[n]        this one
//! ```
//!
//! Flags are set from the bottom up and cleared from the top down: so a flag that is set is either
//! seen, or the ones above it are set again.

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, Ordering};
use core::task::{RawWaker, RawWakerVTable, Waker};

/// The number of tasks of a group, and of branches of a node.
const BRANCHES: usize = 32;

/// The flags of 32 tasks. It is aligned so that the address of a task's flag also gives that of its
/// group.
#[repr(C, align(64))]
struct Group {
    woken: [AtomicBool; BRANCHES],
    /// A task was woken in this group; in those of which this is the first.
    levels: [AtomicBool; 3],
    /// The place of this group among all.
    index: AtomicU32,
    shared: AtomicPtr<Shared>,
}

impl Group {
    const fn new() -> Self {
        Self {
            woken: [const { AtomicBool::new(false) }; BRANCHES],
            levels: [const { AtomicBool::new(false) }; 3],
            index: AtomicU32::new(0),
            shared: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Returns the number of groups, from this one on, that have no task which was woken: 0 if this
    /// one has. Clears the flags above the tasks on the way down to it.
    fn skip(&self, index: usize) -> usize {
        let mut node = BRANCHES.pow(2);
        for flag in self.levels.iter().rev() {
            if index.is_multiple_of(node) && !take(flag) {
                return node;
            }
            node /= BRANCHES;
        }
        0
    }
}

/// A function that ends the sleep of the loop.
type Notify = dyn Fn() + Sync;

/// No task was woken, and there is nothing to notify: the end of a poll looks no further.
const QUIET: u8 = 0;
/// No task was woken, and there is something to notify.
const NOTIFYING: u8 = 1;
/// Some task was woken.
const WOKEN: u8 = 2;

/// The flags of all groups together.
struct Shared {
    /// `QUIET`, `NOTIFYING` or `WOKEN`.
    state: AtomicU8,
    /// A task is polled; when that ends, the flags are looked at anyway. Kept up to date only if
    /// there is something to notify.
    polling: AtomicBool,
    notify: Option<&'static Notify>,
}

impl Shared {
    const fn new(notify: Option<&'static Notify>) -> Self {
        let state = AtomicU8::new(Self::resting(notify));
        Self { state, polling: AtomicBool::new(false), notify }
    }

    /// Returns the state in which no task was woken.
    const fn resting(notify: Option<&'static Notify>) -> u8 {
        if notify.is_some() { NOTIFYING } else { QUIET }
    }
}

/// The wake flags of `32 * GROUPS` tasks, for a `static`.
///
/// ```
/// use selkie_async::WakeFlags;
///
/// const SLOTS: usize = 9;
///
/// static WAKES: WakeFlags<{ WakeFlags::groups(SLOTS) }> = WakeFlags::new();
/// ```
pub struct WakeFlags<const GROUPS: usize> {
    shared: Shared,
    groups: [Group; GROUPS],
}

impl WakeFlags<0> {
    /// Returns the number of groups for the tasks of so many slots.
    #[must_use]
    pub const fn groups(slots: usize) -> usize {
        slots.div_ceil(BRANCHES)
    }
}

impl<const GROUPS: usize> WakeFlags<GROUPS> {
    /// Returns flags of which none is set, for a loop that is not woken by them: where an
    /// interrupt ends the sleep, or where tasks wake each other only.
    #[must_use]
    pub const fn new() -> Self {
        Self::build(None)
    }

    /// Returns flags that call `notify` when a task is woken while none is polled: to end the
    /// sleep of the loop. It is called by the thread that wakes.
    #[must_use]
    pub const fn with_notify(notify: &'static (dyn Fn() + Sync)) -> Self {
        Self::build(Some(notify))
    }

    const fn build(notify: Option<&'static Notify>) -> Self {
        Self { shared: Shared::new(notify), groups: [const { Group::new() }; GROUPS] }
    }

    /// Returns the flags, to be lent to a [`TaskTable`](crate::TaskTable).
    #[must_use]
    pub fn wakes(&'static self) -> Wakes {
        Wakes::new(&self.shared, &self.groups)
    }
}

impl<const GROUPS: usize> Default for WakeFlags<GROUPS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const GROUPS: usize> fmt::Debug for WakeFlags<GROUPS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WakeFlags")
            .field("state", &self.shared.state)
            .finish_non_exhaustive()
    }
}

/// The wake flags of all tasks of a [`TaskTable`](crate::TaskTable).
#[derive(Clone, Copy)]
pub struct Wakes {
    shared: &'static Shared,
    groups: &'static [Group],
}

impl Wakes {
    fn new(shared: &'static Shared, groups: &'static [Group]) -> Self {
        for (index, group) in (0..).zip(groups) {
            group.index.store(index, Ordering::Relaxed);
            group.shared.store(ptr::from_ref(shared).cast_mut(), Ordering::Release);
        }
        Self { shared, groups }
    }

    /// Makes flags for the tasks of `slots` slots on the heap, which stay there for good.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn leaked(slots: usize) -> Self {
        Self::leak(slots, WakeFlags::<0>::new())
    }

    /// Makes flags as [`leaked`](Self::leaked) does, which call `notify` when a task is woken while
    /// none is polled: to end the sleep of the loop. It is called by the thread that wakes.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn leaked_with_notify(slots: usize, notify: impl Fn() + Sync + 'static) -> Self {
        let notify = alloc::boxed::Box::leak(alloc::boxed::Box::new(notify));
        Self::leak(slots, WakeFlags::<0>::with_notify(notify))
    }

    #[cfg(feature = "alloc")]
    fn leak(slots: usize, flags: WakeFlags<0>) -> Self {
        use alloc::boxed::Box;

        let count = WakeFlags::groups(slots);
        let groups: Box<[Group]> = core::iter::repeat_with(Group::new).take(count).collect();
        Self::new(&Box::leak(Box::new(flags)).shared, Box::leak(groups))
    }

    /// Returns the number of tasks that there are flags for.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.groups.len() * BRANCHES
    }

    /// Returns whether there are flags for no task at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns whether a task was woken and has not been polled since. A main loop that sleeps by
    /// itself asks this with interrupts masked, before it sleeps.
    #[inline]
    #[must_use]
    pub fn is_any_woken(&self) -> bool {
        self.shared.state.load(Ordering::SeqCst) == WOKEN
    }

    /// Notes that a task is polled.
    #[inline]
    pub(crate) fn begin_poll(self) {
        self.shared.polling.store(true, Ordering::Relaxed);
    }

    /// Notes that no task is polled any more. Returns whether one was woken meanwhile: a wake that
    /// is not seen by this notifies the loop.
    #[inline]
    pub(crate) fn end_poll(self) -> bool {
        self.shared.state.load(Ordering::SeqCst) != QUIET && self.end_notifying()
    }

    /// Notes the same where a task was woken, or where there is something to notify.
    #[cold]
    fn end_notifying(self) -> bool {
        self.shared.polling.store(false, Ordering::SeqCst);
        self.is_any_woken()
    }

    /// Clears all flags, and calls `visit` with each task whose flag was set.
    #[cold]
    pub(crate) fn drain(self, mut visit: impl FnMut(usize)) {
        self.shared.state.store(Shared::resting(self.shared.notify), Ordering::SeqCst);
        let mut index = 0;
        while let Some(group) = self.groups.get(index) {
            let skipped = group.skip(index);
            if skipped == 0 {
                for (position, flag) in group.woken.iter().enumerate() {
                    if take(flag) {
                        visit(index * BRANCHES + position);
                    }
                }
            }
            index += skipped.max(1);
        }
    }

    /// Returns the waker of a task. It need not be dropped.
    #[inline]
    pub(crate) fn waker(self, task: usize) -> ManuallyDrop<Waker> {
        let (group, position) = (task / BRANCHES, task % BRANCHES);
        assert!(group < self.groups.len(), "a task has a wake flag");
        // A pointer to all groups, so that `wake` may go from one to another.
        let flag = self.groups.as_ptr().wrapping_add(group).cast::<u8>().wrapping_add(position);
        // SAFETY: the functions of the table take the address of a flag in a group, which this is,
        // and may be called by any thread at any time: all that they touch is `'static` and atomic.
        ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(flag.cast(), &TABLE)) })
    }
}

impl fmt::Debug for Wakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wakes").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Clears a flag. Returns whether it was set.
fn take(flag: &AtomicBool) -> bool {
    let is_set = flag.load(Ordering::SeqCst);
    if is_set {
        flag.store(false, Ordering::SeqCst);
    }
    is_set
}

static TABLE: RawWakerVTable =
    RawWakerVTable::new(|flag| RawWaker::new(flag, &TABLE), wake, wake, |_| {});

/// Sets a task's flag and those above it, and ends the sleep of the loop.
///
/// # Safety
///
/// `flag` points to the flag of a task, and was made by [`Wakes::waker`].
unsafe fn wake(flag: *const ()) {
    let group = flag.map_addr(|address| address & !(align_of::<Group>() - 1)).cast::<Group>();
    let position = flag.addr() - group.addr();
    // SAFETY: the flags are the first bytes of a group, which is aligned to more than their number.
    // Groups are `'static`, and all of their fields are atomic.
    let this = unsafe { &*group };
    this.woken[position].store(true, Ordering::SeqCst);
    let index = this.index.load(Ordering::Relaxed) as usize;
    let mut nodes = 1;
    for level in 0..3 {
        nodes *= BRANCHES;
        // The first group of the node, at level 0 of this group alone.
        let behind = index % (nodes / BRANCHES);
        // SAFETY: there are `index` groups in front of this one, in the same slice, and the pointer
        // was made for the whole slice.
        let head = unsafe { &*group.sub(behind) };
        head.levels[level].store(true, Ordering::SeqCst);
    }
    // SAFETY: `Wakes::new` has set it to a `'static` value before there was a waker.
    let shared = unsafe { &*this.shared.load(Ordering::Acquire) };
    shared.state.store(WOKEN, Ordering::SeqCst);
    if let Some(notify) = shared.notify.filter(|_| !shared.polling.load(Ordering::SeqCst)) {
        notify();
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    use super::*;

    fn flags<const GROUPS: usize>() -> Wakes {
        Box::leak(Box::new(WakeFlags::<GROUPS>::new())).wakes()
    }

    fn drained(wakes: Wakes) -> Vec<usize> {
        let mut woken = Vec::new();
        wakes.drain(|task| woken.push(task));
        woken
    }

    #[test]
    fn exactly_those_that_were_woken_are_found_in_order() {
        let wakes = flags::<3>();
        assert!(!wakes.is_any_woken());
        for task in [95, 0, 31, 32, 64, 0] {
            wakes.waker(task).wake_by_ref();
        }
        assert!(wakes.is_any_woken());
        assert_eq!(drained(wakes), [0, 31, 32, 64, 95]);
        assert!(!wakes.is_any_woken());
        assert_eq!(drained(wakes), []);
    }

    #[test]
    #[cfg(feature = "alloc")]
    fn tasks_are_found_at_every_level_of_the_tree() {
        let slots = if cfg!(miri) { 2 * 32 * 32 + 40 } else { 3 * 32 * 32 * 32 + 40 };
        let wakes = Wakes::leaked(slots);
        assert!(wakes.len() >= slots);
        let tasks = [5, 1_023, 1_024, 2_047, slots / 2, slots - 1];
        for task in tasks {
            wakes.waker(task).wake_by_ref();
            assert_eq!(drained(wakes), [task]);
        }
        for task in tasks {
            wakes.waker(task).wake_by_ref();
        }
        let mut sorted = tasks.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(drained(wakes), sorted);
    }

    #[test]
    fn a_wake_while_the_flags_are_cleared_is_not_lost() {
        let wakes = flags::<2>();
        wakes.waker(3).wake_by_ref();
        wakes.waker(40).wake_by_ref();
        let mut woken = Vec::new();
        wakes.drain(|task| {
            if woken.is_empty() {
                wakes.waker(3).wake_by_ref();
            }
            woken.push(task);
        });
        assert_eq!(woken, [3, 40]);
        assert!(wakes.is_any_woken());
        assert_eq!(drained(wakes), [3]);
    }

    #[test]
    #[cfg(feature = "alloc")]
    fn the_loop_is_notified_unless_a_task_is_polled() {
        use core::sync::atomic::AtomicUsize;

        static COUNT: AtomicUsize = AtomicUsize::new(0);

        let wakes = Wakes::leaked_with_notify(1, || {
            COUNT.fetch_add(1, Ordering::Relaxed);
        });
        wakes.begin_poll();
        wakes.waker(0).wake_by_ref();
        assert_eq!(COUNT.load(Ordering::Relaxed), 0);
        assert!(wakes.end_poll(), "it is seen by who has polled");
        wakes.waker(0).wake_by_ref();
        assert_eq!(COUNT.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn no_wake_of_another_thread_is_lost() {
        extern crate std;

        const ROUNDS: u32 = if cfg!(miri) { 50 } else { 50_000 };

        let wakes = flags::<40>();
        let done = AtomicU32::new(0);
        let seen = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    done.store(round, Ordering::SeqCst);
                    wakes.waker((round as usize * 37) % 1_200).wake_by_ref();
                    while seen.load(Ordering::SeqCst) < round {
                        std::thread::yield_now();
                    }
                }
            });
            let mut expected = 1;
            while expected <= ROUNDS {
                if wakes.is_any_woken() {
                    for task in drained(wakes) {
                        assert_eq!(task, (expected as usize * 37) % 1_200);
                        seen.store(expected, Ordering::SeqCst);
                        expected += 1;
                    }
                } else {
                    std::thread::yield_now();
                }
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), ROUNDS);
    }
}
