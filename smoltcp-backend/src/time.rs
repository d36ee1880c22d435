//! Time between the two worlds: core counts in nanoseconds, smoltcp in microseconds.

use core::time::Duration;

use selkie_core::Instant;
use smoltcp::time;

/// Later than all else.
pub(crate) const NEVER: time::Instant = time::Instant::from_micros_const(i64::MAX);

/// A point in time as smoltcp counts it, for making an [`Interface`](smoltcp::iface::Interface).
/// Rounds down.
#[must_use]
pub fn instant(instant: Instant) -> time::Instant {
    // The quotient is below 2^63, as 1,000 is above 2.
    time::Instant::from_micros((instant.as_nanos() / 1_000).cast_signed())
}

/// A point in time as core counts it.
pub(crate) fn from_smoltcp(instant: time::Instant) -> Instant {
    // A comparison in place of `saturating_mul`, which takes a product of 128 bits on a target of
    // 32.
    Instant::from_nanos(instant.total_micros().cast_unsigned().min(u64::MAX / 1_000) * 1_000)
}

/// A span of time as smoltcp counts it. Rounds down, and ends so that no sum with a point in time
/// overflows.
pub(crate) fn duration(duration: Duration) -> time::Duration {
    const MAX: u64 = u64::MAX >> 2;
    time::Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(MAX).min(MAX))
}
