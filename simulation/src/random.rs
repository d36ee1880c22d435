//! Where all chance comes from: one seed.

/// A small generator of reproducible numbers (`SplitMix64`, by Sebastiano Vigna, in the public domain).
///
/// Its numbers are the same on every machine and in every version of this crate, so that a seed in a bug report stays
/// true.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `bound`, or 0 if that is 0. The bias of the simple reduction does not matter here.
    pub const fn below(&mut self, bound: u64) -> u64 {
        let wide = (self.bits() as u128) * (bound as u128);
        (wide >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// An index below `len`.
    #[allow(clippy::cast_possible_truncation, reason = "an index below a length fits")]
    pub const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Whether something happens that has this chance in a thousand.
    ///
    /// Draws one number whatever the chance is, so that a chance that is turned to zero shifts nothing that follows.
    pub const fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// Another generator, for something that should not shift when this one is used more or less.
    #[must_use]
    pub const fn fork(&self, label: u64) -> Self {
        Self(mix(self.0 ^ mix(label.wrapping_add(0xA076_1D64_78BD_642F))))
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
