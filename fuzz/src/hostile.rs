//! A selector that reports what it likes.

use std::cell::Cell;
use std::rc::Rc;

use selkie_core::platform::{Capabilities, Events, Selector, Wait};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use crate::choices::Choices;

/// Reports events for tokens that it knows, for those that it has forgotten, and for some that were
/// never issued; refuses what it likes; and has a clock that goes where it likes.
#[derive(Debug)]
pub struct Hostile {
    choices: Choices,
    /// Every token that it ever heard of.
    known: Vec<Token>,
    /// Number of events it has reported.
    pub reported: u64,
    /// The latest time that the loop was told.
    latest: Instant,
    /// The latest time that was known when the last look began.
    looked_at: Rc<Cell<Instant>>,
}

impl Hostile {
    /// Makes a selector that chooses from `choices`.
    #[must_use]
    pub const fn new(choices: Choices, looked_at: Rc<Cell<Instant>>) -> Self {
        Self { choices, known: Vec::new(), reported: 0, latest: Instant::ZERO, looked_at }
    }

    fn token(&self) -> Token {
        match self.choices.below(4) {
            0 => Token::from_u64(u64::from_le_bytes(self.choices.array())),
            1 => Token::new(self.choices.byte().into(), self.choices.byte().into()),
            _ => self.choices.pick(&self.known).unwrap_or(Token::from_u64(0)),
        }
    }

    fn report(&mut self, events: &mut Events<'_>) {
        for _ in 0..self.choices.below(8) {
            let event = Event {
                token: self.token(),
                readiness: Readiness::from_bits(self.choices.byte().into()),
            };
            self.reported += u64::from(events.push(event).is_ok());
        }
    }

    fn verdict(&self) -> Result<(), Error> {
        if self.choices.below(8) == 7 { Err(Error::new(ErrorKind::OutOfMemory)) } else { Ok(()) }
    }
}

impl Selector for Hostile {
    type Source = u8;

    fn register(
        &mut self,
        _source: u8,
        token: Token,
        _interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        self.known.push(token);
        self.verdict()
    }

    fn modify(
        &mut self,
        _source: u8,
        _token: Token,
        _interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        self.verdict()
    }

    fn deregister(&mut self, _source: u8, _token: Token) -> Result<(), Error> {
        self.verdict()
    }

    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.latest = self.latest.max(now);
        self.looked_at.set(self.latest);
        self.report(events);
        Ok(())
    }

    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        (self.choices.below(4) == 0).then(|| Instant::from_nanos(now.as_nanos().saturating_sub(1)))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn capacity(&self) -> usize {
        usize::MAX
    }
}

impl Wait for Hostile {
    fn now(&mut self) -> Instant {
        let now = Instant::from_nanos(self.choices.byte().into());
        self.latest = self.latest.max(now);
        now
    }

    fn wait(&mut self, events: &mut Events<'_>, _deadline: Option<Instant>) -> Result<(), Error> {
        self.looked_at.set(self.latest);
        self.report(events);
        Ok(())
    }
}
