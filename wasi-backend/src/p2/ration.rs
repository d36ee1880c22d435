//! The steps that a host allows between two sleeps: the quirk "ration" of `mod.rs`.
//!
//! The ration belongs to wasmtime's scheduler, which keeps its tasks from occupying a thread. It
//! has 128 steps. A poll takes one for each source or clock that is ready, and on wasmtime 48 each
//! look for room to write takes one or two. Without a step left, nothing is found ready. A program
//! gets the next ration when it sleeps, which it does in a poll that finds nothing ready. Two
//! consequences:
//!
//! * A report may be incomplete, and the host looks in a fixed order, so the last of more than 128
//!   sources would never be reported. Where that is possible, the ration is renewed and the rest
//!   polled.
//! * With 128 or more connections ready to be written to, a program that writes on readiness makes
//!   no progress. On a host where that happens, a batch is limited to a share, with a new ration
//!   each.
//!
//! Renewing a ration means to use it up by polling expired clocks; the poll after that sleeps.

use crate::p2::imports::{self, Handle};
use crate::shared::poll_list::SubscriptionId;

/// Number of steps that a ration has for certain: other calls than polls and writes take some too.
const RATION: usize = 100;
/// Number of polls that use up a ration for certain, and another that began meanwhile. A host that
/// needs more has no ration.
const POLLS_MAX: usize = 12;
/// Largest number of steps of a write.
const WRITE: usize = 3;
/// Number of sources that are served with one ration: a step each to poll and to ask for room, two
/// to write, and some to spare.
const SHARE: usize = 24;
/// Number of wrong reports in one poll that are more than coincidence.
const BROKEN_MIN: usize = 8;
/// Number of clocks that use up a ration. A ration is no multiple of it: a poll that begins when
/// the last step has just been taken sleeps and finds all of them ready, and the end of the ration
/// would not be noticed.
const CLOCKS: usize = 24;
/// Time from the making of a clock to its expiry, in nanoseconds: only then does it take steps.
const MOMENT: u64 = 1_000_000;

/// The state of the host's ration.
#[derive(Debug)]
pub(super) struct Ration {
    /// Expired clocks.
    clocks: [Handle; CLOCKS],
    /// Number of steps taken since the ration was renewed, if the program has not slept since.
    spent: usize,
    /// Number of ready items in the last poll.
    found: usize,
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
        let clocks = [(); CLOCKS].map(|()| imports::subscribe_instant(moment));
        Self { clocks, spent: 0, found: 0, reported: 0, broken: 0, is_scarce: false }
    }

    /// Returns a clock that has expired.
    pub(super) const fn expired_clock(&self) -> Handle {
        self.clocks[0]
    }

    /// Records the number of ready items in a poll.
    pub(super) const fn record_found(&mut self, count: usize) {
        self.found = count;
        self.spent = self.spent.saturating_add(count);
    }

    /// Records a write.
    pub(super) const fn record_write(&mut self) {
        self.spent = self.spent.saturating_add(WRITE);
    }

    /// Returns whether the last poll may have left out ready items for lack of steps.
    pub(super) const fn is_used_up(&self) -> bool {
        self.spent > RATION
    }

    /// Returns whether the next poll may leave out ready items.
    pub(super) const fn is_short(&self) -> bool {
        self.spent > 0 && self.spent.saturating_add(self.found) > RATION
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
    pub(super) fn batch_share(&mut self, count: usize) -> usize {
        if !self.is_scarce || count <= SHARE {
            return count;
        }
        self.renew();
        SHARE
    }

    /// Uses up the ration, and sleeps to get a new one.
    #[cold]
    pub(super) fn renew(&mut self) {
        let mut ready = [SubscriptionId(0); CLOCKS];
        for _ in 0..POLLS_MAX {
            // Fewer than have expired: the ration is used up, and the next poll sleeps.
            if imports::poll(&self.clocks, &mut ready).is_none_or(|count| count < CLOCKS) {
                imports::poll(&self.clocks[..1], &mut ready);
                break;
            }
        }
        self.spent = 0;
    }

    /// Drops the clocks.
    pub(super) fn drop_clocks(&mut self) {
        self.clocks.into_iter().for_each(|clock| imports::drop_pollable(clock));
    }
}
