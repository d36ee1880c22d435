//! The context that a handler acts with: the platform, and a view of the loop's tables and state.

use crate::contract::{Error, ErrorKind, Instant, Interest, Mode, Selector, Token, Wake};
use crate::event_loop::registry;
use crate::event_loop::state::{LoopState, NO_WAKER};
use crate::event_loop::{LoopCounters, Registry, Slot, TimerSlot, Timers};

/// A handler's view of the loop: the platform, the registry, the timers and the time.
/// [`EventLoop::context`](crate::EventLoop::context) lends it outside of a turn.
#[derive(Debug)]
pub struct Context<'a, P> {
    /// The platform, for I/O. Register through the context, so that registry and timers know of
    /// it.
    pub platform: &'a mut P,
    pub(super) slots: &'a mut [Slot],
    pub(super) timers: &'a mut [TimerSlot],
    pub(super) state: &'a mut LoopState<P>,
}

impl<'a, P: Selector> Context<'a, P> {
    #[inline]
    pub(super) const fn new(
        platform: &'a mut P,
        slots: &'a mut [Slot],
        timers: &'a mut [TimerSlot],
        state: &'a mut LoopState<P>,
    ) -> Self {
        Self { platform, slots, timers, state }
    }

    /// Returns the time: reads the platform's clock where the loop owns one
    /// ([`EventLoop::new`](crate::EventLoop::new)), so a delay that is counted from it is not cut
    /// short by what a callback has done before. Otherwise the time that was given last.
    #[inline]
    pub fn now(&mut self) -> Instant {
        if let Some(clock) = self.state.clock {
            let now = clock(self.platform);
            self.state.advance(now);
        }
        self.state.now
    }

    /// Returns the time of this turn: read when it is first asked for after a wait, so at most
    /// once a turn. Outside of a turn it is read once for each
    /// [`EventLoop::context`](crate::EventLoop::context).
    ///
    /// For time stamps where a clock read for each event would cost too much; count delays from
    /// [`now`](Self::now).
    #[inline]
    pub fn turn_time(&mut self) -> Instant {
        if self.state.now_is_current { self.state.now } else { self.now() }
    }

    /// Issues a token for `source` and watches it.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full), and as [`Selector::register`]. Nothing is changed then.
    pub fn register(
        &mut self,
        source: P::Source,
        interest: Interest,
        mode: Mode,
    ) -> Result<Token, Error> {
        let token = self.issue()?;
        match self.platform.register(source, token, interest, mode) {
            Ok(()) => Ok(token),
            Err(error) => {
                self.release(token)?;
                Err(error)
            }
        }
    }

    /// Changes the interest and the mode of a source.
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
        self.check_live(token)?;
        self.platform.modify(source, token, interest, mode)
    }

    /// Stops watching a source and takes its token back, deadline included. Events for it that are
    /// already in this batch are dropped.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale) if the token is not live. As [`Selector::deregister`]; the token
    /// is taken back all the same.
    pub fn deregister(&mut self, source: P::Source, token: Token) -> Result<(), Error> {
        self.release(token)?;
        self.platform.deregister(source, token)
    }

    /// Issues a token that has no source: for a deadline that belongs to none.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full).
    pub fn issue(&mut self) -> Result<Token, Error> {
        self.state.registry.insert(self.slots)
    }

    /// Takes back a token that has no source, deadline included.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale) if it is not live, [`InvalidInput`](ErrorKind::InvalidInput) if
    /// it is the waker's, which [`release_waker`](Self::release_waker) gives back.
    pub fn release(&mut self, token: Token) -> Result<(), Error> {
        // The platform still reports wakes under it, so its slot must not be issued again.
        if token == self.state.waker && token != NO_WAKER {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        self.state.registry.remove(self.slots, token)?;
        self.state.timers.cancel(self.timers, token.index());
        Ok(())
    }

    /// Makes the platform's waker, and issues the token under which its wakes are reported.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full), and as [`Wake::waker`].
    pub fn waker(&mut self) -> Result<(Token, P::Waker), Error>
    where
        P: Wake,
    {
        let token = self.issue()?;
        match self.platform.waker(token) {
            Ok(waker) => {
                self.state.waker = token;
                Ok((token, waker))
            }
            Err(error) => {
                self.release(token)?;
                Err(error)
            }
        }
    }

    /// Gives the waker back to the platform, and takes its token back.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale) if the token is not live, and as [`Wake::release_waker`];
    /// nothing is changed then.
    pub fn release_waker(&mut self, token: Token) -> Result<(), Error>
    where
        P: Wake,
    {
        self.check_live(token)?;
        self.platform.release_waker(token)?;
        self.state.waker = NO_WAKER;
        self.release(token)
    }

    /// Sets the one deadline that a token can have, in place of any that it had.
    ///
    /// Equal deadlines expire in the order in which they were set. A deadline that has passed
    /// already expires in the next turn, after those that had passed before it was set.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale) if the token is not live.
    pub fn set_timer(&mut self, token: Token, deadline: Instant) -> Result<(), Error> {
        self.check_live(token)?;
        let deadline = self.not_past(deadline);
        self.state.timers.set(self.timers, token.index(), deadline);
        Ok(())
    }

    /// Sets the deadline of a token unless it has an earlier one.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale) if the token is not live.
    pub fn set_timer_earlier(&mut self, token: Token, deadline: Instant) -> Result<(), Error> {
        self.check_live(token)?;
        self.set_slot_timer_earlier(token.index(), deadline);
        Ok(())
    }

    /// Sets the deadline as [`set_timer_earlier`](Self::set_timer_earlier) for the live token of a
    /// slot.
    pub(crate) fn set_slot_timer_earlier(&mut self, slot: usize, deadline: Instant) {
        let deadline = self.not_past(deadline);
        self.state.timers.set_earlier(self.timers, slot, deadline);
    }

    /// Returns the deadline, or the latest known time if it was before that. Were it kept, a token
    /// that is armed in the past again and again would be first in every turn, and with a batch of
    /// one no other deadline would ever expire.
    #[inline]
    fn not_past(&self, deadline: Instant) -> Instant {
        deadline.max(self.state.now)
    }

    /// Forgets the deadline of a token. Returns true if there was one.
    pub fn cancel_timer(&mut self, token: Token) -> bool {
        self.contains(token) && self.state.timers.cancel(self.timers, token.index())
    }

    /// Returns true if the token is live.
    #[inline]
    #[must_use]
    pub fn contains(&self, token: Token) -> bool {
        registry::contains(self.slots, token)
    }

    /// Returns the registry, to look at: the tokens that are live.
    #[inline]
    #[must_use]
    pub fn registry(&self) -> Registry<&[Slot]> {
        Registry::view(&*self.slots, self.state.registry)
    }

    /// Returns the timers, to look at: the deadlines, by slot.
    #[inline]
    #[must_use]
    pub fn timers(&self) -> Timers<&[TimerSlot]> {
        Timers::view(&*self.timers, self.state.timers)
    }

    /// Returns the counters of the loop.
    #[must_use]
    pub const fn counters(&self) -> LoopCounters {
        self.state.counters
    }

    /// Makes [`EventLoop::run`](crate::EventLoop::run) return after this turn.
    pub const fn stop(&mut self) {
        self.state.stop();
    }

    /// Counts a server: the drain of another does not stop the loop.
    pub(crate) const fn join(&mut self) {
        self.state.servers += 1;
    }

    /// Records that a server has drained; when all have, the loop stops.
    pub(crate) const fn leave(&mut self) {
        self.state.servers -= 1;
        if self.state.servers == 0 {
            self.stop();
        }
    }

    #[inline]
    fn check_live(&self, token: Token) -> Result<(), Error> {
        if self.contains(token) { Ok(()) } else { Err(Error::new(ErrorKind::Stale)) }
    }
}
