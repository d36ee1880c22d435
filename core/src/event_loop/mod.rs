//! The loop: wait, dispatch, expire.

mod registry;
mod storage;
mod timers;

pub use registry::{Registry, Slot};
pub use storage::Storage;
pub use timers::{TimerSlot, Timers};

use crate::contract::{Error, Event, Events, Instant, Interest, Mode, Selector, Token, Wait, Wake};

/// What runs in a loop: it is told which sources are ready and which deadlines have passed.
///
/// `'a` is the lifetime of the loop's memory.
pub trait Handler<'a, P: Selector> {
    /// A source is ready. The token is live.
    fn ready(&mut self, context: &mut Context<'a, P>, event: Event);

    /// The deadline that [`Context::set_timer`] set for this token has passed. The token is live,
    /// and has no deadline any more.
    fn expired(&mut self, context: &mut Context<'a, P>, token: Token) {
        let _ = (context, token);
    }
}

/// The memory of a loop. The two tables have the same length: the loop's capacity.
#[derive(Debug)]
pub struct LoopStorage<'a> {
    /// One for each source that can be registered, listeners and wakers included.
    pub slots: &'a mut [Slot],
    /// As many as there are slots.
    pub timers: &'a mut [TimerSlot],
    /// The batch: how many events one wait reports at most, and how many deadlines one turn
    /// handles at most.
    pub events: &'a mut [Event],
}

/// The memory of a loop as one value, for a `static`: a loop of `SLOTS` sources and batches of
/// `EVENTS`.
#[derive(Clone, Debug)]
pub struct StaticLoop<const SLOTS: usize, const EVENTS: usize> {
    slots: [Slot; SLOTS],
    timers: [TimerSlot; SLOTS],
    events: [Event; EVENTS],
}

impl<const SLOTS: usize, const EVENTS: usize> StaticLoop<SLOTS, EVENTS> {
    /// All zero, so that a `static` of it lies in `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [Slot::EMPTY; SLOTS],
            timers: [TimerSlot::EMPTY; SLOTS],
            events: [Event::EMPTY; EVENTS],
        }
    }

    /// Lends the memory to a loop.
    pub const fn storage(&mut self) -> LoopStorage<'_> {
        LoopStorage { slots: &mut self.slots, timers: &mut self.timers, events: &mut self.events }
    }
}

impl<const SLOTS: usize, const EVENTS: usize> Default for StaticLoop<SLOTS, EVENTS> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a loop has counted since its start.
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

/// What a handler may touch while the loop runs: the platform, the registry, the timers and the
/// time.
#[derive(Debug)]
pub struct Context<'a, P> {
    /// The platform, for I/O. Register through the context, so that registry and timers know of
    /// it.
    pub platform: P,
    registry: Registry<&'a mut [Slot]>,
    timers: Timers<&'a mut [TimerSlot]>,
    now: Instant,
    /// How to read the clock, while `now` is from before the last wait.
    clock: Option<fn(&mut P) -> Instant>,
    counters: LoopCounters,
    stopped: bool,
}

impl<'a, P: Selector> Context<'a, P> {
    /// The time of this turn.
    ///
    /// A loop that waits reads the clock when the time is first asked for after a wait: once a
    /// turn, and not at all while there are no deadlines and nobody asks. Before the first turn
    /// the time is [`Instant::ZERO`].
    #[inline]
    pub fn now(&mut self) -> Instant {
        if let Some(read) = self.clock.take() {
            self.now = self.now.max(read(&mut self.platform));
        }
        self.now
    }

    /// Issues a token for `source` and watches it.
    ///
    /// # Errors
    ///
    /// [`Full`](crate::ErrorKind::Full), and as [`Selector::register`]. Nothing is changed then.
    pub fn register(
        &mut self,
        source: P::Source,
        interest: Interest,
        mode: Mode,
    ) -> Result<Token, Error> {
        let token = self.registry.insert()?;
        match self.platform.register(source, token, interest, mode) {
            Ok(()) => Ok(token),
            Err(error) => {
                self.release(token)?;
                Err(error)
            }
        }
    }

    /// Changes what a source is watched for.
    ///
    /// # Errors
    ///
    /// As [`Selector::modify`].
    #[inline]
    pub fn modify(
        &mut self,
        source: P::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.live(token)?;
        self.platform.modify(source, token, interest, mode)
    }

    /// Stops watching a source and takes its token back, deadline included. Events for it that are
    /// already in this batch are dropped.
    ///
    /// # Errors
    ///
    /// [`Stale`](crate::ErrorKind::Stale) if the token is not live. As [`Selector::deregister`];
    /// the token is taken back all the same.
    pub fn deregister(&mut self, source: P::Source, token: Token) -> Result<(), Error> {
        self.release(token)?;
        self.platform.deregister(source, token)
    }

    /// Issues a token that has no source: for a deadline that belongs to none.
    ///
    /// # Errors
    ///
    /// [`Full`](crate::ErrorKind::Full).
    pub fn issue(&mut self) -> Result<Token, Error> {
        self.registry.insert()
    }

    /// Takes back a token that has no source, deadline included.
    ///
    /// # Errors
    ///
    /// [`Stale`](crate::ErrorKind::Stale) if it is not live.
    pub fn release(&mut self, token: Token) -> Result<(), Error> {
        self.registry.remove(token)?;
        self.timers.cancel(token.index());
        Ok(())
    }

    /// Makes the platform's waker, and the token under which its wakes are reported.
    ///
    /// # Errors
    ///
    /// [`Full`](crate::ErrorKind::Full), and as [`Wake::waker`].
    pub fn waker(&mut self) -> Result<(Token, P::Waker), Error>
    where
        P: Wake,
    {
        let token = self.registry.insert()?;
        match self.platform.waker(token) {
            Ok(waker) => Ok((token, waker)),
            Err(error) => {
                self.release(token)?;
                Err(error)
            }
        }
    }

    /// Sets the one deadline that a token can have, in place of any that it had.
    ///
    /// # Errors
    ///
    /// [`Stale`](crate::ErrorKind::Stale) if the token is not live.
    pub fn set_timer(&mut self, token: Token, deadline: Instant) -> Result<(), Error> {
        self.live(token)?;
        self.timers.set(token.index(), deadline);
        Ok(())
    }

    /// Sets the deadline of a token unless it has an earlier one.
    ///
    /// # Errors
    ///
    /// [`Stale`](crate::ErrorKind::Stale) if the token is not live.
    pub fn set_timer_earlier(&mut self, token: Token, deadline: Instant) -> Result<(), Error> {
        self.live(token)?;
        self.timers.set_earlier(token.index(), deadline);
        Ok(())
    }

    /// [`set_timer_earlier`](Self::set_timer_earlier), for whatever token is live in a slot.
    pub(crate) fn set_slot_timer_earlier(&mut self, slot: usize, deadline: Instant) {
        self.timers.set_earlier(slot, deadline);
    }

    /// Forgets the deadline of a token. Says whether there was one.
    pub fn cancel_timer(&mut self, token: Token) -> bool {
        self.contains(token) && self.timers.cancel(token.index())
    }

    /// Whether the token is live.
    #[inline]
    #[must_use]
    pub fn contains(&self, token: Token) -> bool {
        self.registry.contains(token)
    }

    /// The tokens that are live.
    #[must_use]
    pub const fn registry(&self) -> &Registry<&'a mut [Slot]> {
        &self.registry
    }

    /// What the loop has counted.
    #[must_use]
    pub const fn counters(&self) -> LoopCounters {
        self.counters
    }

    /// Makes [`EventLoop::run`] return after this turn.
    pub const fn stop(&mut self) {
        self.stopped = true;
    }

    #[inline]
    fn live(&self, token: Token) -> Result<(), Error> {
        if self.contains(token) { Ok(()) } else { Err(Error::new(crate::ErrorKind::Stale)) }
    }

    /// The earlier of the loop's and the platform's next deadline.
    #[inline]
    fn next_deadline(&mut self) -> Option<Instant> {
        let platform = self.platform.next_deadline(self.now);
        Instant::earlier(self.timers.next_deadline(), platform)
    }
}

/// One loop over one platform: waits or polls, dispatches what is ready, and expires what is due.
///
/// A platform that can sleep drives itself with [`run`](Self::run) or [`run_once`](Self::run_once).
/// Where something else owns the main loop, or where there is no clock to sleep on,
/// [`turn`](Self::turn) does one round without ever blocking, and says until when there is nothing
/// to do.
#[derive(Debug)]
pub struct EventLoop<'a, P> {
    /// What handlers are given; use it to register the first sources.
    pub context: Context<'a, P>,
    /// The memory of the batch; at least one place.
    batch: &'a mut [Event],
}

impl<'a, P: Selector> EventLoop<'a, P> {
    /// A loop over `platform` in the memory of `storage`.
    ///
    /// # Panics
    ///
    /// If the two tables of `storage` differ in length, or the batch has none.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "the loop takes the memory over")]
    pub fn new(platform: P, storage: LoopStorage<'a>) -> Self {
        assert_eq!(storage.slots.len(), storage.timers.len(), "a loop has as many timers as slots");
        assert!(!storage.events.is_empty(), "a batch needs room for at least one event");
        Self {
            context: Context {
                platform,
                registry: Registry::new(storage.slots),
                timers: Timers::new(storage.timers),
                now: Instant::ZERO,
                clock: None,
                counters: LoopCounters::default(),
                stopped: false,
            },
            batch: storage.events,
        }
    }

    /// One round, driven from outside: polls, dispatches, expires. Never blocks.
    ///
    /// Gives the time at which the next turn is due even if nothing happens until then: `now` if
    /// more may be pending, the earlier of the loop's and the platform's next deadline
    /// otherwise, `None` for never. A turn that is made earlier does no harm.
    ///
    /// # Errors
    ///
    /// As [`Selector::poll`].
    pub fn turn<H: Handler<'a, P>>(
        &mut self,
        now: Instant,
        handler: &mut H,
    ) -> Result<Option<Instant>, Error> {
        self.context.now = self.context.now.max(now);
        self.context.clock = None;
        let count = self.poll()?;
        self.context.counters.turns += 1;
        // What an event or a deadline changed, such as an interest, may have made a source ready.
        let came = self.context.dispatch(&self.batch[..count], handler);
        if self.end_turn(came, handler) {
            Ok(Some(self.context.now))
        } else {
            Ok(self.context.next_deadline())
        }
    }

    /// One round: waits for an event or the next deadline, dispatches, expires.
    ///
    /// # Errors
    ///
    /// As [`Wait::wait`].
    #[inline]
    pub fn run_once<H: Handler<'a, P>>(&mut self, handler: &mut H) -> Result<(), Error>
    where
        P: Wait,
    {
        let deadline = self.context.next_deadline();
        let mut events = Events::of(self.batch);
        self.context.platform.wait(&mut events, deadline)?;
        let events = events.as_slice();
        self.context.clock = Some(P::now);
        self.context.counters.turns += 1;
        if cfg!(target_pointer_width = "64") && events.is_empty() {
            // Apart, so that what follows is no longer than a turn with events needs it to be.
            self.end_empty_turn(handler);
            return Ok(());
        }
        let came = self.context.dispatch(events, handler);
        self.end_turn(came, handler);
        Ok(())
    }

    /// Rounds until a handler calls [`Context::stop`].
    ///
    /// # Errors
    ///
    /// As [`Wait::wait`].
    pub fn run<H: Handler<'a, P>>(&mut self, handler: &mut H) -> Result<(), Error>
    where
        P: Wait,
    {
        while !self.is_stopped() {
            self.run_once(handler)?;
        }
        Ok(())
    }

    /// Whether a handler called [`Context::stop`].
    #[inline]
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.context.stopped
    }

    /// What is ready now: that many events at the front of the batch.
    #[inline(never)]
    fn poll(&mut self) -> Result<usize, Error> {
        let mut events = Events::of(self.batch);
        self.context.platform.poll(self.context.now, &mut events)?;
        Ok(events.len())
    }

    /// [`end_turn`](Self::end_turn) after no events.
    #[cold]
    #[inline(never)]
    fn end_empty_turn<H: Handler<'a, P>>(&mut self, handler: &mut H) {
        self.end_turn(false, handler);
    }

    /// Hands each deadline that has passed to the handler. Says whether there were any, or events.
    #[inline]
    fn end_turn<H: Handler<'a, P>>(&mut self, came: bool, handler: &mut H) -> bool {
        let Self { context, batch } = self;
        let expired = !context.timers.is_empty() && context.expire(batch.len(), handler);
        let any = came || expired;
        context.counters.turns_idle += u64::from(!any);
        any
    }
}

impl<'a, P: Selector> Context<'a, P> {
    /// Hands each event of the batch to the handler. Says whether there were any.
    #[inline]
    fn dispatch<H: Handler<'a, P>>(&mut self, events: &[Event], handler: &mut H) -> bool {
        self.counters.events += events.len() as u64;
        // Counted down, not up to an end, which would first have to be worked out in each turn.
        let mut rest = events;
        while let [event, ..] = rest {
            // The source may have been deregistered earlier in this batch, and its slot have
            // another tenant.
            if self.registry.contains(event.token) {
                handler.ready(self, *event);
            } else {
                self.drop_stale();
            }
            rest = &rest[1..];
        }
        !events.is_empty()
    }

    /// Counts an event whose source is gone.
    #[cold]
    #[cfg_attr(target_pointer_width = "64", inline(never))]
    fn drop_stale(&mut self) {
        self.counters.events_stale += 1;
    }

    /// Hands passed deadlines to the handler, as many as a batch has events; the others keep the
    /// loop from sleeping.
    #[inline]
    fn expire<H: Handler<'a, P>>(&mut self, limit: usize, handler: &mut H) -> bool {
        let now = self.now();
        let mut expired = 0;
        while expired < limit {
            let Some(key) = self.timers.pop_expired(now) else { break };
            expired += 1;
            if let Some(token) = self.registry.token_at(key) {
                handler.expired(self, token);
            }
        }
        self.counters.deadlines += expired as u64;
        expired > 0
    }
}
