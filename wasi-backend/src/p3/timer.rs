//! The one timer: a call of `wait-until` in flight.

use selkie_core::Instant;

use super::abi;

/// The timer. It stays in flight while it is due no later than the deadline of the wait, so a
/// deadline that moves on with every byte costs one call when it would have passed, and none
/// before.
#[derive(Debug)]
pub(super) struct Timer {
    /// The call in flight, or 0.
    subtask: u32,
    /// The time when it returns.
    due: Instant,
}

impl Timer {
    /// Creates a timer that is not in flight.
    pub(super) const fn new() -> Self {
        Self { subtask: 0, due: Instant::ZERO }
    }

    /// Returns whether the timer is in flight.
    pub(super) const fn is_set(&self) -> bool {
        self.subtask != 0
    }

    /// Makes the set have an event at `deadline` at the latest. Returns false if the deadline has
    /// passed.
    pub(super) fn set(&mut self, set: u32, deadline: Instant) -> bool {
        if self.is_set() && self.due <= deadline {
            return true;
        }
        self.cancel();
        let word = abi::wait_until(deadline.as_nanos());
        let (state, subtask) = (word & 0xf, word >> 4);
        if state == abi::SUBTASK_RETURNED {
            return false;
        }
        abi::waitable_join(subtask, set);
        (self.subtask, self.due) = (subtask, deadline);
        true
    }

    /// Processes the event of a subtask. Returns whether it is the one of the timer.
    pub(super) fn take(&mut self, subtask: u32, state: u32) -> bool {
        let mine = self.subtask == subtask;
        if mine && state == abi::SUBTASK_RETURNED {
            abi::subtask_drop(subtask);
            self.subtask = 0;
        }
        mine
    }

    /// Cancels the call in flight. cancel-in-set: it leaves the set first.
    pub(super) fn cancel(&mut self) {
        if self.is_set() {
            abi::waitable_join(self.subtask, 0);
            abi::subtask_cancel(self.subtask);
            abi::subtask_drop(self.subtask);
            self.subtask = 0;
        }
    }
}
