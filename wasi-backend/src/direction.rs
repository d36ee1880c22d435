//! The two directions of a source.

use selkie_core::{Interest, Readiness};

/// A direction of a source, which is a place in arrays of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the peer.
    Read = 0,
    /// To the peer.
    Write = 1,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];

    /// What a source that is ready in this direction is ready for.
    #[inline]
    pub(crate) const fn readiness(self) -> Readiness {
        match self {
            Self::Read => Readiness::READABLE,
            Self::Write => Readiness::WRITABLE,
        }
    }

    /// Whether a source with this interest is waited for in this direction.
    #[inline]
    pub(crate) const fn is_in(self, interest: Interest) -> bool {
        match self {
            Self::Read => interest.contains(Interest::READABLE),
            Self::Write => interest.contains(Interest::WRITABLE),
        }
    }
}

/// A source in one direction: the place of the source, and in the lowest bit the direction.
///
/// Hosts hand these back, so one that was not issued here is no more than one that nothing is found under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Owner(pub(crate) u32);

impl Owner {
    /// No source: there are less places than that.
    pub(crate) const NOBODY: Self = Self(u32::MAX);

    /// A source in one direction.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "there are less than 2^31 places")]
    pub(crate) const fn new(slot: usize, direction: Direction) -> Self {
        Self((slot as u32) << 1 | direction as u32)
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
