//! The index of the token that each descriptor is registered under.

use std::os::fd::RawFd;

use selkie_core::{Error, ErrorKind, Token};

use crate::memory::try_zeroed_slice;
use crate::sys::errno;

/// Largest number of entries. Some systems report a limit of a thousand million descriptors.
const DESCRIPTORS_MAX: u64 = 1 << 22;

/// Returns the process's hard limit of descriptors.
pub(crate) fn hard_limit() -> Result<u64, Error> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the result.
    errno::check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::cast_lossless,
        reason = "the type differs from system to system"
    )]
    Ok(limit.rlim_max as u64)
}

/// An array from a descriptor to the index of its token. With it a backend refuses a descriptor
/// that is registered already, and a token with a descriptor that is not its own.
///
/// There is an entry for each descriptor that the process may ever have, by its hard limit; the
/// memory is untouched until descriptors that high are registered.
#[derive(Debug)]
pub(crate) struct SourceIndex {
    /// Index of the token, + 1; 0 for a descriptor that is not registered.
    indices: Box<[u32]>,
}

impl SourceIndex {
    /// Makes an empty table. Its size is that of the limit, not of the selector.
    pub(crate) fn new(_capacity: usize) -> Result<Self, Error> {
        Ok(Self { indices: try_zeroed_slice(Self::entries(hard_limit()?))? })
    }

    /// Returns the number of entries at a hard limit of so many descriptors.
    pub(crate) fn entries(hard_limit: u64) -> usize {
        usize::try_from(hard_limit.min(DESCRIPTORS_MAX)).unwrap_or(usize::MAX)
    }

    /// Returns the bytes of a table at a hard limit of so many descriptors.
    pub(crate) fn memory(_capacity: usize, hard_limit: u64) -> usize {
        Self::entries(hard_limit) * size_of::<u32>()
    }

    /// Checks that `fd` can be registered: [`ErrorKind::AlreadyRegistered`] if it is,
    /// [`ErrorKind::Full`] if it is above the limit that the process had when the table was made.
    pub(crate) fn check_vacant(&self, fd: RawFd) -> Result<(), Error> {
        match self.entry(fd) {
            Some(0) => Ok(()),
            Some(_) => Err(Error::new(ErrorKind::AlreadyRegistered)),
            None => Err(Error::new(ErrorKind::Full)),
        }
    }

    /// Records a descriptor that [`check_vacant`](Self::check_vacant) allowed.
    pub(crate) fn insert(&mut self, fd: RawFd, token: Token) {
        if let Some(entry) = usize::try_from(fd).ok().and_then(|fd| self.indices.get_mut(fd)) {
            *entry = stored(token);
        }
    }

    /// Checks that `fd` is registered under `token`: [`ErrorKind::InvalidSource`] if not.
    #[inline]
    pub(crate) fn check(&self, fd: RawFd, token: Token) -> Result<(), Error> {
        if self.entry(fd) == Some(stored(token)) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::InvalidSource))
        }
    }

    /// Removes a descriptor.
    pub(crate) fn remove(&mut self, fd: RawFd) {
        if let Some(entry) = usize::try_from(fd).ok().and_then(|fd| self.indices.get_mut(fd)) {
            *entry = 0;
        }
    }

    /// Returns the index of the token of `fd`.
    #[inline]
    pub(crate) fn index(&self, fd: RawFd) -> Option<usize> {
        (self.entry(fd)? as usize).checked_sub(1)
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.indices.len()
    }

    #[inline]
    fn entry(&self, fd: RawFd) -> Option<u32> {
        self.indices.get(usize::try_from(fd).ok()?).copied()
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
    fn a_descriptor_has_one_token() {
        let mut table = SourceIndex::new(1).unwrap();
        let token = Token::new(7, 1);
        assert_eq!(table.check_vacant(3), Ok(()));
        table.insert(3, token);
        assert_eq!(table.check_vacant(3), Err(ErrorKind::AlreadyRegistered.into()));
        assert_eq!(table.check(3, token), Ok(()));
        assert_eq!(table.check(4, token), Err(ErrorKind::InvalidSource.into()));
        assert_eq!(table.check(3, Token::new(8, 1)), Err(ErrorKind::InvalidSource.into()));
        assert_eq!(table.index(3), Some(7));
        table.remove(3);
        assert_eq!(table.index(3), None);
        assert_eq!(table.check_vacant(3), Ok(()));
    }

    #[test]
    fn descriptors_beyond_the_table_are_refused() {
        let mut table = SourceIndex::new(1).unwrap();
        assert_eq!(table.check_vacant(-1), Err(ErrorKind::Full.into()));
        assert_eq!(table.check_vacant(RawFd::MAX), Err(ErrorKind::Full.into()));
        table.insert(-1, Token::new(0, 1));
        table.remove(RawFd::MAX);
        assert!(table.len() > 0);
    }
}
