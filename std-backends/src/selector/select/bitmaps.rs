//! The sets of descriptors that `select` takes and returns.

use selkie_core::{Error, Readiness};

use crate::memory::try_zeroed_slice;

/// The word of the system's own bitmaps. On big-endian machines the place of a bit depends on the
/// size of the word.
#[cfg(any(target_vendor = "apple", target_os = "netbsd", target_os = "openbsd"))]
type Word = u32;
/// The word of the system's own bitmaps: a `long`.
#[cfg(not(any(target_vendor = "apple", target_os = "netbsd", target_os = "openbsd")))]
type Word = usize;

/// Descriptors in one word.
pub(super) const WORD_BITS: usize = Word::BITS as usize;

/// The flag of each set. The last set is not given to the system.
const SETS: [Readiness; 4] =
    [Readiness::READABLE, Readiness::WRITABLE, Readiness::PRIORITY, Readiness::ERROR];
/// Number of sets that the system takes.
const SETS_OF_SYSTEM: usize = 3;

/// Four flags for each descriptor: readable, writable, exceptional, broken.
#[derive(Debug)]
pub(super) struct Bitmaps {
    sets: [Box<[Word]>; SETS.len()],
}

impl Bitmaps {
    /// Makes empty sets of `words` words.
    pub(super) fn new(words: usize) -> Result<Self, Error> {
        let set = || try_zeroed_slice(words);
        Ok(Self { sets: [set()?, set()?, set()?, set()?] })
    }

    /// Returns the bytes of the bitmaps.
    pub(super) const fn memory(words: usize) -> usize {
        words * SETS.len() * (WORD_BITS / 8)
    }

    /// Sets the flags of a descriptor.
    pub(super) fn set(&mut self, fd: usize, flags: Readiness) {
        let (word, bit) = (fd / WORD_BITS, 1 << (fd % WORD_BITS));
        for (set, flag) in self.sets.iter_mut().zip(SETS) {
            if flags.contains(flag) {
                set[word] |= bit;
            } else {
                set[word] &= !bit;
            }
        }
    }

    /// Returns the flags of a descriptor.
    pub(super) fn get(&self, fd: usize) -> Readiness {
        let (word, bit) = (fd / WORD_BITS, 1 << (fd % WORD_BITS));
        let mut flags = Readiness::NONE;
        for (set, flag) in self.sets.iter().zip(SETS) {
            if set[word] & bit != 0 {
                flags |= flag;
            }
        }
        flags
    }

    /// Returns the first descriptor in `start..end` that is in any set.
    pub(super) fn next(&self, start: usize, end: usize) -> Option<usize> {
        let mut fd = start;
        while fd < end {
            let rest = self.word(fd / WORD_BITS) >> (fd % WORD_BITS);
            if rest != 0 {
                let found = fd + rest.trailing_zeros() as usize;
                return (found < end).then_some(found);
            }
            fd = (fd / WORD_BITS + 1) * WORD_BITS;
        }
        None
    }

    /// Returns the descriptors of a word that are in any set.
    pub(super) fn word(&self, index: usize) -> Word {
        self.sets.iter().fold(0, |all, set| all | set[index])
    }

    /// Copies the first words of `other`.
    pub(super) fn copy_from(&mut self, other: &Self, words: usize) {
        for (set, other) in self.sets.iter_mut().zip(&other.sets) {
            set[..words].copy_from_slice(&other[..words]);
        }
    }

    /// Returns the sets for reading, writing and exceptions, as the system takes them.
    pub(super) fn as_mut_ptrs(&mut self) -> [*mut libc::fd_set; SETS_OF_SYSTEM] {
        let [read, write, except, _] = &mut self.sets;
        [read, write, except].map(|set| set.as_mut_ptr().cast())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_from_anywhere() {
        let mut bitmaps = Bitmaps::new(4).unwrap();
        let both = Readiness::READABLE | Readiness::PRIORITY;
        bitmaps.set(1, both);
        bitmaps.set(WORD_BITS * 3 - 1, Readiness::WRITABLE);
        assert_eq!(bitmaps.get(1), both);
        assert_eq!(bitmaps.next(0, WORD_BITS * 4), Some(1));
        assert_eq!(bitmaps.next(2, WORD_BITS * 4), Some(WORD_BITS * 3 - 1));
        assert_eq!(bitmaps.next(2, WORD_BITS), None);
        assert_eq!(bitmaps.next(WORD_BITS * 3, WORD_BITS * 4), None);
        bitmaps.set(1, Readiness::ERROR);
        assert_eq!(bitmaps.get(1), Readiness::ERROR);
    }

    #[test]
    fn the_bits_are_those_of_the_system() {
        let mut bitmaps = Bitmaps::new(1024_usize.div_ceil(WORD_BITS)).unwrap();
        for fd in [0, 31, 32, 63, 64, 1023] {
            bitmaps.set(fd, Readiness::READABLE);
            let set = bitmaps.as_mut_ptrs()[0];
            // SAFETY: the set has as many bits as the system's own, and the descriptor is below
            // that.
            assert!(unsafe { libc::FD_ISSET(i32::try_from(fd).unwrap(), set) }, "{fd}");
        }
    }
}
