//! The state of a loop beside its platform and its tables.

use crate::contract::{Instant, Token};
use crate::event_loop::registry::RegistryState;
use crate::event_loop::timers::TimersState;
use crate::event_loop::{LoopCounters, Slot, TimerSlot};

/// No waker was made through this loop.
pub(super) const NO_WAKER: Token = Token::from_u64(0);

/// The state of a loop's `run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The loop was not asked to stop.
    Running,
    /// `Context::stop` was called: `run` returns after this turn.
    Stopping,
    /// `run` has returned because of that: the next `run` clears it.
    Stopped,
}

/// Everything that a loop keeps beside its platform and its tables.
#[derive(Debug)]
pub(super) struct LoopState<P> {
    pub(super) registry: RegistryState,
    pub(super) timers: TimersState,
    /// The latest time that was read or given. It never goes back.
    pub(super) now: Instant,
    /// Set when `now` was read or given after the last wait.
    pub(super) now_is_current: bool,
    /// The latest time that was known when the last wait or poll began: it has looked for I/O
    /// after each deadline up to that time. Kept when the time is first read after a wait.
    pub(super) looked_at: Instant,
    /// The number of events that the last wait has found.
    pub(super) found: usize,
    /// The platform's clock, where it has one.
    pub(super) clock: Option<fn(&mut P) -> Instant>,
    /// The token of the platform's waker, or [`NO_WAKER`].
    pub(super) waker: Token,
    /// Deadlines up to this time may expire: a look at every source has followed them.
    pub(super) judged: Instant,
    /// Looks that filled their batch, while a deadline waits for the rest of the sources.
    pub(super) full_looks: usize,
    /// The time before the first of them.
    pub(super) full_looks_since: Instant,
    phase: Phase,
    /// The servers that serve in this loop and have not drained.
    pub(super) servers: usize,
    pub(super) counters: LoopCounters,
}

impl<P> LoopState<P> {
    /// Empties the tables for a loop that starts at `now`.
    pub(super) fn new(
        slots: &mut [Slot],
        timers: &mut [TimerSlot],
        now: Instant,
        clock: Option<fn(&mut P) -> Instant>,
    ) -> Self {
        Self {
            registry: RegistryState::new(slots),
            timers: TimersState::new(timers),
            now,
            now_is_current: clock.is_none(),
            looked_at: now,
            found: 0,
            clock,
            waker: NO_WAKER,
            judged: Instant::ZERO,
            full_looks: 0,
            full_looks_since: Instant::ZERO,
            phase: Phase::Running,
            servers: 0,
            counters: LoopCounters::default(),
        }
    }

    /// Takes over a time that was given.
    pub(super) fn advance(&mut self, now: Instant) {
        if !self.now_is_current {
            self.looked_at = self.now;
            self.now_is_current = true;
        }
        self.now = self.now.max(now);
    }

    pub(super) const fn is_stopped(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }

    pub(super) const fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// Asks the run to end after this turn.
    pub(super) const fn stop(&mut self) {
        self.phase = Phase::Stopping;
    }

    /// Starts to run, also after an earlier run that was stopped.
    pub(super) const fn begin_run(&mut self) {
        if matches!(self.phase, Phase::Stopped) {
            self.phase = Phase::Running;
        }
    }

    /// Records that a run has ended because it was stopped.
    pub(super) const fn end_run(&mut self) {
        self.phase = Phase::Stopped;
    }
}
