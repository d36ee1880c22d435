//! The monotonic clock, and the timeouts of system calls.

use std::time::Duration;

use selkie_core::Instant;

/// `CLOCK_MONOTONIC`, counted from the construction of this value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start_nanos: u64,
}

impl Clock {
    /// Makes a clock that starts now.
    pub(crate) fn new() -> Self {
        Self { start_nanos: monotonic_nanos() }
    }

    /// Returns the time since the start.
    #[inline]
    pub(crate) fn now(self) -> Instant {
        Instant::from_nanos(monotonic_nanos().saturating_sub(self.start_nanos))
    }
}

#[cfg(target_os = "linux")]
impl Clock {
    /// Converts a time to one of the system's own clock.
    pub(crate) fn absolute(self, time: Instant) -> libc::timespec {
        let since_start = time.saturating_since(Instant::ZERO);
        timespec(Duration::from_nanos(self.start_nanos).saturating_add(since_start))
    }
}

/// Returns the nanoseconds of the system's own monotonic clock.
#[inline]
fn monotonic_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result. The clock exists on every system that this
    // crate builds for, so the call does not fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    #[expect(clippy::cast_sign_loss, reason = "a monotonic clock is never negative")]
    let nanos = (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64);
    nanos
}

/// Longest sleep that is passed to the system, in seconds. Some systems refuse a `timespec` of
/// more than 100,000,000 seconds; a wait whose deadline is later simply sleeps again.
const SLEEP_SECONDS_MAX: u64 = 100_000_000;

/// Limits a sleep to what every system takes.
#[inline]
pub(crate) fn clamped(sleep: Duration) -> Duration {
    sleep.min(Duration::from_secs(SLEEP_SECONDS_MAX))
}

/// Converts a sleep to the form of `pselect` and `kevent`.
#[inline]
pub(crate) fn timespec(sleep: Duration) -> libc::timespec {
    let sleep = clamped(sleep);
    #[expect(clippy::cast_possible_wrap, reason = "the seconds are clamped to what 32 bits hold")]
    #[allow(clippy::cast_possible_truncation, reason = "likewise, where the type has only 32 bits")]
    #[allow(clippy::cast_lossless, reason = "the types differ from system to system")]
    let time = libc::timespec {
        tv_sec: sleep.as_secs() as libc::time_t,
        tv_nsec: sleep.subsec_nanos() as _,
    };
    time
}

/// Converts a sleep to milliseconds; `-1` means without end. Rounds up: a wait that ended just
/// before its deadline would be repeated at once, again and again.
#[cfg_attr(
    target_os = "freebsd",
    allow(dead_code, reason = "its calls take nanoseconds, but for the tests")
)]
#[inline]
pub(crate) fn milliseconds(sleep: Option<Duration>) -> libc::c_int {
    let Some(sleep) = sleep else { return -1 };
    libc::c_int::try_from(sleep.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_up_and_clamp() {
        assert_eq!(milliseconds(None), -1);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_millis(5))), 5);
        assert_eq!(milliseconds(Some(Duration::from_nanos(5_000_001))), 6);
        assert_eq!(milliseconds(Some(Duration::MAX)), libc::c_int::MAX);
    }

    #[test]
    fn long_sleeps_are_cut() {
        let time = timespec(Duration::new(3, 7));
        assert_eq!((time.tv_sec, time.tv_nsec), (3, 7));
        let time = timespec(Duration::MAX);
        assert_eq!((time.tv_sec, time.tv_nsec), (100_000_000, 0));
    }

    #[test]
    fn the_clock_starts_at_zero_and_goes_on() {
        let clock = Clock::new();
        let first = clock.now();
        assert!(first < Instant::from_millis(60_000));
        while clock.now() == first {}
        assert!(clock.now() > first);
    }
}
