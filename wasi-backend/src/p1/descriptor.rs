//! A descriptor of WASI 0.1, and the meaning of a report about it. `mod.rs` lists the quirks.

use selkie_core::Readiness;

use super::subscription::{Report, Subscription};
use crate::shared::direction::Direction;
use crate::shared::poll_list::PollSource;
use crate::shared::poll_list::SubscriptionId;

/// A kind of descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Another kind, such as standard input.
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
    /// Looks at the next byte of a stream without taking it.
    pub(crate) fn peek(self) -> Result<(), wasi::Errno> {
        let mut byte = 0_u8;
        let place = [wasi::Iovec { buf: &raw mut byte, buf_len: 1 }];
        // SAFETY: the list names one byte that is valid for writes.
        unsafe { wasi::sock_recv(self.fd, &place, wasi::RIFLAGS_RECV_PEEK) }.map(|_| ())
    }
}

impl PollSource for Descriptor {
    type Item = Subscription;
    type Report = Report;

    const NONE: Self = Self { fd: 0, kind: Kind::Other };
    const NO_ITEM: Subscription = Subscription::NONE;
    const NO_REPORT: Report = Report::NONE;

    fn item(&mut self, id: SubscriptionId) -> Subscription {
        Subscription::of(self.fd, id)
    }

    fn id(report: &Report) -> SubscriptionId {
        report.id()
    }

    fn readiness(&mut self, Report(report): &Report, direction: Direction) -> Readiness {
        // bad-fd-fails-all: an expired clock stands for a broken descriptor.
        if report.error != wasi::ERRNO_SUCCESS || report.type_ == wasi::EVENTTYPE_CLOCK {
            return (Readiness::ERROR | direction.readiness()).with_implied();
        }
        let hung_up = report.fd_readwrite.flags & wasi::EVENTRWFLAGS_FD_READWRITE_HANGUP != 0;
        let is_doubtful = report.fd_readwrite.nbytes <= 1 && !hung_up;
        // all-reported: peek, so that a silent stream is not reported with a busy one.
        if direction == Direction::Read
            && is_doubtful
            && self.kind == Kind::Stream
            && self.peek() == Err(wasi::ERRNO_AGAIN)
        {
            return Readiness::NONE;
        }
        // hangup-both: HANGUP adds nothing that the read does not return.
        direction.readiness()
    }
}
