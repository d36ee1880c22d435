//! The clock of waits with a deadline.

use crate::imports::{self, Handle};

/// A pollable for a point in time, kept until another point is needed.
#[derive(Debug)]
pub(super) struct Alarm {
    pollable: Handle,
    nanos: u64,
}

impl Alarm {
    pub(super) const NONE: Self = Self { pollable: 0, nanos: 0 };

    /// The pollable for this point in time, if there is one already.
    pub(super) const fn kept(&self, nanos: u64) -> Option<Handle> {
        if self.pollable != 0 && self.nanos == nanos { Some(self.pollable) } else { None }
    }

    /// A pollable for this point in time, in the place of the one before.
    pub(super) fn set(&mut self, nanos: u64) -> Handle {
        self.drop_pollable();
        *self = Self { pollable: imports::subscribe_instant(nanos), nanos };
        self.pollable
    }

    pub(super) fn drop_pollable(&mut self) {
        if self.pollable != 0 {
            imports::drop_pollable(core::mem::take(&mut self.pollable));
        }
    }
}
