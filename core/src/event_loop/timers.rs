//! Deadlines: at most one for each slot, the earliest known in O(1).

use crate::contract::Instant;
use crate::event_loop::Storage;

/// One place in [`Timers`]. All bits zero means no deadline.
///
/// The array is two tables at once: slot `p` has the heap's entry at position `p`, and slot `k` the
/// position of key `k` in the heap. So one array of the loop's capacity is all that timers need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TimerSlot {
    /// The heap entry at this position.
    entry: Entry,
    /// The position in the heap + 1 of the key that is this slot's index, or 0 if that has no
    /// deadline.
    position: u32,
}

/// A deadline in the heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Entry {
    /// Two words, the low half first: eight bytes would pad a slot to 24.
    deadline: [u32; 2],
    /// The number that the deadline got when it was set, which puts equal ones in order.
    number: u32,
    key: u32,
}

impl Entry {
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the low half is meant")]
    const fn new(deadline: Instant, number: u32, key: u32) -> Self {
        let nanos = deadline.as_nanos();
        Self { deadline: [nanos as u32, (nanos >> 32) as u32], number, key }
    }

    #[inline]
    const fn deadline(&self) -> Instant {
        let [low, high] = self.deadline;
        Instant::from_nanos(((high as u64) << 32) | low as u64)
    }

    /// Returns true if this entry expires before the other one.
    ///
    /// Numbers wrap, so they are compared by their distance. Of two equal deadlines that were set
    /// with more than 2^31 others in between, the later one may come first.
    #[inline]
    fn is_before(&self, other: &Self) -> bool {
        let (one, two) = (self.deadline(), other.deadline());
        one < two
            || (one == two && self.number.wrapping_sub(other.number).cast_signed().is_negative())
    }
}

impl TimerSlot {
    /// No deadline: all bits zero.
    pub const EMPTY: Self =
        Self { entry: Entry { deadline: [0; 2], number: 0, key: 0 }, position: 0 };
}

/// The point between the deadlines that were set before [`Timers::mark`] and those set later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TimerMark(u32);

/// Children of a heap node: four share two cache lines at most.
const ARITY: usize = 4;

/// The bookkeeping of timers beside their slots.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct TimersState {
    len: usize,
    /// The number that the next deadline gets.
    number: u32,
}

impl TimersState {
    /// Empties the slots.
    pub(super) fn new(slots: &mut [TimerSlot]) -> Self {
        for slot in slots {
            // Pages of fresh memory are only read, so that they cost nothing.
            if slot.position != 0 {
                slot.position = 0;
            }
        }
        Self { len: 0, number: 0 }
    }

    pub(super) fn set(&mut self, slots: &mut [TimerSlot], key: usize, deadline: Instant) {
        let position = match slots[key].position {
            0 => {
                self.len += 1;
                self.len - 1
            }
            position => position as usize - 1,
        };
        // The key fits: an array of 2^32 slots of 20 bytes does not exist on any platform that this
        // runs on.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let entry = Entry::new(deadline, self.number, key as u32);
        self.number = self.number.wrapping_add(1);
        sift(slots, self.len, position, entry);
    }

    pub(super) fn set_earlier(
        &mut self,
        slots: &mut [TimerSlot],
        key: usize,
        deadline: Instant,
    ) -> bool {
        let position = slots[key].position;
        let earlier = position == 0 || deadline < slots[position as usize - 1].entry.deadline();
        if earlier {
            self.set(slots, key, deadline);
        }
        earlier
    }

    #[inline]
    pub(super) fn cancel(&mut self, slots: &mut [TimerSlot], key: usize) -> bool {
        let position = match slots.get(key) {
            Some(slot) if slot.position != 0 => slot.position as usize - 1,
            _ => return false,
        };
        slots[key].position = 0;
        self.len -= 1;
        if position < self.len {
            let last = slots[self.len].entry;
            sift(slots, self.len, position, last);
        }
        true
    }

    #[inline]
    pub(super) fn next_deadline(&self, slots: &[TimerSlot]) -> Option<Instant> {
        if self.len == 0 { None } else { Some(slots[0].entry.deadline()) }
    }

    /// Returns true if a deadline is not after `now`.
    #[inline]
    pub(super) fn is_due(&self, slots: &[TimerSlot], now: Instant) -> bool {
        self.next_deadline(slots).is_some_and(|next| next <= now)
    }

    #[inline]
    pub(super) const fn mark(&self) -> TimerMark {
        TimerMark(self.number)
    }

    #[inline]
    pub(super) fn pop_expired_before(
        &mut self,
        slots: &mut [TimerSlot],
        now: Instant,
        mark: TimerMark,
    ) -> Option<usize> {
        let first = slots.first()?.entry;
        // Numbers wrap: those after the mark are as far from it as the next one, or nearer.
        let is_later = first.number.wrapping_sub(mark.0) < self.number.wrapping_sub(mark.0);
        if self.len == 0 || first.deadline() > now || is_later {
            return None;
        }
        let key = first.key as usize;
        self.cancel(slots, key);
        Some(key)
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// At most one deadline for each key below the capacity, in a heap with four children a node.
///
/// The key is a slot index: the loop arms and cancels with the tokens that it checked, and cancels
/// when a token is taken back, so a deadline never outlives the source that it was meant for.
///
/// The earliest deadline is known exactly, in O(1); of equal ones, the one that was set first. To
/// arm, move and cancel is O(log n); a cancelled deadline is gone at once.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Timers<S> {
    slots: S,
    state: TimersState,
}

impl<S: Storage<TimerSlot>> Timers<S> {
    /// Makes timers without deadlines, with one place for each of `slots`, which are emptied.
    #[must_use]
    pub fn new(mut slots: S) -> Self {
        let state = TimersState::new(slots.as_mut());
        Self { slots, state }
    }

    /// Sets the deadline of `key`, in place of any that it had.
    ///
    /// # Panics
    ///
    /// If `key` is not below the capacity.
    pub fn set(&mut self, key: usize, deadline: Instant) {
        self.state.set(self.slots.as_mut(), key, deadline);
    }

    /// Sets the deadline of `key` unless it has an earlier one or the same. Returns true if it was
    /// set.
    ///
    /// # Panics
    ///
    /// As [`set`](Self::set).
    pub fn set_earlier(&mut self, key: usize, deadline: Instant) -> bool {
        self.state.set_earlier(self.slots.as_mut(), key, deadline)
    }

    /// Cancels the deadline of `key`. Returns true if there was one.
    #[inline]
    pub fn cancel(&mut self, key: usize) -> bool {
        self.state.cancel(self.slots.as_mut(), key)
    }

    /// Takes out the key with the earliest deadline, if that is not after `now`.
    #[inline]
    pub fn pop_expired(&mut self, now: Instant) -> Option<usize> {
        self.pop_expired_before(now, self.mark())
    }

    /// Takes out the key with the earliest deadline, if that is not after `now` and was set before
    /// the mark.
    ///
    /// With a mark that was made before the first of a series, a key that is armed again in
    /// between cannot keep the series going without end.
    #[inline]
    pub fn pop_expired_before(&mut self, now: Instant, mark: TimerMark) -> Option<usize> {
        self.state.pop_expired_before(self.slots.as_mut(), now, mark)
    }
}

impl<S: AsRef<[TimerSlot]>> Timers<S> {
    /// Returns the timers of these slots, to look at.
    #[inline]
    pub(super) const fn view(slots: S, state: TimersState) -> Self {
        Self { slots, state }
    }

    /// Returns the point between the deadlines that are set by now and later ones.
    #[inline]
    #[must_use]
    pub const fn mark(&self) -> TimerMark {
        self.state.mark()
    }

    /// Returns the deadline of `key`.
    #[inline]
    #[must_use]
    pub fn deadline(&self, key: usize) -> Option<Instant> {
        let slots = self.slots.as_ref();
        match slots.get(key)?.position {
            0 => None,
            position => Some(slots[position as usize - 1].entry.deadline()),
        }
    }

    /// Returns the earliest deadline of all.
    #[inline]
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.state.next_deadline(self.slots.as_ref())
    }

    /// Returns the number of keys that have a deadline.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.state.len
    }

    /// Returns true if no key has a deadline.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.state.is_empty()
    }

    /// Returns the number of keys that can have a deadline.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.as_ref().len()
    }
}

/// Puts an entry where it belongs in the heap, starting from `position`, whose own entry is gone:
/// up while it is before its parent, else down while a child is before it.
fn sift(slots: &mut [TimerSlot], len: usize, mut position: usize, entry: Entry) {
    while position > 0 {
        let parent = (position - 1) / ARITY;
        let above = slots[parent].entry;
        if !entry.is_before(&above) {
            break;
        }
        put(slots, position, above);
        position = parent;
    }
    loop {
        let (mut first, mut first_entry) = (position, entry);
        let mut child = position * ARITY + 1;
        let end = len.min(child + ARITY);
        while child < end {
            if slots[child].entry.is_before(&first_entry) {
                (first, first_entry) = (child, slots[child].entry);
            }
            child += 1;
        }
        if first == position {
            break;
        }
        put(slots, position, first_entry);
        position = first;
    }
    put(slots, position, entry);
}

/// Puts an entry at `position`, and records that for its key.
#[allow(clippy::cast_possible_truncation, reason = "a position is below the capacity, as a key is")]
fn put(slots: &mut [TimerSlot], position: usize, entry: Entry) {
    slots[position].entry = entry;
    slots[entry.key as usize].position = position as u32 + 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn the_earliest_is_first() {
        let mut timers = Timers::new([TimerSlot::EMPTY; 8]);
        for (key, nanos) in [50, 20, 70, 10, 60, 30, 40, 80].into_iter().enumerate() {
            timers.set(key, at(nanos));
        }
        let order: [usize; 8] = core::array::from_fn(|_| timers.pop_expired(Instant::MAX).unwrap());
        assert_eq!(order, [3, 1, 5, 6, 0, 4, 2, 7]);
        assert_eq!(timers.capacity(), 8);
        assert_eq!(timers.next_deadline(), None);
        assert!(timers.is_empty());
    }

    #[test]
    fn a_heap_of_several_levels_stays_in_order() {
        let mut timers = Timers::new([TimerSlot::EMPTY; 64]);
        for round in 1..64 {
            // Each of these orders is another permutation, as 97 is a prime number.
            for key in 0..64 {
                timers.set(key, at((key as u64 + 1) * round % 97));
            }
            timers.set(7, at(40));
            timers.cancel(11);
            let mut last = Instant::ZERO;
            while let Some(key) = timers.pop_expired(Instant::MAX) {
                let due = if key == 7 { at(40) } else { at((key as u64 + 1) * round % 97) };
                assert!(last <= due, "round {round}: {due:?} after {last:?}");
                last = due;
            }
        }
    }

    #[test]
    fn nothing_expires_early() {
        let mut timers = Timers::new([TimerSlot::EMPTY; 1]);
        timers.set(0, at(10));
        assert!(!timers.is_empty());
        assert_eq!(timers.pop_expired(at(9)), None);
        assert_eq!(timers.pop_expired(at(10)), Some(0));
        assert_eq!(timers.pop_expired(at(10)), None, "and only once");
    }

    #[test]
    fn a_deadline_moves_both_ways() {
        let mut timers = Timers::new([TimerSlot::EMPTY; 3]);
        timers.set(0, at(10));
        timers.set(1, at(20));
        timers.set(0, at(30));
        assert_eq!(timers.next_deadline(), Some(at(20)));
        assert!(timers.set_earlier(0, at(5)));
        assert!(!timers.set_earlier(0, at(6)));
        assert_eq!(timers.next_deadline(), Some(at(5)));
        assert_eq!([0, 1, 2].map(|key| timers.deadline(key)), [Some(at(5)), Some(at(20)), None]);
        assert_eq!(timers.len(), 2);
    }

    #[test]
    fn a_cancelled_deadline_is_gone() {
        let mut timers = Timers::new([TimerSlot::EMPTY; 2]);
        timers.set(0, at(10));
        timers.set(1, at(20));
        assert!(timers.cancel(0));
        assert!(!timers.cancel(0));
        assert!(!timers.cancel(7), "a key that does not exist has no deadline");
        assert_eq!(timers.deadline(0), None);
        assert_eq!(timers.next_deadline(), Some(at(20)));
    }

    #[test]
    fn equal_deadlines_expire_in_the_order_in_which_they_were_set() {
        let mut timers = Timers::new([TimerSlot::EMPTY; 6]);
        for key in [3, 0, 5, 1, 4, 2] {
            timers.set(key, at(10));
        }
        timers.set(0, at(10));
        assert!(!timers.set_earlier(3, at(10)), "it has that deadline, and keeps its turn");
        let order: [usize; 6] = core::array::from_fn(|_| timers.pop_expired(at(10)).unwrap());
        assert_eq!(order, [3, 5, 1, 4, 2, 0]);
    }

    #[test]
    fn the_order_survives_the_wrap_of_its_numbers() {
        let mut timers = Timers::new([TimerSlot::EMPTY; 4]);
        timers.state.number = u32::MAX - 1;
        for key in [2, 0, 3, 1] {
            timers.set(key, at(10));
        }
        let order: [usize; 4] = core::array::from_fn(|_| timers.pop_expired(at(10)).unwrap());
        assert_eq!(order, [2, 0, 3, 1]);
    }

    #[test]
    fn a_deadline_that_was_set_after_the_mark_waits() {
        let mut timers = Timers::new([TimerSlot::EMPTY; 2]);
        timers.state.number = u32::MAX;
        timers.set(0, at(10));
        let mark = timers.mark();
        timers.set(1, at(10));
        assert_eq!(timers.pop_expired_before(at(10), mark), Some(0));
        assert_eq!(timers.pop_expired_before(at(10), mark), None);
        assert_eq!(timers.pop_expired(at(10)), Some(1));
    }

    #[test]
    fn a_slot_takes_twenty_bytes() {
        assert_eq!(size_of::<TimerSlot>(), 20);
    }
}
