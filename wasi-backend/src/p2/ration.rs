//! The steps that a host allows between two sleeps: the quirk "ration" of `mod.rs`.
//!
//! The ration belongs to wasmtime's scheduler, which keeps its tasks from occupying a thread. It
//! has 128 steps. A poll takes one for each source or clock that is ready, and since wasmtime 48
//! each look for room to write takes one or two. Without a step left, nothing is found ready. A
//! program gets the next ration when it sleeps, which it does in a poll that finds nothing ready.
//! Two consequences:
//!
//! * A report may be incomplete, and the host looks in a fixed order, so the last of more than 128
//!   sources would never be reported. Where that is possible, the ration is tested, and if it is
//!   used up the rest is polled: that poll sleeps.
//! * With some 40 clients that are answered at once, the others find no room to write. To wait for
//!   room would take a poll of all sources and another look. So a write without room polls an
//!   expired clock: if the ration is used up, that poll sleeps, and the second look has a new one.
//!
//! The steps cannot be counted, since other calls of the program take some too. The test is a poll
//! of a clock that takes a step and of one that takes none: the ration is used up if the first is
//! not reported.

use crate::p2::imports::{self, Handle, StreamError};
use crate::shared::poll_list::SubscriptionId;

/// Time from the making of a clock to its expiry, in nanoseconds: only then does it take steps.
const MOMENT: u64 = 1_000_000;

/// The state of the host's ration.
#[derive(Debug)]
pub(super) struct Ration {
    /// Expired clocks: one that takes a step, and one that takes none.
    clocks: [Handle; 2],
    /// Set if a write has found room with a new ration only.
    is_renewed: bool,
}

impl Ration {
    /// Creates the state of a host.
    pub(super) fn new() -> Self {
        let moment = imports::now().saturating_add(MOMENT);
        // expired-at-birth: the second one is reported without a step.
        let clocks = [moment, 0].map(|when| imports::subscribe_instant(when));
        Self { clocks, is_renewed: false }
    }

    /// Returns a clock that has expired.
    pub(super) const fn expired_clock(&self) -> Handle {
        self.clocks[0]
    }

    /// Returns whether no step is left, so that the last poll may have left out ready items. Then
    /// the next poll that reports nothing else sleeps, and has a new ration.
    #[cold]
    pub(super) fn is_used_up(&self) -> bool {
        let mut ready = [SubscriptionId(0); 2];
        imports::poll(&self.clocks, &mut ready).is_some_and(|count| count < self.clocks.len())
    }

    /// Returns whether a ration was used up by writes since the last call, so that the poll after
    /// them may have had few steps.
    pub(super) const fn was_renewed(&mut self) -> bool {
        core::mem::replace(&mut self.is_renewed, false)
    }

    /// Returns the largest number of bytes of the next write to a stream; 0 only if the host has no
    /// room, and not if it has no step left.
    pub(super) fn check_write(&mut self, output: Handle) -> Result<u64, StreamError> {
        match imports::check_write(output) {
            Ok(0) => {
                imports::poll(&self.clocks[..1], &mut [SubscriptionId(0)]);
                let permit = imports::check_write(output);
                self.is_renewed |= permit != Ok(0);
                permit
            }
            permit => permit,
        }
    }

    /// Drops the clocks.
    pub(super) fn drop_clocks(&mut self) {
        self.clocks.into_iter().for_each(|clock| imports::drop_pollable(clock));
    }
}
