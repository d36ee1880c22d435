//! Which source, and in which direction: what hosts are told and hand back.

use crate::direction::Direction;

/// A source in one direction: the place of the source, and in the lowest bit the direction.
///
/// Hosts hand these back, so one that was not issued here is no more than one that nothing is found
/// under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Owner(pub(crate) u32);

impl Owner {
    /// No source: there are less places than that.
    pub(crate) const NOBODY: Self = Self(u32::MAX);

    /// A source in either direction.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "there are less than 2^31 places")]
    pub(crate) fn both(slot: usize) -> impl Iterator<Item = Self> {
        let first = (slot as u32) << 1;
        (0..2).map(move |direction| Self(first | direction))
    }

    /// The place of the source.
    #[inline]
    pub(crate) const fn slot(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// The direction.
    #[inline]
    pub(crate) const fn direction(self) -> Direction {
        if self.0 & 1 == 0 { Direction::Read } else { Direction::Write }
    }
}
