//! Conversions of time: core counts in nanoseconds, smoltcp in microseconds.

use core::time::Duration;

use selkie_core::Instant;
use smoltcp::time;

/// Later than all else.
pub(crate) const NEVER: time::Instant = time::Instant::from_micros_const(i64::MAX);

/// Converts a point in time to smoltcp's, for making an [`Interface`](smoltcp::iface::Interface).
/// Rounds down.
#[must_use]
pub fn instant(instant: Instant) -> time::Instant {
    // The quotient is below 2^63, as 1,000 is above 2.
    time::Instant::from_micros((instant.as_nanos() / 1_000).cast_signed())
}

/// Converts a point in time to core's.
pub(crate) fn from_smoltcp(instant: time::Instant) -> Instant {
    // A comparison in place of `saturating_mul`, which takes a product of 128 bits on a target of
    // 32.
    Instant::from_nanos(instant.total_micros().cast_unsigned().min(u64::MAX / 1_000) * 1_000)
}

/// Converts a span of time to smoltcp's. Rounds down, and saturates where a sum with a point in
/// time could overflow.
pub(crate) fn duration(duration: Duration) -> time::Duration {
    const MAX: u64 = u64::MAX >> 2;
    time::Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(MAX).min(MAX))
}
