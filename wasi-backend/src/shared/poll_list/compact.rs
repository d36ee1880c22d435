//! Reports that are positions in the list, in an order of the host's own.

use super::{PollList, PollSource};
use crate::shared::poll_list::SubscriptionId;

impl<T: PollSource<Report = SubscriptionId>> PollList<'_, T> {
    /// Moves the reported items to `from` and behind, and returns their number. `ready` has their
    /// positions relative to `from`, and is overwritten with their ids. Unknown and repeated
    /// positions are ignored.
    pub(crate) fn compact_ready(&mut self, from: usize, ready: &mut [SubscriptionId]) -> usize {
        // A move changes positions, but not ids.
        for report in &mut *ready {
            let position = from.wrapping_add(report.0 as usize);
            *report =
                if position < self.len { self.ids[position] } else { SubscriptionId::UNKNOWN };
        }
        let mut end = from;
        for &id in &*ready {
            let Some(entry) = self.sockets.find(id.slot()) else { continue };
            let number = entry.positions[id.direction() as usize] as usize;
            // Otherwise it was moved already.
            if number > end {
                self.swap(end, number - 1);
                end += 1;
            }
        }
        for (report, &id) in ready.iter_mut().zip(&self.ids[from..end]) {
            *report = id;
        }
        end - from
    }

    /// Begins the next report with the item at a position. It may be behind the end, as oneshot
    /// sources leave the list when they are reported.
    pub(crate) fn begin_at(&mut self, position: usize) {
        self.first = position.min(self.len);
    }

    /// Swaps two items.
    fn swap(&mut self, one: usize, other: usize) {
        self.items.swap(one, other);
        let ids = (self.ids[one], self.ids[other]);
        self.set_position(one, ids.1);
        self.set_position(other, ids.0);
    }
}
