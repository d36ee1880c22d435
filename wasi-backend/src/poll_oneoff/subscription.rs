//! What the host is asked, and what it answers. The quirks are those of `mod.rs`.

use core::fmt;

use selkie_core::Instant;

use crate::direction::Direction;
use crate::watched::Owner;

/// The latest deadline that the host is asked for, in nanoseconds: 36 years. (e)
const DEADLINE_MAX: u64 = 1 << 60;

/// One thing that the host is asked to wait for.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Subscription(wasi::Subscription);

impl Subscription {
    /// All zero, so that tables of it lie in `.bss`.
    pub(crate) const NONE: Self =
        Self(wasi::Subscription { userdata: 0, u: Self::clock(wasi::CLOCKID_REALTIME, 0, 0) });

    const fn clock(
        id: wasi::Clockid,
        timeout: u64,
        flags: wasi::Subclockflags,
    ) -> wasi::SubscriptionU {
        let clock = wasi::SubscriptionClock { id, timeout, precision: 0, flags };
        wasi::SubscriptionU { tag: wasi::EVENTTYPE_CLOCK.raw(), u: wasi::SubscriptionUU { clock } }
    }

    /// A direction of a descriptor.
    pub(crate) fn of(fd: wasi::Fd, owner: Owner) -> Self {
        let fd = wasi::SubscriptionFdReadwrite { file_descriptor: fd };
        let u = match owner.direction() {
            Direction::Read => wasi::SubscriptionU {
                tag: wasi::EVENTTYPE_FD_READ.raw(),
                u: wasi::SubscriptionUU { fd_read: fd },
            },
            Direction::Write => wasi::SubscriptionU {
                tag: wasi::EVENTTYPE_FD_WRITE.raw(),
                u: wasi::SubscriptionUU { fd_write: fd },
            },
        };
        Self(wasi::Subscription { userdata: u64::from(owner.0), u })
    }

    /// Makes it a clock that strikes at `deadline`, which may have passed.
    #[inline(never)]
    pub(crate) fn strike(&mut self, owner: Owner, deadline: Instant) {
        // (e)
        let nanos = deadline.as_nanos().min(DEADLINE_MAX);
        self.0.userdata = owner.0.into();
        self.0.u = Self::clock(
            wasi::CLOCKID_MONOTONIC,
            nanos,
            wasi::SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME,
        );
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Subscription")
            .field("owner", &self.0.userdata)
            .finish_non_exhaustive()
    }
}

/// What the host says of one subscription.
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

    /// Whom it is about.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it comes back as it was given, or means nothing"
    )]
    pub(crate) const fn owner(&self) -> Owner {
        Owner(self.0.userdata as u32)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// `poll_oneoff`; gives how many of the first reports are filled. There are as many places for
/// reports as there are subscriptions.
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
        // It came to nothing, and may be made again.
        Err(wasi::ERRNO_INTR | wasi::ERRNO_AGAIN) => Ok(0),
        Err(errno) => Err(errno),
    }
}
