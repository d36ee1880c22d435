//! The toy's waits and wakes, over a clock that moves when it sleeps.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use selkie_core::platform::{Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Instant, Token};

use super::Fault;
use super::platform::Toy;

impl Wait for Toy {
    fn now(&mut self) -> Instant {
        if self.has(Fault::GoesBackInTime) {
            self.now = Instant::from_nanos(self.now.as_nanos() - 1);
        }
        self.now
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        if self.has(Fault::LosesEarlyWakes) {
            self.wakes.set(0);
        }
        if events.room() == 0 && !self.has(Fault::SleepsWithAFullBatch) {
            return Ok(());
        }
        if deadline.is_none() && !self.has_something_to_wait_for() {
            let silent = self.has(Fault::WaitsForNothing);
            return if silent { Ok(()) } else { Err(ErrorKind::NothingToWaitFor.into()) };
        }
        if self.interrupted && self.has(Fault::SpinsAfterInterruptions) {
            return Ok(());
        }
        self.sleep(events, self.spoil_deadline(deadline))
    }
}

impl Toy {
    /// Returns whether an armed source or a waker can end a wait.
    fn has_something_to_wait_for(&self) -> bool {
        let spent = self.has(Fault::WaitsForSpentOneshots) && self.registrations.oneshot() > 0;
        self.registrations.armed() > 0 || self.waker.is_some() || spent
    }

    /// Polls and moves the time on until there is an event, an interruption or the deadline.
    fn sleep(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        let (start, before) = (self.now, events.len());
        let mut until = deadline;
        loop {
            self.poll(self.now, events)?;
            if events.len() > before {
                return Ok(());
            }
            let next = self.schedule.iter().map(|(at, _)| *at).min();
            match (until, next) {
                (Some(until), next)
                    if until <= self.now || next.is_none_or(|next| next > until) =>
                {
                    if self.has(Fault::Spins) {
                        self.busy += until.saturating_since(self.now);
                    }
                    self.advance(until);
                    return Ok(());
                }
                (_, Some(next)) => {
                    if self.advance(next) {
                        match self.fault {
                            Some(Fault::RestartsInterruptedWaits) => {
                                until = deadline
                                    .map(|deadline| self.now + deadline.saturating_since(start));
                            }
                            Some(Fault::FailsInterruptedWaits) => {
                                return Err(ErrorKind::Other.into());
                            }
                            // As systems do after a signal.
                            _ => return Ok(()),
                        }
                    }
                }
                // A real platform would never return.
                (_, None) => return Err(ErrorKind::Other.into()),
            }
        }
    }

    /// Applies the planted fault to a deadline.
    fn spoil_deadline(&self, deadline: Option<Instant>) -> Option<Instant> {
        let deadline = deadline?;
        let left = deadline.saturating_since(self.now);
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Some(match self.fault {
            Some(Fault::RoundsDown) => self.now + Duration::from_millis(millis),
            Some(Fault::OverflowsFarDeadlines) if i32::try_from(left.as_millis()).is_err() => {
                self.now
            }
            _ => deadline,
        })
    }
}

impl Wake for Toy {
    type Waker = Rc<Cell<usize>>;

    fn waker(&mut self, token: Token) -> Result<Self::Waker, Error> {
        self.registrations.check_vacant(token)?;
        if self.waker.is_some() && !self.has(Fault::MakesSecondWakers) {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        self.waker = Some(token);
        Ok(Rc::clone(&self.wakes))
    }
    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        match self.waker {
            Some(waker) if waker == token || self.has(Fault::ReleasesAnyWaker) => {}
            Some(waker) if waker.index() == token.index() => return Err(ErrorKind::Stale.into()),
            _ => return Err(ErrorKind::NotRegistered.into()),
        }
        if self.has(Fault::KeepsReleasedWakers) {
            return Ok(());
        }
        self.waker = None;
        if !self.has(Fault::InheritsWakes) {
            // Handles of the old waker count in a cell of their own from now on.
            self.wakes = Rc::default();
        }
        Ok(())
    }
}
