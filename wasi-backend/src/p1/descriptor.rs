//! A descriptor of WASI 0.1, and the meaning of a report about it. `mod.rs` lists the quirks.

use selkie_core::{Instant, Readiness};

use super::subscription::{Report, Subscription, call};
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
    /// Standard input, which belongs to the program.
    Input = 3,
}

/// A descriptor that the platform owns.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    pub(crate) fd: wasi::Fd,
    pub(crate) kind: Kind,
    /// Confirms a report, where a peek cannot. Programs that need none do not contain it.
    pub(crate) confirm: Option<fn(wasi::Fd, SubscriptionId) -> bool>,
}

impl Descriptor {
    /// Creates a descriptor of this kind.
    pub(crate) const fn new(fd: wasi::Fd, kind: Kind) -> Self {
        Self { fd, kind, confirm: None }
    }

    /// Looks at the next byte of a stream without taking it.
    pub(crate) fn peek(self) -> Result<(), wasi::Errno> {
        let mut byte = 0_u8;
        let place = [wasi::Iovec { buf: &raw mut byte, buf_len: 1 }];
        // SAFETY: the list names one byte that is valid for writes.
        unsafe { wasi::sock_recv(self.fd, &place, wasi::RIFLAGS_RECV_PEEK) }.map(|_| ())
    }
}

/// Returns whether a subscription is ready when the host is asked for it alone.
pub(crate) fn is_ready_alone(fd: wasi::Fd, id: SubscriptionId) -> bool {
    let mut alone = [Subscription::of(fd, id), Subscription::NONE];
    alone[1].set_clock(SubscriptionId::UNKNOWN, Instant::ZERO);
    let mut reports = [Report::NONE; 2];
    // An error is reported, and the read returns it.
    call(&alone, &mut reports)
        .map_or(true, |count| reports[..count].iter().any(|report| report.id() == id))
}

impl PollSource for Descriptor {
    type Item = Subscription;
    type Report = Report;

    const NONE: Self = Self::new(0, Kind::Other);
    const NO_ITEM: Subscription = Subscription::NONE;
    const NO_REPORT: Report = Report::NONE;

    fn item(&mut self, id: SubscriptionId) -> Subscription {
        Subscription::of(self.fd, id)
    }

    fn id(report: &Report) -> SubscriptionId {
        report.id()
    }

    fn readiness(&mut self, whole: &Report, direction: Direction) -> Readiness {
        let Report(report) = whole;
        // bad-fd-fails-all: an expired clock stands for a broken descriptor.
        if report.error != wasi::ERRNO_SUCCESS || report.type_ == wasi::EVENTTYPE_CLOCK {
            return (Readiness::ERROR | direction.readiness()).with_implied();
        }
        // all-reported: input cannot be peeked at, and a read of nothing would block the program.
        if self.confirm.is_some_and(|confirm| !confirm(self.fd, whole.id())) {
            return Readiness::NONE;
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
