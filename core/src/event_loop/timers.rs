//! Deadlines: one for each slot, the earliest always at hand.

use crate::contract::Instant;
use crate::event_loop::Storage;

/// One place in [`Timers`]. All bits zero means no deadline.
///
/// The array holds two things at once: at position `p`, the entry of the heap that stands there,
/// and for key `k`, where in the heap its entry is. They share a struct so that one array of the
/// loop's capacity is all that the timers need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TimerSlot {
    /// Of the heap entry here: when it is due.
    deadline: Instant,
    /// Of the heap entry here: whose deadline it is.
    key: u32,
    /// Of the key that is this slot's index: its position in the heap + 1, or 0 if it has no
    /// deadline.
    position: u32,
}

impl TimerSlot {
    /// No deadline: all bits zero.
    pub const EMPTY: Self = Self { deadline: Instant::ZERO, key: 0, position: 0 };
}

/// At most one deadline for each key below the capacity, in a heap with four children a node.
///
/// The key is a slot index: the loop arms and cancels with the tokens that it checked, and cancels
/// whenever a token is taken back, so a deadline never outlives the source that it was meant for.
///
/// The earliest deadline is known exactly, in O(1). Arming, moving and cancelling are O(log n); a
/// cancelled deadline is gone at once and leaves nothing to be swept later.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Timers<S> {
    slots: S,
    len: usize,
}

/// Children of a heap node: four share a cache line.
const ARITY: usize = 4;

impl<S: Storage<TimerSlot>> Timers<S> {
    /// No deadlines yet; one place for each of `slots`, which are emptied.
    #[must_use]
    pub fn new(mut slots: S) -> Self {
        for slot in slots.as_mut() {
            if slot.position != 0 {
                slot.position = 0;
            }
        }
        Self { slots, len: 0 }
    }

    /// Sets the deadline of `key`, in place of any that it had.
    ///
    /// # Panics
    ///
    /// If `key` is not below the capacity.
    pub fn set(&mut self, key: usize, deadline: Instant) {
        let slots = self.slots.as_mut();
        let position = match slots[key].position {
            0 => {
                self.len += 1;
                self.len - 1
            }
            position => position as usize - 1,
        };
        // The key fits: an array of 2^32 slots of 16 bytes does not exist on any platform that this
        // runs on.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        settle(slots, self.len, position, deadline, key as u32);
    }

    /// Sets the deadline of `key` unless it has an earlier one. Says whether it was set.
    ///
    /// # Panics
    ///
    /// As [`set`](Self::set).
    pub fn set_earlier(&mut self, key: usize, deadline: Instant) -> bool {
        let slots = self.slots.as_ref();
        let position = slots[key].position;
        let earlier = position == 0 || deadline < slots[position as usize - 1].deadline;
        if earlier {
            self.set(key, deadline);
        }
        earlier
    }

    /// Forgets the deadline of `key`. Says whether there was one.
    #[inline]
    pub fn cancel(&mut self, key: usize) -> bool {
        let slots = self.slots.as_mut();
        let position = match slots.get(key) {
            Some(slot) if slot.position != 0 => slot.position as usize - 1,
            _ => return false,
        };
        slots[key].position = 0;
        self.len -= 1;
        if position < self.len {
            let last = slots[self.len];
            settle(slots, self.len, position, last.deadline, last.key);
        }
        true
    }

    /// The deadline of `key`.
    #[inline]
    #[must_use]
    pub fn deadline(&self, key: usize) -> Option<Instant> {
        let slots = self.slots.as_ref();
        match slots.get(key)?.position {
            0 => None,
            position => Some(slots[position as usize - 1].deadline),
        }
    }

    /// The earliest deadline of all.
    #[inline]
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.len == 0 { None } else { Some(self.slots.as_ref()[0].deadline) }
    }

    /// Takes out the key with the earliest deadline, if that is not after `now`.
    #[inline]
    pub fn pop_expired(&mut self, now: Instant) -> Option<usize> {
        let first = self.slots.as_ref().first()?;
        if self.len == 0 || first.deadline > now {
            return None;
        }
        let key = first.key as usize;
        self.cancel(key);
        Some(key)
    }

    /// How many keys have a deadline.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no key has a deadline.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many keys can have a deadline.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.as_ref().len()
    }
}

/// Puts the entry of a deadline and a key where it belongs, starting from `position`, whose own
/// entry is gone: up while it is earlier than its parent, else down while a child is earlier than
/// it.
fn settle(slots: &mut [TimerSlot], len: usize, mut position: usize, deadline: Instant, key: u32) {
    while position > 0 {
        let parent = (position - 1) / ARITY;
        let above = slots[parent];
        if above.deadline <= deadline {
            break;
        }
        put(slots, position, above.deadline, above.key);
        position = parent;
    }
    loop {
        let (mut earliest, mut deadline) = (position, deadline);
        let mut child = position * ARITY + 1;
        let end = len.min(child + ARITY);
        while child < end {
            if slots[child].deadline < deadline {
                (earliest, deadline) = (child, slots[child].deadline);
            }
            child += 1;
        }
        if earliest == position {
            break;
        }
        put(slots, position, deadline, slots[earliest].key);
        position = earliest;
    }
    put(slots, position, deadline, key);
}

/// Stands an entry at `position`, and tells its key so.
#[allow(clippy::cast_possible_truncation, reason = "a position is below the capacity, as a key is")]
fn put(slots: &mut [TimerSlot], position: usize, deadline: Instant, key: u32) {
    slots[position].deadline = deadline;
    slots[position].key = key;
    slots[key as usize].position = position as u32 + 1;
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
}
