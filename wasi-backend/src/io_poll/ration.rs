//! How to get along with a host that rations what a program may do before it sleeps: quirk (g) of
//! `mod.rs`.
//!
//! The ration of wasmtime belongs to its scheduler, which means to keep its tasks from hogging a
//! thread. It is of 128 steps: a poll takes one for each source or clock that it finds ready, and
//! on wasmtime 48 each look for room to write takes one or two. Without a step left, nothing is
//! found ready. A program gets the next ration when it really sleeps, which it does when it polls
//! and nothing at all is found ready. What follows from that:
//!
//! * A report may be a part of what is ready, and the host looks in an order of its own, so that
//!   the last of more than 128 sources would never be heard of. Where that can be, the ration is
//!   renewed, and the rest asked for.
//! * With 128 or more connections ready to be written to, a program that writes when it is told to
//!   never gets anywhere. On a host where that happens, a share is served at a time, with a new
//!   ration each.
//!
//! To renew a ration is to use it up on purpose, by polling clocks that have struck; the poll after
//! that sleeps.

use crate::imports::{self, Handle};
use crate::watched::Owner;

/// How many steps of a ration are sure to be there: others than the polls and writes here take some
/// too.
const RATION: usize = 100;
/// How many polls use a ration up for certain, with another that began meanwhile. A host that needs
/// more has none.
const POLLS_MAX: usize = 12;
/// How many steps a write takes at most.
const WRITE: usize = 3;
/// How many sources are served with one ration: a step each to poll and to ask for room, two to
/// write, and some to spare.
const SHARE: usize = 24;
/// How many broken promises after one poll are more than coincidence.
const BROKEN_MIN: usize = 8;
/// How many clocks there are to use a ration up with. A ration is no multiple of it: a poll that
/// comes when the last step has just been taken sleeps and finds all of them ready, so that nothing
/// is noticed until the end of the next ration.
const CLOCKS: usize = 24;
/// How far in the future they strike when they are made, in nanoseconds: only then do they take
/// steps.
const MOMENT: u64 = 1_000_000;

/// What is known of the host.
#[derive(Debug)]
pub(super) struct Ration {
    /// They have struck.
    clocks: [Handle; CLOCKS],
    /// How many steps were taken since the ration was renewed, if nobody has slept meanwhile.
    spent: usize,
    /// How much the last poll found ready.
    found: usize,
    /// How many events the last poll gave.
    reported: usize,
    /// How many reads and writes have found nothing since, although the poll had promised
    /// something.
    broken: usize,
    /// Whether only a share is served at a time.
    is_scarce: bool,
}

impl Ration {
    /// A host that is generous, until it shows otherwise.
    pub(super) fn new() -> Self {
        let moment = imports::now().saturating_add(MOMENT);
        let clocks = [(); CLOCKS].map(|()| imports::subscribe_instant(moment));
        Self { clocks, spent: 0, found: 0, reported: 0, broken: 0, is_scarce: false }
    }

    /// A clock that has struck.
    pub(super) const fn past(&self) -> Handle {
        self.clocks[0]
    }

    /// Notes that a poll has found so much ready.
    pub(super) const fn found(&mut self, count: usize) {
        self.found = count;
        self.spent = self.spent.saturating_add(count);
    }

    /// Notes a write.
    pub(super) const fn wrote(&mut self) {
        self.spent = self.spent.saturating_add(WRITE);
    }

    /// Whether the last poll may have had no step left for something that is ready.
    pub(super) const fn is_used_up(&self) -> bool {
        self.spent > RATION
    }

    /// Whether that may be so after another one.
    pub(super) const fn is_short(&self) -> bool {
        self.spent > 0 && self.spent.saturating_add(self.found) > RATION
    }

    /// Notes that a poll has given this many events.
    pub(super) const fn reported(&mut self, count: usize) {
        self.reported = count;
        self.broken = 0;
    }

    /// Notes that a read or a write has found nothing. If that was promised for most that was
    /// reported, steps are scarce.
    pub(super) const fn found_nothing(&mut self, promised: bool) {
        self.broken += promised as usize;
        if self.broken >= BROKEN_MIN && self.broken * 2 > self.reported {
            self.is_scarce = true;
        }
    }

    /// How many of `count` sources to serve now. There are steps for them.
    pub(super) fn share(&mut self, count: usize) -> usize {
        if !self.is_scarce || count <= SHARE {
            return count;
        }
        self.renew();
        SHARE
    }

    /// Uses up the ration, and sleeps for a new one.
    #[cold]
    pub(super) fn renew(&mut self) {
        let mut ready = [Owner(0); CLOCKS];
        for _ in 0..POLLS_MAX {
            // Fewer than have struck: that was the last of the ration. The next poll has none, and
            // sleeps.
            if imports::poll(&self.clocks, &mut ready).is_none_or(|count| count < CLOCKS) {
                imports::poll(&self.clocks[..1], &mut ready);
                break;
            }
        }
        self.spent = 0;
    }

    /// Gives the clocks back.
    pub(super) fn drop_clocks(&mut self) {
        self.clocks.into_iter().for_each(|clock| imports::drop_pollable(clock));
    }
}
