//! The monotonic clock, and the timeouts of system calls.

use std::time::Duration;

use selkie_core::Instant;
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};

/// The performance counter, from the construction of this value on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: u64,
    frequency: u64,
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

impl Clock {
    /// Makes a clock that starts now.
    pub(crate) fn new() -> Self {
        let mut frequency = 0;
        // SAFETY: `frequency` is a valid place for the result. The call does not fail.
        unsafe { QueryPerformanceFrequency(&raw mut frequency) };
        Self { start: ticks(), frequency: frequency.cast_unsigned().max(1) }
    }

    /// Returns the time since the start.
    #[inline]
    pub(crate) fn now(self) -> Instant {
        let ticks = ticks().saturating_sub(self.start);
        let (seconds, rest) = (ticks / self.frequency, ticks % self.frequency);
        Instant::from_nanos(seconds.wrapping_mul(SECOND) + rest * SECOND / self.frequency)
    }
}

/// Returns the counter.
#[inline]
fn ticks() -> u64 {
    let mut ticks = 0;
    // SAFETY: `ticks` is a valid place for the result. The call does not fail.
    unsafe { QueryPerformanceCounter(&raw mut ticks) };
    ticks.cast_unsigned()
}

/// Converts a sleep to milliseconds; `u32::MAX` means without end. Rounds up: a wait that ended
/// just before its deadline would be repeated at once, again and again.
#[inline]
pub(crate) fn milliseconds(sleep: Option<Duration>) -> u32 {
    let Some(sleep) = sleep else { return u32::MAX };
    u32::try_from(sleep.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX).min(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_up_and_clamp() {
        assert_eq!(milliseconds(None), u32::MAX);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_nanos(5_000_001))), 6);
        assert_eq!(milliseconds(Some(Duration::MAX)), u32::MAX - 1);
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
