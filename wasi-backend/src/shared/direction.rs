//! The two directions of a source.

use selkie_core::{Error, ErrorKind, Interest, Mode, Readiness};

/// A direction of a source, and its index in arrays of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// Bytes from the peer.
    Read = 0,
    /// Bytes to the peer.
    Write = 1,
}

impl Direction {
    /// Both directions, in the order of their indices.
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];

    /// Returns the readiness of a source that is ready in this direction.
    #[inline]
    pub(crate) const fn readiness(self) -> Readiness {
        match self {
            Self::Read => Readiness::READABLE,
            Self::Write => Readiness::WRITABLE,
        }
    }

    /// Returns whether an interest includes this direction.
    #[inline]
    pub(crate) const fn is_in(self, interest: Interest) -> bool {
        match self {
            Self::Read => interest.contains(Interest::READABLE),
            Self::Write => interest.contains(Interest::WRITABLE),
        }
    }
}

/// Checks that a source can be watched so: none of the systems has edges or reports hang-ups alone.
pub(crate) fn check_supported(interest: Interest, mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge || interest == Interest::HANGUP {
        Err(Error::new(ErrorKind::Unsupported))
    } else {
        Ok(())
    }
}
