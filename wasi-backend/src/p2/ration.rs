//! The steps that a host allows between two sleeps: the quirk "ration" of `mod.rs`.
//!
//! The ration belongs to wasmtime's scheduler, which keeps its tasks from occupying a thread. It
//! has 128 steps. A poll takes one for each source or clock that is ready, and on wasmtime 48 each
//! look for room to write takes one or two. Without a step left, nothing is found ready. A program
//! gets the next ration when it sleeps, which it does in a poll that finds nothing ready. Two
//! consequences:
//!
//! * A report may be incomplete, and the host looks in a fixed order, so the last of more than 128
//!   sources would never be reported. Where that is possible, the ration is tested, and if it is
//!   used up the rest is polled: that poll sleeps.
//! * With 128 or more connections ready to be written to, a program that writes on readiness makes
//!   no progress. On a host where that happens, a batch is limited to a share, with a new ration
//!   each. To renew a ration means to use it up by polling expired clocks, and to sleep.
//!
//! The steps cannot be counted, since other calls of the program take some too. The test is a poll
//! of a clock that takes a step and of one that takes none: the ration is used up if the first is
//! not reported.

use crate::p2::imports::{self, Handle};
use crate::shared::poll_list::SubscriptionId;

/// Number of polls that use up a ration for certain, and another that began meanwhile. A host that
/// needs more has no ration.
const POLLS_MAX: usize = 12;
/// Number of sources that are served with one ration: a step each to poll and to ask for room, two
/// to write, and some to spare.
const SHARE: usize = 24;
/// Number of wrong reports in one poll that are more than coincidence.
const BROKEN_MIN: usize = 8;
/// Number of expired clocks, which use up a ration in some polls.
const CLOCKS: usize = 24;
/// Number of clocks in the test of a ration: one that takes a step and one that takes none.
const TESTED: usize = 2;
/// Time from the making of a clock to its expiry, in nanoseconds: only then does it take steps.
const MOMENT: u64 = 1_000_000;

/// The state of the host's ration.
#[derive(Debug)]
pub(super) struct Ration {
    /// Expired clocks. The last one had expired at birth, so it takes no steps.
    clocks: [Handle; CLOCKS + 1],
    /// Number of events from the last poll.
    reported: usize,
    /// Number of reads and writes since then that moved nothing although readiness was reported.
    broken: usize,
    /// Set if a batch is limited to a share.
    is_scarce: bool,
}

impl Ration {
    /// Creates the state of a host without a limit, until it shows one.
    pub(super) fn new() -> Self {
        let moment = imports::now().saturating_add(MOMENT);
        let mut clocks = [0; CLOCKS + 1];
        clocks[..CLOCKS].fill_with(|| imports::subscribe_instant(moment));
        // expired-at-birth: it is reported without a step.
        clocks[CLOCKS] = imports::subscribe_instant(0);
        Self { clocks, reported: 0, broken: 0, is_scarce: false }
    }

    /// Returns a clock that has expired.
    pub(super) const fn expired_clock(&self) -> Handle {
        self.clocks[0]
    }

    /// Returns whether no step is left, so that the last poll may have left out ready items. Then
    /// the next poll that reports nothing else sleeps, and has a new ration.
    #[cold]
    pub(super) fn is_used_up(&self) -> bool {
        let mut ready = [SubscriptionId(0); TESTED];
        let tested = &self.clocks[CLOCKS + 1 - TESTED..];
        imports::poll(tested, &mut ready).is_some_and(|count| count < TESTED)
    }

    /// Records the number of events of a batch.
    pub(super) const fn record_report(&mut self, count: usize) {
        self.reported = count;
        self.broken = 0;
    }

    /// Records that a read or a write moved nothing. If readiness was `reported` for most of those,
    /// steps are scarce.
    pub(super) const fn record_empty(&mut self, reported: bool) {
        self.broken += reported as usize;
        if self.broken >= BROKEN_MIN && self.broken * 2 > self.reported {
            self.is_scarce = true;
        }
    }

    /// Returns how many of `count` sources to report now, and renews the ration if it limits them.
    pub(super) fn batch_share(&self, count: usize) -> usize {
        if !self.is_scarce || count <= SHARE {
            return count;
        }
        self.renew();
        SHARE
    }

    /// Uses up the ration, and sleeps to get a new one.
    #[cold]
    fn renew(&self) {
        let mut ready = [SubscriptionId(0); CLOCKS + 1];
        for _ in 0..POLLS_MAX {
            // Fewer than have expired: the ration is used up, and the next poll sleeps.
            if imports::poll(&self.clocks, &mut ready).is_none_or(|count| count <= CLOCKS) {
                imports::poll(&self.clocks[..1], &mut ready);
                break;
            }
        }
    }

    /// Drops the clocks.
    pub(super) fn drop_clocks(&mut self) {
        self.clocks.into_iter().for_each(|clock| imports::drop_pollable(clock));
    }
}
