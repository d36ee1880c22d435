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
            let first = self.list.first;
            self.poll_rest(first, events);
            // The sources before this position are next.
            if !self.resumes && first > 0 && events.room() > 0 {
                self.poll_rest(0, events);
            }
        }
        if events.len() == before {
            if deadline == Some(self.ration.expired_clock()) {
                self.poll_rest(0, events);
            } else {
                let count = self.poll_host(0, events, deadline);
                if !self.resumes {
                    // ration: the report may lack others. Those come first in the next batch.
                    self.list.begin_at(count);
                    let may_lack = count >= CROWD || self.ration.was_renewed();
                    if may_lack && self.ration.is_used_up() {
                        self.poll_rest(count, events);
                    }
                }
            }
        }
        if self.closing > 0 {
            self.drop_closed();
        }
        events.len() - before
    }

    /// Adds the ready sources from this position in the list on, as far as there is room, without
    /// blocking.
    fn poll_rest(&mut self, from: usize, events: &mut Events<'_>) {
        let mut next = from;
        let mut is_renewed = false;
        self.resumes = false;
        loop {
            let count = self.poll_host(next, events, Some(self.ration.expired_clock()));
            next += count;
            if self.resumes {
                return;
            }
            if (is_renewed && count == 0) || !self.ration.is_used_up() {
                break;
            }
            // ration: the report lacks others. Those keep their turn if the batch is full.
            if events.room() == 0 {
                self.resumes = true;
                self.list.begin_at(next);
                return;
            }
            is_renewed = true;
        }
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
        // host-order: move the ready items together.
        let count = self.list.compact_ready(from, &mut self.ready[..found]);
        self.resumes |= self.list.report(&self.ready[..count], events);
        count
    }
}
