//! For hosts that report positions in the list that they were given, in an order of their own.

use super::{Watch, Watched};
use crate::watched::Owner;

impl<T: Watch<Report = Owner>> Watched<'_, T> {
    /// Moves the items that were reported to `from` and behind, and says how many there are. In
    /// `ready`, where the host has named their positions, counting from `from`, are their
    /// owners then. The host may have named items that it was not given, or one twice.
    pub(crate) fn gather(&mut self, from: usize, ready: &mut [Owner]) -> usize {
        // What is moved changes positions, but not owners.
        for report in &mut *ready {
            let position = from.wrapping_add(report.0 as usize);
            *report = if position < self.len { self.owners[position] } else { Owner::NOBODY };
        }
        let mut end = from;
        for &owner in &*ready {
            let Some(entry) = self.handles.find(owner.slot()) else { continue };
            let number = entry.positions[owner.direction() as usize] as usize;
            // Otherwise it has been moved already.
            if number > end {
                self.swap(end, number - 1);
                end += 1;
            }
        }
        for (report, &owner) in ready.iter_mut().zip(&self.owners[from..end]) {
            *report = owner;
        }
        end - from
    }

    /// Lets two items change places.
    fn swap(&mut self, one: usize, other: usize) {
        self.items.swap(one, other);
        let owners = (self.owners[one], self.owners[other]);
        self.place(one, owners.1);
        self.place(other, owners.0);
    }
}
