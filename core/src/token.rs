//! The name of a registered source.

use core::fmt;

/// Names one registered source for as long as it is registered, and nothing else ever after.
///
/// A token is a slot index and the generation of that slot. The index is dense and below the capacity of the
/// [`Registry`](crate::Registry) that issued it, so a side table is a plain array indexed by it. The generation changes
/// each time the slot is issued or taken back, so an event that was meant for an earlier tenant of the slot carries a
/// token that no longer matches, and is dropped.
///
/// A generation is odd while the slot is live and even while it is vacant; no live token is ever all zero.
///
/// Two halves rather than one word of 64 bits, so that an [`Event`](crate::Event) is twelve bytes: what `epoll` on x86-64
/// writes for one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(C)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    /// Builds a token from its two halves.
    ///
    /// Only a registry issues tokens that mean something; this is for backends that rebuild one from a side table, and
    /// for tests.
    #[inline]
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The slot index: dense, and below the capacity.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// The slot index at its own width.
    #[inline]
    pub(crate) const fn slot(self) -> u32 {
        self.index
    }

    /// The generation of the slot when it was issued.
    #[inline]
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// The token as one word, as a kernel carries it in its user data: the index is the low half.
    #[inline]
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// The token that [`to_u64`](Self::to_u64) gave.
    #[inline]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the low half is the index")]
    pub const fn from_u64(word: u64) -> Self {
        Self::new(word as u32, (word >> 32) as u32)
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
}
