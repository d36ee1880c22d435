//! The index of the token that each socket is registered under.

use selkie_core::{Error, ErrorKind, Token};

use super::source::RawSource;
use crate::memory::{Zeroable, try_zeroed_slice};

/// Returns 0: the size of a table does not depend on a limit of the process.
#[expect(clippy::unnecessary_wraps, reason = "other systems can fail at this")]
pub(crate) const fn hard_limit() -> Result<u64, Error> {
    Ok(0)
}

/// A place of the table.
#[derive(Clone, Copy, Debug)]
struct Place {
    source: RawSource,
    /// Index of the token, + 1; 0 in an empty place.
    index: u32,
}

// SAFETY: a struct of integers.
unsafe impl Zeroable for Place {}

/// A hash table from a socket to the index of its token: sockets are handles, which may be large
/// numbers. With it a backend refuses a socket that is registered already, and a token with a
/// socket that is not its own.
///
/// A socket stands at the place of its hash, or at the next one that was free. There are at least
/// twice as many places as sockets, so the way is short. It is made once, and never grows.
#[derive(Debug)]
pub(crate) struct SourceIndex {
    /// A power of two.
    places: Box<[Place]>,
}

impl SourceIndex {
    /// Makes an empty table for `capacity` sockets.
    pub(crate) fn new(capacity: usize) -> Result<Self, Error> {
        let places = Self::places(capacity).ok_or(Error::new(ErrorKind::OutOfMemory))?;
        Ok(Self { places: try_zeroed_slice(places)? })
    }

    /// Returns the bytes of a table for `capacity` sockets.
    pub(crate) fn memory(capacity: usize, _hard_limit: u64) -> usize {
        Self::places(capacity).unwrap_or(usize::MAX).saturating_mul(size_of::<Place>())
    }

    /// Returns the number of places for `capacity` sockets.
    fn places(capacity: usize) -> Option<usize> {
        capacity.max(1).checked_mul(2).and_then(usize::checked_next_power_of_two)
    }

    /// Checks that `source` can be registered: [`ErrorKind::AlreadyRegistered`] if it is.
    pub(crate) fn check_vacant(&self, source: RawSource) -> Result<(), Error> {
        match self.places[self.find(source)].index {
            0 => Ok(()),
            _ => Err(Error::new(ErrorKind::AlreadyRegistered)),
        }
    }

    /// Records a socket that [`check_vacant`](Self::check_vacant) allowed.
    pub(crate) fn insert(&mut self, source: RawSource, token: Token) {
        let place = self.find(source);
        self.places[place] = Place { source, index: stored(token) };
    }

    /// Checks that `source` is registered under `token`: [`ErrorKind::InvalidSource`] if not.
    #[inline]
    pub(crate) fn check(&self, source: RawSource, token: Token) -> Result<(), Error> {
        if self.places[self.find(source)].index == stored(token) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::InvalidSource))
        }
    }

    /// Removes a socket. What stands behind it moves up, so that no way is interrupted.
    pub(crate) fn remove(&mut self, source: RawSource) {
        let mut gap = self.find(source);
        let mut next = gap;
        loop {
            self.places[gap].index = 0;
            loop {
                next = self.after(next);
                if self.places[next].index == 0 {
                    return;
                }
                let first = self.first(self.places[next].source);
                // It may move into the gap if its way leads over the gap.
                if self.distance(first, next) >= self.distance(gap, next) {
                    break;
                }
            }
            self.places[gap] = self.places[next];
            gap = next;
        }
    }

    /// Returns the index of the token of `source`.
    #[inline]
    pub(crate) fn index(&self, source: RawSource) -> Option<usize> {
        (self.places[self.find(source)].index as usize).checked_sub(1)
    }

    /// Returns the place of `source`, or the empty one at which it would stand.
    #[inline]
    fn find(&self, source: RawSource) -> usize {
        let mut place = self.first(source);
        while self.places[place].index != 0 && self.places[place].source != source {
            place = self.after(place);
        }
        place
    }

    /// Returns the place of a hash. Handles are multiples of four.
    #[inline]
    const fn first(&self, source: RawSource) -> usize {
        #[allow(clippy::unnecessary_cast, reason = "the number has 32 bits on some systems")]
        let hash = (source as u64 >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & (self.places.len() - 1)
    }

    /// Returns the place behind another.
    #[inline]
    const fn after(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// Returns the number of steps between two places.
    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.places.len() - 1)
    }
}

/// Returns the entry for the index of a token: + 1, so that 0 means none. No memory is large enough
/// for a table with the index 2^32 - 1.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the index of a token has 32 bits")]
const fn stored(token: Token) -> u32 {
    (token.index() as u32).wrapping_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_one_token() {
        let mut table = SourceIndex::new(8).unwrap();
        let token = Token::new(7, 1);
        assert_eq!(table.check_vacant(3), Ok(()));
        table.insert(3, token);
        assert_eq!(table.check_vacant(3), Err(ErrorKind::AlreadyRegistered.into()));
        assert_eq!(table.check(3, token), Ok(()));
        assert_eq!(table.check(4, token), Err(ErrorKind::InvalidSource.into()));
        assert_eq!(table.check(3, Token::new(6, 1)), Err(ErrorKind::InvalidSource.into()));
        assert_eq!(table.index(3), Some(7));
        table.remove(3);
        assert_eq!((table.index(3), table.check_vacant(3)), (None, Ok(())));
    }

    #[test]
    fn a_full_table_finds_every_socket_while_others_come_and_go() {
        const CAPACITY: u32 = 64;
        let mut table = SourceIndex::new(CAPACITY as usize).unwrap();
        let source = |index: u32, round: u32| RawSource::from(4 * (index * 977 + round * 131));
        for index in 0..CAPACITY {
            table.insert(source(index, 0), Token::new(index, 1));
        }
        for round in 0..200 {
            for index in 0..CAPACITY {
                assert_eq!(table.index(source(index, round)), Some(index as usize));
                table.remove(source(index, round));
                assert_eq!(table.index(source(index, round)), None);
                table.insert(source(index, round + 1), Token::new(index, 1));
            }
        }
    }
}
