//! Reports of a host as events of a batch.

use selkie_core::platform::Events;
use selkie_core::{Event, Interest};

use super::{PollList, PollSource};
use crate::shared::socket_table::Source;

impl<T: PollSource> PollList<'_, T> {
    /// Adds reported sources to `events`, as far as there is room, and returns whether some were
    /// left out. Reports about unknown items are ignored.
    pub(crate) fn report(&mut self, reports: &[T::Report], events: &mut Events<'_>) -> bool {
        self.first = if self.first < self.len { self.first } else { 0 };
        let first = self.first;
        let before = events.len();
        let mut left_out = false;
        let mut is_behind = false;
        'batch: loop {
            for report in reports {
                let id = T::id(report);
                let Some(entry) = self.sockets.find(id.slot()) else { continue };
                let number = entry.positions[id.direction() as usize] as usize;
                if number == 0 || (number <= first) != is_behind {
                    continue;
                }
                let readiness = entry.platform.readiness(report, id.direction());
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
            // It is registered, since its source was found.
            let slot = self.token_slots[event.token.index()] as usize - 1;
            // Both directions of a source are in one event, so disarm it after all reports.
            if self.sockets.at(slot).oneshot {
                self.arm(slot, Interest::NONE);
            }
        }
        left_out
    }
}

/// Adds an event for a source, or merges it with its event in the batch. Returns whether there was
/// room.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a batch of 2^32 events would not fit into memory"
)]
fn push<T>(entry: &mut Source<T>, event: Event, events: &mut Events<'_>) -> bool {
    if events.merge(entry.batch_position as usize, event) {
        return true;
    }
    entry.batch_position = events.len() as u32;
    events.push(event).is_ok()
}
