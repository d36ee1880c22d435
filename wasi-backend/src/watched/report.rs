//! From what a host reports to a batch of events.

use selkie_core::{Event, Events, Interest};

use super::{Watch, Watched};
use crate::handles::Entry;

impl<T: Watch> Watched<'_, T> {
    /// Adds what was reported to `events`, as far as there is room, and says whether something was
    /// left out. What the host says of items that it was not given is ignored.
    pub(crate) fn collect(&mut self, reports: &[T::Report], events: &mut Events<'_>) -> bool {
        self.first = if self.first < self.len { self.first } else { 0 };
        let first = self.first;
        let before = events.len();
        let mut left_out = false;
        let mut is_behind = false;
        'batch: loop {
            for report in reports {
                let owner = T::owner(report);
                let Some(entry) = self.handles.find(owner.slot()) else { continue };
                let number = entry.positions[owner.direction() as usize] as usize;
                if number == 0 || (number <= first) != is_behind {
                    continue;
                }
                let readiness = entry.platform.readiness(report, owner.direction());
                if readiness.is_empty() {
                    continue;
                }
                if !push(entry, Event { token: entry.token, readiness }, events) {
                    (self.first, left_out) = (number - 1, true);
                    break 'batch;
                }
            }
            if is_behind {
                break;
            }
            is_behind = true;
        }
        for event in &events.as_slice()[before..] {
            // It is there, since its source was found.
            let slot = self.places[event.token.index()] as usize - 1;
            // Both directions of a source are reported at once, so only now does it fall silent.
            if self.handles.at(slot).oneshot {
                self.arm(slot, Interest::NONE);
            }
        }
        left_out
    }
}

/// Adds an event for a source, to the one that the batch has for it already if there is one. Says
/// whether there was room.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a batch of 2^32 events would not fit into memory"
)]
fn push<T>(entry: &mut Entry<T>, event: Event, events: &mut Events<'_>) -> bool {
    if events.merge(entry.mark as usize, event) {
        return true;
    }
    entry.mark = events.len() as u32;
    events.push(event).is_ok()
}
