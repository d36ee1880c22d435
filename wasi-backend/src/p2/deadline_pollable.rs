//! The clock of waits with a deadline.

use crate::p2::imports::{self, Handle};

/// A pollable for a point in time, kept until another point is needed.
#[derive(Debug)]
pub(super) struct DeadlinePollable {
    pollable: Handle,
    nanos: u64,
}

impl DeadlinePollable {
    /// No pollable.
    pub(super) const NONE: Self = Self { pollable: 0, nanos: 0 };

    /// Returns the pollable of this point in time, if there is one.
    pub(super) const fn kept(&self, nanos: u64) -> Option<Handle> {
        if self.pollable != 0 && self.nanos == nanos { Some(self.pollable) } else { None }
    }

    /// Creates the pollable of this point in time, and drops the one before.
    pub(super) fn set(&mut self, nanos: u64) -> Handle {
        self.drop_pollable();
        *self = Self { pollable: imports::subscribe_instant(nanos), nanos };
        self.pollable
    }

    /// Drops the pollable.
    pub(super) fn drop_pollable(&mut self) {
        if self.pollable != 0 {
            imports::drop_pollable(core::mem::take(&mut self.pollable));
        }
    }
}
