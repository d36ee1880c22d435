//! The source of all chance: one seed.

use alloc::vec::Vec;

/// A small generator of reproducible numbers (`SplitMix64`, by Sebastiano Vigna, in the public
/// domain).
///
/// Its numbers are the same on every machine and in every version of this crate, so that a seed in
/// a bug report stays true.
///
/// It can be [given choices](Self::with_choices), which it draws before any numbers of its own. So
/// a fuzzer decides what happens, for as long as it has an opinion.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
    /// Choices that are drawn first: a byte for each number.
    choices: Vec<u8>,
    /// Number of of the choices have been drawn.
    drawn: usize,
}

impl Random {
    /// Makes the generator of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed, choices: Vec::new(), drawn: 0 }
    }

    /// Returns the same generator, which draws these choices first. Of any range a byte of 0
    /// chooses the lowest number, and one of 255 about the highest.
    #[must_use]
    pub fn with_choices(self, choices: impl IntoIterator<Item = u8>) -> Self {
        Self { choices: choices.into_iter().collect(), drawn: 0, ..self }
    }

    /// Draws the next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        if self.drawn < self.choices.len() {
            return self.choice();
        }
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// Draws the next choice: the byte repeated, since ranges are chosen from by the highest bits.
    #[cold]
    const fn choice(&mut self) -> u64 {
        let byte = self.choices.as_slice()[self.drawn];
        self.drawn += 1;
        u64::from_ne_bytes([byte; 8])
    }

    /// Draws a number below `bound`, or 0 if that is 0. The bias of the simple reduction does not
    /// matter.
    pub const fn below(&mut self, bound: u64) -> u64 {
        let wide = (self.bits() as u128) * (bound as u128);
        (wide >> 64) as u64
    }

    /// Draws a number from `low` to `high`, both included.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Draws an index below `len`.
    #[allow(clippy::cast_possible_truncation, reason = "an index below a length fits")]
    pub const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Draws true with a chance of `per_mille` in a thousand.
    ///
    /// Draws one number at any chance, so that a chance that is turned to zero shifts
    /// nothing that follows.
    pub const fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// Derives a generator that is independent of how often this one is used. It has no choices.
    #[must_use]
    pub const fn fork(&self, label: u64) -> Self {
        Self::new(mix(self.state ^ mix(label.wrapping_add(0xA076_1D64_78BD_642F))))
    }
}

/// Scatters the bits of a number.
#[must_use]
pub(crate) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn draws_its_choices_first() {
        let mut random = Random::new(1_234_567).with_choices([0, 255, 128]);
        assert_eq!([random.below(10), random.below(10), random.below(10)], [0, 9, 5]);
        assert_eq!(
            random.bits(),
            6_457_827_717_110_365_317,
            "then its own numbers, from the first on"
        );
        let mut fork = Random::new(1).with_choices([7]).fork(2);
        assert_eq!(fork.bits(), Random::new(1).fork(2).bits(), "choices are not handed down");
    }

    #[test]
    fn keeps_to_its_bounds() {
        let mut random = Random::new(7);
        for _ in 0..1000 {
            assert!((3..=5).contains(&random.between(3, 5)));
            assert_eq!(random.below(1), 0);
            assert!(!random.chance(0));
            assert!(random.chance(1000));
        }
    }
}
