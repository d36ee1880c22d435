//! The time, from `SysTick`: a counter of 24 bits that is read as a clock and set to fire at the
//! next deadline.
//!
//! There is no periodic tick. Without a deadline the counter wraps every second or so, which costs
//! one short wake-up. Setting it to fire earlier restarts the count, at which the clock may lose a
//! few ticks.

use core::marker::PhantomData;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use selkie_core::Instant;

use super::Board;

/// The longest period of the counter.
const PERIOD_MAX: u32 = 1 << 24;
/// Shorter sleeps are not worth going to sleep for.
const PERIOD_MIN: u64 = 64;

/// The board's clock.
pub struct Clock<B> {
    counter: SYST,
    /// Ticks before the present period.
    elapsed: u64,
    /// Ticks of the present period.
    period: u32,
    board: PhantomData<B>,
}

impl<B: Board> Clock<B> {
    /// Starts the clock.
    #[must_use]
    pub fn new(mut counter: SYST) -> Self {
        counter.set_reload(PERIOD_MAX - 1);
        counter.set_clock_source(SystClkSource::Core);
        counter.clear_current();
        counter.enable_interrupt();
        counter.enable_counter();
        Self { counter, elapsed: 0, period: PERIOD_MAX, board: PhantomData }
    }

    /// Returns the time since the start. It must be called at least once a period; the wake-up at
    /// its end ensures that.
    pub fn now(&mut self) -> Instant {
        Instant::from_nanos(self.ticks() * B::NANOSECONDS_PER_TICK)
    }

    /// Returns the ticks since the start.
    fn ticks(&mut self) -> u64 {
        let mut current = SYST::get_current();
        if self.counter.has_wrapped() {
            self.elapsed += u64::from(self.period);
            current = SYST::get_current();
        }
        // It counts down, and a period begins with the 0 that ended the one before.
        self.elapsed + if current == 0 { 0 } else { u64::from(self.period - current) }
    }

    /// Sets the counter to fire at `deadline`, or at the end of its longest period if that is
    /// earlier. Returns whether a sleep is worth it.
    pub fn arm(&mut self, deadline: Option<Instant>) -> bool {
        let now = self.ticks();
        let due = deadline
            .map_or(u64::MAX, |deadline| deadline.as_nanos().div_ceil(B::NANOSECONDS_PER_TICK));
        let left = due.saturating_sub(now);
        if left < PERIOD_MIN {
            return false;
        }
        let ends = self.elapsed + u64::from(self.period);
        if ends > due || (self.period < PERIOD_MAX && ends < due) {
            // What follows is at most the longest period.
            #[allow(clippy::cast_possible_truncation, reason = "see above")]
            let period = left.min(u64::from(PERIOD_MAX)) as u32;
            self.elapsed = self.ticks();
            self.period = period;
            self.counter.set_reload(period - 1);
            self.counter.clear_current();
        }
        true
    }
}

impl<B> core::fmt::Debug for Clock<B> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Clock").field("elapsed", &self.elapsed).finish_non_exhaustive()
    }
}
