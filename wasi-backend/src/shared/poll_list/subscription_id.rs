//! The number of a source and direction, which hosts return in their reports.

use crate::shared::direction::Direction;

/// A source in one direction: the place of the source, and in the lowest bit the direction.
///
/// Hosts return these, so an unknown one is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct SubscriptionId(pub(crate) u32);

impl SubscriptionId {
    /// No source: there are fewer places.
    pub(crate) const UNKNOWN: Self = Self(u32::MAX);

    /// Returns the ids of both directions of a source.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^31 places")]
    pub(crate) fn both(slot: usize) -> impl Iterator<Item = Self> {
        let first = (slot as u32) << 1;
        (0..2).map(move |direction| Self(first | direction))
    }

    /// Returns the place of the source.
    #[inline]
    pub(crate) const fn slot(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// Returns the direction.
    #[inline]
    pub(crate) const fn direction(self) -> Direction {
        if self.0 & 1 == 0 { Direction::Read } else { Direction::Write }
    }
}
