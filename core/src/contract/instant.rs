//! Points in time, as the platform counts them.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time: nanoseconds since the platform's own start, on a clock that never goes back.
///
/// Core never reads a clock. The platform does, and passes the time in, so the same loop runs on
/// `CLOCK_MONOTONIC`, on a `SysTick` counter and on a simulated clock. 64 bits last for 584 years;
/// sums stop there instead of wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The platform's start.
    pub const ZERO: Self = Self(0);
    /// The end of time.
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the point `nanos` nanoseconds after the start.
    #[inline]
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the point `millis` milliseconds after the start.
    #[inline]
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Returns the nanoseconds since the start.
    #[inline]
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the time from `earlier` to this point, or nothing if it is not later.
    #[inline]
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Returns the point `duration` later, or the end of time.
    #[inline]
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// Returns the earlier of two deadlines, where none means never.
    #[inline]
    #[must_use]
    pub fn earlier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        self.saturating_add(duration)
    }
}

/// Returns the time from the right point to the left one, or nothing if that is not later.
impl Sub for Instant {
    type Output = Duration;

    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

/// Returns a duration in nanoseconds, or as many as fit.
const fn nanos(duration: Duration) -> u64 {
    const NANOS_PER_SECOND: u64 = 1_000_000_000;
    // A comparison in place of `saturating_mul`, which takes a product of 128 bits on a target of
    // 32.
    if duration.as_secs() >= u64::MAX / NANOS_PER_SECOND {
        return u64::MAX;
    }
    duration.as_secs() * NANOS_PER_SECOND + duration.subsec_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stop_at_the_end_of_time() {
        assert_eq!(Instant::from_nanos(5) + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::from_millis(u64::MAX), Instant::MAX);
        assert_eq!(
            Instant::from_millis(2) + Duration::from_micros(3),
            Instant::from_nanos(2_003_000)
        );
    }

    #[test]
    fn nanoseconds_come_back() {
        assert_eq!(Instant::from_nanos(7).as_nanos(), 7);
        assert_eq!(Instant::from_millis(3).as_nanos(), 3_000_000);
    }

    #[test]
    fn differences_stop_at_zero() {
        assert_eq!(Instant::ZERO.saturating_since(Instant::MAX), Duration::ZERO);
        assert_eq!(
            Instant::from_nanos(7).saturating_since(Instant::from_nanos(3)),
            Duration::from_nanos(4)
        );
        assert_eq!(Instant::from_nanos(7) - Instant::from_nanos(3), Duration::from_nanos(4));
        assert_eq!(Instant::ZERO - Instant::MAX, Duration::ZERO);
    }

    #[test]
    fn no_deadline_is_later_than_any() {
        let early = Some(Instant::from_nanos(1));
        assert_eq!(Instant::earlier(early, None), early);
        assert_eq!(Instant::earlier(None, early), early);
        assert_eq!(Instant::earlier(Some(Instant::MAX), early), early);
        assert_eq!(Instant::earlier(None, None), None);
    }
}
