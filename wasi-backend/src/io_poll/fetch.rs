//! How a batch of events comes about: as many calls of the host as its ration and its order ask
//! for. The quirks are those of `mod.rs`.

use selkie_core::Events;

use super::IoPoll;
use crate::imports::{self, Handle};

/// How many sources of one report are a crowd: the host may have kept others behind them from us.
/// (g)
const CROWD: usize = 64;

impl IoPoll<'_> {
    /// Waits until `deadline`, or without an end if there is none, adds what is ready to `events`
    /// and says how much that is.
    pub(super) fn fetch(&mut self, events: &mut Events<'_>, deadline: Option<Handle>) -> usize {
        let before = events.len();
        if self.resumes {
            self.sweep(self.watched.first, events);
            if self.resumes && self.watched.first == 0 && events.room() > 0 {
                self.sweep(0, events);
            }
        }
        if events.len() == before {
            if deadline == Some(self.ration.past()) {
                self.sweep(0, events);
            } else {
                let count = self.ask(0, events, deadline);
                if count >= CROWD && !self.resumes {
                    self.ration.renew();
                    self.sweep(count, events);
                }
            }
        }
        if self.closing > 0 {
            self.drop_closed();
        }
        self.ration.reported(events.len() - before);
        events.len() - before
    }

    /// Adds all that is ready from this place in the list on, as far as there is room, without
    /// blocking.
    fn sweep(&mut self, from: usize, events: &mut Events<'_>) {
        let mut next = from;
        self.resumes = false;
        // What a report leaves out would lose its turn.
        if self.ration.is_short() {
            self.ration.renew();
        }
        loop {
            next += self.ask(next, events, Some(self.ration.past()));
            if self.resumes {
                return;
            }
            if !self.ration.is_used_up() {
                break;
            }
            self.ration.renew();
        }
        // What stands before is next.
        self.resumes = from > 0;
        self.watched.first = 0;
    }

    /// One call of the host, for those that stand at `from` in the list and behind. Those that are
    /// ready come to stand at `from`; says how many there are.
    fn ask(&mut self, from: usize, events: &mut Events<'_>, deadline: Option<Handle>) -> usize {
        let len = self.watched.len;
        let from = from.min(len);
        let mut end = len;
        if let Some(deadline) = deadline {
            self.watched.items[end] = deadline;
            end += 1;
        }
        // (a)
        if from == end {
            return 0;
        }
        let found = imports::poll(&self.watched.items[from..end], self.ready).unwrap_or(0);
        self.ration.found(found);
        // (b)
        let count = self.watched.gather(from, &mut self.ready[..found]);
        let share = self.ration.share(count);
        self.watched.first = from;
        let left_out = self.watched.collect(&self.ready[..share], events);
        if share < count && !left_out {
            self.watched.first = from + share;
        }
        self.resumes |= left_out || share < count;
        count
    }
}
