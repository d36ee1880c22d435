//! One turn of a loop: wait or poll, dispatch, expire.

use crate::contract::{Error, Event, Events, Instant, Selector, Wait};
use crate::event_loop::{Context, Handler, registry};

impl<P: Selector> Context<'_, P> {
    #[inline]
    pub(super) const fn is_stopped(&self) -> bool {
        self.state.is_stopped()
    }

    /// Returns the earlier of the loop's and the platform's next deadline.
    #[inline]
    fn next_deadline(&mut self) -> Option<Instant> {
        let platform = self.platform.next_deadline(self.state.now);
        Instant::earlier(self.state.timers.next_deadline(self.timers), platform)
    }

    /// Polls, dispatches, expires; returns when the next turn is due.
    pub(super) fn poll_turn<H: Handler<P>>(
        &mut self,
        now: Instant,
        batch: &mut [Event],
        handler: &mut H,
    ) -> Result<Option<Instant>, Error> {
        self.state.advance(now);
        self.state.looked_at = self.state.now;
        let count = self.poll(batch)?;
        self.state.counters.turns += 1;
        self.dispatch(&batch[..count], handler);
        // What an event or a deadline changed, such as an interest, may have made a source ready.
        if self.end_turn(count, batch.len(), handler) {
            Ok(Some(self.state.now))
        } else {
            Ok(self.next_deadline())
        }
    }

    /// Waits, dispatches, expires.
    #[inline]
    pub(super) fn wait_turn<H: Handler<P>>(
        &mut self,
        batch: &mut [Event],
        handler: &mut H,
    ) -> Result<(), Error>
    where
        P: Wait,
    {
        let mut count = self.wait(batch)?;
        if count == 0 {
            count = self.look_again(batch)?;
            if count == 0 {
                self.end_turn(0, batch.len(), handler);
                return Ok(());
            }
        }
        // Kept in memory, as it is needed again only if there are deadlines.
        self.state.found = count;
        self.dispatch(&batch[..count], handler);
        if !self.state.timers.is_empty() {
            self.end_turn(self.state.found, batch.len(), handler);
        }
        Ok(())
    }

    /// Fills the front of the batch, and returns the number of events.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call would cost a turn a tenth of its instructions")]
    fn wait(&mut self, batch: &mut [Event]) -> Result<usize, Error>
    where
        P: Wait,
    {
        let deadline = self.next_deadline();
        self.state.now_is_current = false;
        let mut events = Events::of(batch);
        self.platform.wait(&mut events, deadline)?;
        self.state.counters.turns += 1;
        Ok(events.len())
    }

    /// Polls after an empty wait if a deadline passed in it, and returns the number of events. The
    /// process may have been stopped since the wait looked at its sources: who has sent is served
    /// before it expires.
    fn look_again(&mut self, batch: &mut [Event]) -> Result<usize, Error> {
        if self.state.timers.is_empty() {
            return Ok(0);
        }
        let now = self.turn_time();
        let looked_at = self.state.looked_at;
        let next = self.state.timers.next_deadline(self.timers);
        if !next.is_some_and(|deadline| deadline > looked_at && deadline <= now) {
            return Ok(0);
        }
        self.state.looked_at = now;
        self.poll(batch)
    }

    /// Fills the front of the batch with what is ready now, and returns the number of events.
    fn poll(&mut self, batch: &mut [Event]) -> Result<usize, Error> {
        let mut events = Events::of(batch);
        self.platform.poll(self.state.now, &mut events)?;
        Ok(events.len())
    }

    /// Hands each event of the batch to the handler.
    #[inline]
    fn dispatch<H: Handler<P>>(&mut self, events: &[Event], handler: &mut H) {
        self.state.counters.events += events.len() as u64;
        // Shrink the slice instead of computing an end pointer in each turn.
        let mut rest = events;
        while let [event, ..] = rest {
            // The source may have been deregistered earlier in this batch, and its slot have
            // another tenant.
            if self.contains(event.token) {
                handler.ready(self, *event);
            } else {
                self.drop_stale();
            }
            rest = &rest[1..];
        }
    }

    /// Counts an event whose source is gone.
    #[cold]
    fn drop_stale(&mut self) {
        self.state.counters.events_stale += 1;
    }

    /// Hands each deadline that may be judged to the handler. Returns true if there were any, or
    /// events.
    fn end_turn<H: Handler<P>>(&mut self, count: usize, room: usize, handler: &mut H) -> bool {
        let expired = !self.state.timers.is_empty() && self.expire(count, room, handler);
        let any = count > 0 || expired;
        self.state.counters.turns_idle += u64::from(!any);
        any
    }

    /// Hands deadlines to the handler, at most as many as a batch has events; the others keep the
    /// loop from sleeping.
    fn expire<H: Handler<P>>(&mut self, count: usize, room: usize, handler: &mut H) -> bool {
        // The next turn judges what has passed by now, before its wait.
        self.turn_time();
        let Some(judged) = self.judge(count == room, room) else { return false };
        // Armed while timers expire: the next turn's.
        let mark = self.state.timers.mark();
        let mut expired = 0;
        while expired < room {
            let next = self.state.timers.pop_expired_before(self.timers, judged, mark);
            let Some(key) = next else { break };
            expired += 1;
            if let Some(token) = registry::token_at(self.slots, key) {
                handler.expired(self, token);
            }
        }
        self.state.counters.deadlines += expired as u64;
        expired > 0
    }

    /// Returns the latest deadline that may expire: a look at every source has followed it.
    /// A full batch has cut the last look short.
    #[inline]
    fn judge(&mut self, is_full: bool, room: usize) -> Option<Instant> {
        let state = &mut *self.state;
        let looked_at = state.looked_at;
        if !is_full {
            (state.judged, state.full_looks) = (looked_at, 0);
            return Some(looked_at);
        }
        if state.full_looks > 0 || state.timers.is_due(self.timers, looked_at) {
            if state.full_looks == 0 {
                state.full_looks_since = looked_at;
            }
            state.full_looks += 1;
            // As no source is favoured, so many looks are one at each of them.
            if state.full_looks >= self.slots.len().div_ceil(room) {
                (state.judged, state.full_looks) = (state.full_looks_since, 0);
                return Some(state.judged);
            }
        }
        // Those that were judged already and for which an earlier turn had no room. One of that
        // very time may have been set since.
        state.judged.as_nanos().checked_sub(1).map(Instant::from_nanos)
    }
}
