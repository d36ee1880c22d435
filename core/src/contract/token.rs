//! The name of a registered source.

use core::cmp::Ordering;
use core::fmt;

/// Names one registered source for as long as it is registered, and nothing else ever after.
///
/// A token is a slot index and the generation of that slot. The index is dense and below the
/// capacity of the [`Registry`](crate::memory::Registry) that issued it, so a side table is a plain
/// array indexed by it. The generation changes each time the slot is issued, so an event that was
/// meant for an earlier tenant of the slot carries a token that no longer matches, and is dropped.
///
/// The first generation is 1; so no live token is ever all zero.
///
/// Aligned to 4 bytes, so that an [`Event`](crate::Event) is twelve: what `epoll` on x86-64 writes
/// for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Token {
    halves: Halves,
}

/// Index and generation as one word, so that they are compared at once. The index is the low half.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C, packed(4))]
struct Halves(u64);

impl Halves {
    #[inline]
    const fn new(index: u32, generation: u32) -> Self {
        Self(((generation as u64) << 32) | index as u64)
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the low half is meant")]
    const fn index(self) -> u32 {
        self.0 as u32
    }

    #[inline]
    const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl Token {
    /// Builds a token from its two halves.
    ///
    /// Only a registry issues tokens that mean something; this is for backends that rebuild one
    /// from a side table, and for tests.
    #[inline]
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { halves: Halves::new(index, generation) }
    }

    /// Returns the slot index: dense, and below the capacity.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.slot() as usize
    }

    /// Returns the slot index at its own width.
    #[inline]
    pub(crate) const fn slot(self) -> u32 {
        self.halves.index()
    }

    /// Returns the generation of the slot when it was issued.
    #[inline]
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.halves.generation()
    }

    /// Returns the token as one word, as a kernel carries it in its user data: the index is the low
    /// half.
    #[inline]
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        ((self.generation() as u64) << 32) | self.slot() as u64
    }

    /// Returns the token that [`to_u64`](Self::to_u64) gave.
    #[inline]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the low half is the index")]
    pub const fn from_u64(word: u64) -> Self {
        Self::new(word as u32, (word >> 32) as u32)
    }
}

/// By index, then by generation.
impl Ord for Token {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.slot(), self.generation()).cmp(&(other.slot(), other.generation()))
    }
}

impl PartialOrd for Token {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({}#{})", self.index(), self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_trip_through_a_word() {
        let token = Token::new(u32::MAX, 0x8000_0001);
        assert_eq!(Token::from_u64(token.to_u64()), token);
        assert_eq!(token.index(), u32::MAX as usize);
        assert_eq!(token.generation(), 0x8000_0001);
    }

    #[test]
    fn comes_in_the_order_of_slots_then_of_generations() {
        assert!(Token::new(1, 2) < Token::new(2, 1));
        assert!(Token::new(1, 1) < Token::new(1, 2));
    }
}
