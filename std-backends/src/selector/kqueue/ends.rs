//! The ends of a source's directions. The quirks are those at the head of the selector.

use std::os::fd::RawFd;

use selkie_core::{Error, ErrorKind, Readiness};

use super::filters::is_end;
use super::sys;
use crate::memory::Zeroable;
use crate::sys::errno;
use crate::sys::socket::{self, HUP_IS_CLOSED};

/// The directions of one source that have ended, as its filters reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends(u8);

impl Ends {
    /// Nothing has ended, in a source with two directions.
    pub(super) const NONE: Self = Self(0);
    const READ: u8 = 1;
    const WRITE: u8 = 2;
    const BOTH: u8 = Self::READ | Self::WRITE;
    /// The source has one direction only, such as an end of a pipe.
    const ONE_WAY: u8 = 4;

    /// Returns the ends of a new source. Refuses what would fall silent at its end (regular-files).
    pub(super) fn of(fd: RawFd) -> Result<Self, Error> {
        // SAFETY: all bits zero is a valid value of this struct of integers.
        let mut status: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `status` is a valid place for the result.
        errno::check(unsafe { libc::fstat(fd, &raw mut status) })?;
        match status.st_mode & libc::S_IFMT {
            libc::S_IFREG => Err(Error::new(ErrorKind::Unsupported)),
            libc::S_IFSOCK => Ok(Self::NONE),
            _ => Ok(Self(Self::ONE_WAY)),
        }
    }

    /// Returns true if both directions have ended.
    pub(super) const fn are_both(self) -> bool {
        self.0 & Self::BOTH == Self::BOTH
    }

    /// Records an event, and returns true if all directions have ended (both-ends).
    pub(super) fn record(&mut self, kernel: &sys::kevent, readiness: Readiness) -> bool {
        if readiness.contains(Readiness::ERROR) {
            self.0 |= Self::BOTH;
        } else if is_end(kernel) {
            let is_read = kernel.filter == sys::EVFILT_READ;
            self.0 |= if is_read { Self::READ } else { Self::WRITE };
            let other = if is_read && HUP_IS_CLOSED { kernel.ident } else { usize::MAX };
            if RawFd::try_from(other).is_ok_and(|fd| socket::poll(fd, 0) & libc::POLLHUP != 0) {
                self.0 |= Self::WRITE;
            }
        }
        let ended = self.0 & Self::BOTH;
        ended == Self::BOTH || (ended != 0 && self.0 & Self::ONE_WAY != 0)
    }

    /// Clears the ends: filters that are added report them again.
    pub(super) const fn reset(&mut self) {
        self.0 &= Self::ONE_WAY;
    }
}

/// The state that the selector keeps for each source.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceState {
    /// filter-per-direction: position of the source's last event in its batch.
    pub(super) position: u32,
    /// both-ends: the directions that have ended.
    pub(super) ends: Ends,
}

// SAFETY: a struct of integers.
unsafe impl Zeroable for SourceState {}
