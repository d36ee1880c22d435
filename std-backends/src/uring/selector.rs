//! The contract of a selector.
//!
//! Which sources are ready follows from the platform's own state. A queue has those that may be:
//! each goes to its end when it was reported, so that all have their turn.

use selkie_core::backend::{check_tenant, check_vacant};
use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use super::endpoint::{Endpoint, Repeated};
use super::{Uring, UringSocket};
use crate::waker::{WakeSource, Waker};

impl Uring {
    /// Puts a source at the end of the queue of those that may be ready.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "places have 32 bits")]
    pub(super) fn enqueue(&mut self, index: usize) {
        let link = index as u32 + 1;
        let Some((_, endpoint)) = self.endpoints.at_mut(index) else { return };
        if std::mem::replace(&mut endpoint.is_queued, true) {
            return;
        }
        endpoint.next_ready = 0;
        match self.ready_last.checked_sub(1) {
            None => self.ready_first = link,
            Some(last) => {
                if let Some((_, last)) = self.endpoints.at_mut(last as usize) {
                    last.next_ready = link;
                }
            }
        }
        self.ready_last = link;
    }

    /// Takes the first source of the queue.
    #[inline]
    fn dequeue(&mut self) -> Option<(usize, &mut Endpoint)> {
        let index = self.ready_first.checked_sub(1)? as usize;
        let (_, endpoint) = self.endpoints.at_mut(index)?;
        endpoint.is_queued = false;
        self.ready_first = endpoint.next_ready;
        if self.ready_first == 0 {
            self.ready_last = 0;
        }
        Some((index, endpoint))
    }

    /// Puts the sources from the front of the queue to `reported` at its end.
    fn rotate(&mut self, reported: u32) {
        let Some((_, endpoint)) = self.endpoints.at_mut(reported as usize - 1) else { return };
        let next = std::mem::take(&mut endpoint.next_ready);
        if next == 0 {
            return;
        }
        let (first, last) = (self.ready_first, self.ready_last);
        if let Some((_, last)) = self.endpoints.at_mut(last as usize - 1) {
            last.next_ready = first;
        }
        (self.ready_first, self.ready_last) = (next, reported);
    }

    /// Returns true if a source can be reported without a look at the kernel. Drops those from the
    /// front of the queue that cannot.
    fn has_ready(&mut self) -> bool {
        if self.is_woken {
            return true;
        }
        let last = self.ready_last;
        while self.ready_first != 0 {
            let is_last = self.ready_first == last;
            let first = self.endpoints.at(self.ready_first as usize - 1);
            if first.is_some_and(|(_, first)| !first.is_quiet() && !first.reportable().is_empty()) {
                return true;
            }
            let Some((index, endpoint)) = self.dequeue() else { break };
            if !endpoint.is_served() {
                self.begin_missing(index);
            }
            if is_last {
                break;
            }
        }
        false
    }

    /// Adds events for what is ready.
    fn report(&mut self, events: &mut Events<'_>) {
        // A waker that is always woken has the first place in every second turn.
        if !std::mem::take(&mut self.was_woken) {
            self.report_wake(events);
        }
        self.report_sources(events);
        self.report_wake(events);
    }

    /// Adds an event for the waker.
    fn report_wake(&mut self, events: &mut Events<'_>) {
        let Some(waker) = &self.waker else { return };
        if self.is_woken && events.room() > 0 {
            waker.drain();
            let _ = events.push(Event { token: waker.token(), readiness: Readiness::READABLE });
            (self.is_woken, self.was_woken) = (false, true);
        }
    }

    /// Adds events for the sources in the queue, each once at most. Those that are reported stay in
    /// the queue, behind the others: the next look finds out if they are still ready.
    fn report_sources(&mut self, events: &mut Events<'_>) {
        let (last, mut reported) = (self.ready_last, 0);
        let mut next = self.ready_first;
        while next != 0 && events.room() > 0 {
            let (link, index) = (next, next as usize - 1);
            let Some((_, endpoint)) = self.endpoints.at_mut(index) else { break };
            next = if link == last { 0 } else { endpoint.next_ready };
            let readiness = endpoint.reportable();
            let token = endpoint.token.filter(|_| !readiness.is_empty());
            let is_served = endpoint.is_served();
            if let Some(token) = token {
                let _ = events.push(Event { token, readiness });
                // The next poll finds out if a file is still ready.
                endpoint.polled = Readiness::NONE;
            }
            if token.is_some_and(|token| !self.sources.mark_fired(token.index())) {
                reported = link;
            } else {
                self.unlink(index, reported, token.is_some());
            }
            if !is_served {
                self.begin_missing(index);
            }
        }
        if reported != 0 {
            self.rotate(reported);
        }
    }

    /// Takes a source out of the queue that is behind the one at `before`, a place + 1, or is the
    /// first. One that has fired is armed for nothing.
    fn unlink(&mut self, index: usize, before: u32, has_fired: bool) {
        let Some((_, endpoint)) = self.endpoints.at_mut(index) else { return };
        endpoint.is_queued = false;
        if has_fired {
            endpoint.armed = Interest::NONE;
        }
        let next = endpoint.next_ready;
        if next == 0 {
            self.ready_last = before;
        }
        match before.checked_sub(1).and_then(|before| self.endpoints.at_mut(before as usize)) {
            Some((_, before)) => before.next_ready = next,
            None => self.ready_first = next,
        }
    }

    /// Enters the ring, waits until `deadline` if `waits` says so, and reports what is ready.
    /// Returns true if a signal has ended the wait.
    fn look(
        &mut self,
        events: &mut Events<'_>,
        waits: bool,
        deadline: Option<Instant>,
    ) -> Result<bool, Error> {
        self.watch_waker();
        let waits = waits && events.room() > 0 && !self.has_ready();
        let until = deadline.filter(|_| waits).map(|deadline| self.clock.absolute(deadline));
        self.buffers.provide();
        let is_interrupted = self.ring.enter(u32::from(waits), until)?;
        self.take_completions();
        self.report(events);
        Ok(is_interrupted)
    }
}

impl Selector for Uring {
    type Source = UringSocket;

    fn register(
        &mut self,
        source: UringSocket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let endpoint = self.live(source)?;
        let is_registered = endpoint.token.is_some();
        self.sources.check_vacant(token)?;
        let waker = self.waker.as_ref().map(WakeSource::token);
        if waker.is_some_and(|waker| waker.index() == token.index()) {
            check_vacant(waker, token, self.sources.capacity())?;
        }
        if is_registered {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        check_supported(interest, mode)?;
        let index = source.0.index();
        #[expect(clippy::cast_possible_truncation, reason = "places have 32 bits")]
        self.sources.insert(token, interest, mode, index as u32);
        let endpoint = self.live_mut(source)?;
        (endpoint.token, endpoint.armed) = (Some(token), interest);
        self.begin_missing(index);
        self.enqueue(index);
        Ok(())
    }

    fn modify(
        &mut self,
        source: UringSocket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let tenant = self.live(source)?.token;
        check_tenant(tenant, token)?;
        check_supported(interest, mode)?;
        self.sources.update(token, interest, mode);
        self.live_mut(source)?.armed = interest;
        let index = source.0.index();
        self.begin_missing(index);
        self.enqueue(index);
        Ok(())
    }

    fn deregister(&mut self, source: UringSocket, token: Token) -> Result<(), Error> {
        let endpoint = self.live_mut(source)?;
        check_tenant(endpoint.token, token)?;
        (endpoint.token, endpoint.armed) = (None, Interest::NONE);
        self.sources.remove(token);
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.look(events, false, None).map(drop)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::READ_CLOSED
            | Capabilities::CLOSED
            | Capabilities::ERROR
            | Capabilities::WAKER
            | Capabilities::CHECK
            | Capabilities::ABORT
    }

    fn capacity(&self) -> usize {
        self.sources.capacity()
    }
}

/// Refuses what a ring does not have.
fn check_supported(interest: Interest, mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge || interest == Interest::HANGUP {
        return Err(ErrorKind::Unsupported.into());
    }
    Ok(())
}

impl Wait for Uring {
    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        if deadline.is_none() && self.sources.armed() == 0 && self.waker.is_none() {
            return Err(ErrorKind::NothingToWaitFor.into());
        }
        loop {
            let is_interrupted = self.look(events, true, deadline)?;
            let is_over = deadline.is_some_and(|deadline| deadline <= self.clock.now());
            if is_interrupted && is_over && events.is_empty() {
                // The caller judges its deadlines by this wait, so they get the look that is due.
                return self.look(events, false, None).map(drop);
            }
            // What the kernel has done need not be an event.
            if events.room() == 0 || !events.is_empty() || is_over || is_interrupted {
                return Ok(());
            }
        }
    }
}

impl Wake for Uring {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        if self.waker.is_some() {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        self.sources.check_vacant(token)?;
        if self.watching_waker == Repeated::Cancelling {
            // The channel before is still watched: its last completion comes with this entry.
            self.ring.enter(0, None)?;
            self.take_completions();
        }
        let source = WakeSource::new(token)?;
        let waker = source.waker();
        self.waker = Some(source);
        self.watch_waker();
        Ok(waker)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        check_tenant(self.waker.as_ref().map(WakeSource::token), token)?;
        self.unwatch_waker()?;
        // The channel stays open until its poll is cancelled.
        self.ring.enter(0, None)?;
        self.take_completions();
        self.waker = None;
        self.is_woken = false;
        Ok(())
    }
}
