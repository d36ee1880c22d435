//! One batch of events, from as many host calls as its ration and its order require. `mod.rs` lists
//! the quirks.

use selkie_core::platform::Events;

use super::IoPoll;
use crate::p2::imports::{self, Handle};

/// Number of sources in one report from which on the host may have left out others (ration).
const CROWD: usize = 64;

impl IoPoll<'_> {
    /// Waits until `deadline`, or without limit if there is none, adds ready sources to `events`
    /// and returns their number. One call may return early and without events.
    pub(super) fn wait_once(&mut self, events: &mut Events<'_>, deadline: Option<Handle>) -> usize {
        let before = events.len();
        if self.resumes {
            self.poll_rest(self.list.first, events);
            if self.resumes && self.list.first == 0 && events.room() > 0 {
                self.poll_rest(0, events);
            }
        }
        if events.len() == before {
            if deadline == Some(self.ration.expired_clock()) {
                self.poll_rest(0, events);
            } else {
                let count = self.poll_host(0, events, deadline);
                if count >= CROWD && !self.resumes {
                    self.ration.renew();
                    self.poll_rest(count, events);
                }
            }
        }
        if self.closing > 0 {
            self.drop_closed();
        }
        self.ration.record_report(events.len() - before);
        events.len() - before
    }

    /// Adds the ready sources from this position in the list on, as far as there is room, without
    /// blocking.
    fn poll_rest(&mut self, from: usize, events: &mut Events<'_>) {
        let mut next = from;
        self.resumes = false;
        // A source that a report leaves out would lose its turn.
        if self.ration.is_short() {
            self.ration.renew();
        }
        loop {
            next += self.poll_host(next, events, Some(self.ration.expired_clock()));
            if self.resumes {
                return;
            }
            if !self.ration.is_used_up() {
                break;
            }
            self.ration.renew();
        }
        // The sources before this position are next.
        self.resumes = from > 0;
        self.list.first = 0;
    }

    /// Makes one host call for the items from position `from` on. Moves the ready ones to `from`,
    /// and returns their number.
    fn poll_host(
        &mut self,
        from: usize,
        events: &mut Events<'_>,
        deadline: Option<Handle>,
    ) -> usize {
        let len = self.list.len;
        let from = from.min(len);
        let mut end = len;
        if let Some(deadline) = deadline {
            self.list.items[end] = deadline;
            end += 1;
        }
        // empty-list: the call would end the program.
        if from == end {
            return 0;
        }
        let found = imports::poll(&self.list.items[from..end], self.ready).unwrap_or(0);
        self.ration.record_found(found);
        // host-order: move the ready items together.
        let count = self.list.compact_ready(from, &mut self.ready[..found]);
        let share = self.ration.batch_share(count);
        self.list.first = from;
        let left_out = self.list.report(&self.ready[..share], events);
        if share < count && !left_out {
            self.list.first = from + share;
        }
        self.resumes |= left_out || share < count;
        count
    }
}
