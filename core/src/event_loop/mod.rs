//! The loop: wait, dispatch, expire.

mod context;
mod memory;
mod registry;
mod state;
mod timers;
mod turn;

pub use context::Context;
pub use memory::{LoopMemory, LoopStorage, StaticLoop, Storage};
pub use registry::{Registry, Slot};
pub use timers::{TimerMark, TimerSlot, Timers};

use state::LoopState;

use crate::contract::{Error, Event, Instant, Selector, Token, Wait};

/// The program's side of a loop: it is called with each source that is ready and each deadline
/// that has passed.
pub trait Handler<P: Selector> {
    /// Handles a source that is ready. The token is live.
    fn ready(&mut self, context: &mut Context<'_, P>, event: Event);

    /// Handles a deadline that [`Context::set_timer`] set for this token and that has passed. The
    /// token is live, and has no deadline any more.
    fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
        let _ = (context, token);
    }
}

/// Figures of a loop since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct LoopCounters {
    /// Turns: waits or polls.
    pub turns: u64,
    /// Turns in which nothing was ready and no deadline had passed.
    pub turns_idle: u64,
    /// Events that were reported, the dropped ones included.
    pub events: u64,
    /// Events that were dropped because their source was deregistered earlier in the batch.
    pub events_stale: u64,
    /// Deadlines that have passed.
    pub deadlines: u64,
}

impl core::ops::AddAssign for LoopCounters {
    /// Adds the counters of another loop.
    fn add_assign(&mut self, other: Self) {
        self.turns += other.turns;
        self.turns_idle += other.turns_idle;
        self.events += other.events;
        self.events_stale += other.events_stale;
        self.deadlines += other.deadlines;
    }
}

/// One loop over one platform: waits or polls, dispatches what is ready, and expires deadlines.
///
/// A platform that can sleep drives itself with [`run`](Self::run) or [`run_once`](Self::run_once).
/// Where something else owns the main loop, or where there is no clock to sleep on,
/// [`turn`](Self::turn) makes one round without ever blocking, and returns the time until which
/// there is nothing to do.
///
/// It owns the platform and the memory, so a function can build all of it and return it:
///
/// ```
/// use selkie_core::memory::StaticLoop;
/// use selkie_core::platform::Wait;
/// use selkie_core::{EventLoop, Interest, Mode, Token};
///
/// type Memory = StaticLoop<16, 8>;
///
/// fn watch<P: Wait>(
///     platform: P,
///     source: P::Source,
/// ) -> Result<(EventLoop<P, Memory>, Token), selkie_core::Error> {
///     let mut event_loop = EventLoop::new(platform, Memory::new());
///     let token = event_loop.context().register(source, Interest::READABLE, Mode::Level)?;
///     Ok((event_loop, token))
/// }
/// ```
///
/// # Deadlines
///
/// * A deadline is judged only after a look at I/O that began after it: who has sent is served
///   before a timeout strikes, also when the process was stopped for a while, or a callback was
///   slow. Where batches are full, a look at all sources is `ceil(capacity / batch)` of them in a
///   row, so that load cannot hold deadlines up. A deadline that passes within such a look waits
///   for its end and for the next one: for `2 * ceil(capacity / batch) - 1` batches at most.
/// * Equal deadlines expire in the order in which they were set. One that is set while deadlines
///   expire waits for the next turn.
#[derive(Debug)]
pub struct EventLoop<P, M> {
    /// The platform. Register through the [`context`](Self::context), so that registry and timers
    /// know of it.
    pub platform: P,
    memory: M,
    state: LoopState<P>,
}

impl<P: Selector, M: LoopMemory> EventLoop<P, M> {
    /// Makes a loop over a platform that has a clock.
    ///
    /// # Panics
    ///
    /// If the two tables of `memory` differ in length, its batch has no room, or the platform
    /// takes fewer sources than the loop has slots.
    #[must_use]
    pub fn new(platform: P, memory: M) -> Self
    where
        P: Wait,
    {
        Self::build(platform, memory, Instant::ZERO, Some(P::now))
    }

    /// Makes a loop over a platform without a clock, at the time `now`, to be driven by
    /// [`turn`](Self::turn).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[must_use]
    pub fn new_at(platform: P, memory: M, now: Instant) -> Self {
        Self::build(platform, memory, now, None)
    }

    fn build(
        platform: P,
        mut memory: M,
        now: Instant,
        clock: Option<fn(&mut P) -> Instant>,
    ) -> Self {
        let LoopStorage { slots, timers, events } = memory.storage();
        assert_eq!(slots.len(), timers.len(), "a loop has as many timers as slots");
        assert!(!events.is_empty(), "a batch needs room for at least one event");
        let (slots_len, sources) = (slots.len(), platform.capacity());
        assert!(
            sources >= slots_len,
            "the loop has {slots_len} slots, and its platform takes only {sources} sources: give \
             both as many"
        );
        let state = LoopState::new(slots, timers, now, clock);
        Self { platform, memory, state }
    }

    /// Lends the context that handlers are given: to register the first sources, to set timers, to
    /// stop.
    ///
    /// Its time is read again where the platform has a clock; elsewhere it is the time that was
    /// given last (see [`context_at`](Self::context_at)).
    #[inline]
    pub fn context(&mut self) -> Context<'_, P> {
        self.state.now_is_current = self.state.now_is_current && !self.state.has_clock();
        self.split().0
    }

    /// Lends the [`context`](Self::context) at the time `now`, for a platform without a clock.
    #[inline]
    pub fn context_at(&mut self, now: Instant) -> Context<'_, P> {
        self.state.advance(now);
        self.split().0
    }

    /// Makes one round, driven from outside: polls, dispatches, expires. Never blocks.
    ///
    /// Returns the time at which the next turn is due even if nothing happens until then: `now` if
    /// more may be pending, the earlier of the loop's and the platform's next deadline
    /// otherwise, `None` for never. A turn that is made earlier does no harm.
    ///
    /// # Errors
    ///
    /// As [`Selector::poll`].
    pub fn turn<H: Handler<P>>(
        &mut self,
        now: Instant,
        handler: &mut H,
    ) -> Result<Option<Instant>, Error> {
        let (mut context, batch) = self.split();
        context.poll_turn(now, batch, handler)
    }

    /// Makes one round: waits for an event or the next deadline, dispatches, expires.
    ///
    /// # Errors
    ///
    /// As [`Wait::wait`].
    #[inline]
    pub fn run_once<H: Handler<P>>(&mut self, handler: &mut H) -> Result<(), Error>
    where
        P: Wait,
    {
        let (mut context, batch) = self.split();
        context.wait_turn(batch, handler)
    }

    /// Makes rounds until [`Context::stop`] is called. Runs again when it is called again.
    ///
    /// A call of `stop` before the first round counts: a server that was drained outside of a turn
    /// and has nothing left to send ends this run before it waits.
    ///
    /// # Errors
    ///
    /// As [`Wait::wait`].
    pub fn run<H: Handler<P>>(&mut self, handler: &mut H) -> Result<(), Error>
    where
        P: Wait,
    {
        self.state.begin_run();
        let (mut context, batch) = self.split();
        while !context.is_stopped() {
            context.wait_turn(batch, handler)?;
        }
        self.state.end_run();
        Ok(())
    }

    /// Returns true after [`Context::stop`] was called, until [`run`](Self::run) is called again.
    #[inline]
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.state.is_stopped()
    }

    /// Returns the number of live tokens: sources, wakers and issued ones.
    #[must_use]
    pub const fn live_tokens(&self) -> usize {
        self.state.registry.live()
    }

    /// Returns the counters of the loop.
    #[must_use]
    pub const fn counters(&self) -> LoopCounters {
        self.state.counters
    }

    /// Lends the view that handlers get, and the batch beside it.
    #[inline]
    fn split(&mut self) -> (Context<'_, P>, &mut [Event]) {
        let LoopStorage { slots, timers, events } = self.memory.storage();
        (Context::new(&mut self.platform, slots, timers, &mut self.state), events)
    }
}
