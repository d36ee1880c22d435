//! The host call, its subscriptions and its reports. `mod.rs` lists the quirks.

use core::fmt;

use selkie_core::Instant;

use crate::shared::direction::Direction;
use crate::shared::poll_list::SubscriptionId;

/// The latest deadline that the host is given, in nanoseconds: 36 years.
const DEADLINE_MAX: u64 = 1 << 60;

/// A descriptor or a clock that the host waits for.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Subscription(wasi::Subscription);

impl Subscription {
    /// All zero, so that tables of it lie in `.bss`.
    pub(crate) const NONE: Self =
        Self(wasi::Subscription { userdata: 0, u: Self::clock(wasi::CLOCKID_REALTIME, 0, 0) });

    /// Creates the description of a clock.
    const fn clock(
        id: wasi::Clockid,
        timeout: u64,
        flags: wasi::Subclockflags,
    ) -> wasi::SubscriptionU {
        let clock = wasi::SubscriptionClock { id, timeout, precision: 0, flags };
        wasi::SubscriptionU { tag: wasi::EVENTTYPE_CLOCK.raw(), u: wasi::SubscriptionUU { clock } }
    }

    /// Creates a subscription to one direction of a descriptor.
    pub(crate) fn of(fd: wasi::Fd, id: SubscriptionId) -> Self {
        let fd = wasi::SubscriptionFdReadwrite { file_descriptor: fd };
        let u = match id.direction() {
            Direction::Read => wasi::SubscriptionU {
                tag: wasi::EVENTTYPE_FD_READ.raw(),
                u: wasi::SubscriptionUU { fd_read: fd },
            },
            Direction::Write => wasi::SubscriptionU {
                tag: wasi::EVENTTYPE_FD_WRITE.raw(),
                u: wasi::SubscriptionUU { fd_write: fd },
            },
        };
        Self(wasi::Subscription { userdata: u64::from(id.0), u })
    }

    /// Makes this a clock that expires at `deadline`, which may have passed.
    #[inline(never)]
    pub(crate) fn set_clock(&mut self, id: SubscriptionId, deadline: Instant) {
        // deadline-overflow: the host adds to it.
        let nanos = deadline.as_nanos().min(DEADLINE_MAX);
        self.0.userdata = id.0.into();
        self.0.u = Self::clock(
            wasi::CLOCKID_MONOTONIC,
            nanos,
            wasi::SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME,
        );
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Subscription").field("id", &self.0.userdata).finish_non_exhaustive()
    }
}

/// A report of the host about one subscription.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Report(pub(crate) wasi::Event);

impl Report {
    /// All zero, so that tables of it lie in `.bss`.
    pub(crate) const NONE: Self = Self(wasi::Event {
        userdata: 0,
        error: wasi::ERRNO_SUCCESS,
        type_: wasi::EVENTTYPE_CLOCK,
        fd_readwrite: wasi::EventFdReadwrite { nbytes: 0, flags: 0 },
    });

    /// Returns the subscription that this report is about.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the host returns it unchanged, or it is unknown"
    )]
    pub(crate) const fn id(&self) -> SubscriptionId {
        SubscriptionId(self.0.userdata as u32)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Makes the call `poll_oneoff` and returns the number of reports. There is room for a report of
/// each subscription.
///
/// A signal that interrupts the host's wait is no error: the call returns early and without
/// reports.
pub(crate) fn call(
    subscriptions: &[Subscription],
    reports: &mut [Report],
) -> Result<usize, wasi::Errno> {
    let count = subscriptions.len().min(reports.len());
    // SAFETY: both are transparent wrappers of what the host takes, and both arrays have at least
    // `count` places.
    match unsafe {
        wasi::poll_oneoff(subscriptions.as_ptr().cast(), reports.as_mut_ptr().cast(), count)
    } {
        Ok(reported) => Ok(reported.min(count)),
        // EINTR: the wait ended early, and the caller waits again if it has to.
        Err(wasi::ERRNO_INTR | wasi::ERRNO_AGAIN) => Ok(0),
        Err(errno) => Err(errno),
    }
}
