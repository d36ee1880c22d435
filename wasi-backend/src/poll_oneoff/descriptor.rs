//! A descriptor of WASI 0.1, and what a report about it means. The quirks are those of `mod.rs`.

use selkie_core::Readiness;

use super::subscription::{Report, Subscription};
use crate::direction::Direction;
use crate::watched::Owner;
use crate::watched::Watch;

/// What a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Neither of the below, such as standard input.
    Other = 0,
    /// A connection.
    Stream = 1,
    /// A listening socket.
    Listener = 2,
}

/// A descriptor that the platform owns.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    pub(crate) fd: wasi::Fd,
    pub(crate) kind: Kind,
}

impl Descriptor {
    /// Whether there is something to read: bytes, an end or an error.
    fn has_arrivals(self) -> bool {
        let mut byte = 0_u8;
        let place = [wasi::Iovec { buf: &raw mut byte, buf_len: 1 }];
        // SAFETY: the list names one byte that is valid for writes.
        let peeked = unsafe { wasi::sock_recv(self.fd, &place, wasi::RIFLAGS_RECV_PEEK) };
        peeked != Err(wasi::ERRNO_AGAIN)
    }
}

impl Watch for Descriptor {
    type Item = Subscription;
    type Report = Report;

    const NONE: Self = Self { fd: 0, kind: Kind::Other };
    const NO_ITEM: Subscription = Subscription::NONE;
    const NO_REPORT: Report = Report::NONE;

    fn item(&mut self, owner: Owner) -> Subscription {
        Subscription::of(self.fd, owner)
    }

    fn owner(report: &Report) -> Owner {
        report.owner()
    }

    fn readiness(&mut self, Report(report): &Report, direction: Direction) -> Readiness {
        // (b)
        if report.error != wasi::ERRNO_SUCCESS || report.type_ == wasi::EVENTTYPE_CLOCK {
            return (Readiness::ERROR | direction.readiness()).with_implied();
        }
        let hung_up = report.fd_readwrite.flags & wasi::EVENTRWFLAGS_FD_READWRITE_HANGUP != 0;
        let is_doubtful = report.fd_readwrite.nbytes <= 1 && !hung_up;
        // (a)
        if direction == Direction::Read
            && is_doubtful
            && self.kind == Kind::Stream
            && !self.has_arrivals()
        {
            return Readiness::NONE;
        }
        // (c)
        direction.readiness()
    }
}
