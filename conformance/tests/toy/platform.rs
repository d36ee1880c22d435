//! The toy itself: a selector that scans its sources, with a clock that moves when it sleeps.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use selkie_core::backend::{SourceEntry, SourceTable};
use selkie_core::platform::{Capabilities, Events, Selector};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use super::Fault;
use super::network::{Kind, Line, Network};

/// Event at a point in virtual time.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    Write(usize, &'static [u8]),
    Wake,
    Interrupt,
}

/// State of a source beside its registration.
#[derive(Clone, Copy)]
struct ToySource {
    source: usize,
    /// Number of changes that were reported, for edge mode.
    reported: Option<u64>,
}

/// The platform.
pub(crate) struct Toy {
    pub(crate) network: Network,
    pub(crate) now: Instant,
    pub(crate) schedule: Vec<(Instant, Action)>,
    pub(crate) fault: Option<Fault>,
    /// Processor time that the toy claims to have used.
    pub(crate) busy: Duration,
    pub(super) registrations: SourceTable<Vec<SourceEntry>>,
    watched: Vec<Option<ToySource>>,
    /// Index at which the next scan begins.
    first: usize,
    pub(super) waker: Option<Token>,
    /// A wait was interrupted at some time.
    pub(super) interrupted: bool,
    pub(crate) wakes: Rc<Cell<usize>>,
    ghost: Option<Token>,
}

impl Toy {
    pub(crate) fn new(capacity: usize, fault: Option<Fault>) -> Self {
        Self {
            network: Network::default(),
            now: Instant::from_millis(1_000),
            schedule: Vec::new(),
            fault,
            busy: Duration::ZERO,
            registrations: SourceTable::new(vec![SourceEntry::EMPTY; capacity]),
            watched: vec![None; capacity],
            first: 0,
            waker: None,
            interrupted: false,
            wakes: Rc::default(),
            ghost: None,
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Moves the time on, and lets happen what is due.
    pub(crate) fn advance(&mut self, to: Instant) -> bool {
        self.now = self.now.max(to);
        let mut interrupted = false;
        while let Some(due) = self.schedule.iter().position(|(at, _)| *at <= self.now) {
            match self.schedule.remove(due).1 {
                Action::Write(line, bytes) => {
                    self.network.change(line).inward.write(bytes).expect("room for a few bytes");
                }
                Action::Wake => self.wakes.set(self.wakes.get() + 1),
                Action::Interrupt => interrupted = true,
            }
        }
        self.interrupted |= interrupted;
        interrupted
    }

    fn check_mode(&self, mode: Mode) -> Result<(), Error> {
        if mode == Mode::Edge && self.fault == Some(Fault::FavoursTheFirst) {
            return Err(ErrorKind::Unsupported.into());
        }
        Ok(())
    }

    /// Returns the token as a faulty platform would see it.
    fn seen(&self, token: Token) -> Token {
        if self.has(Fault::CutsGenerations) {
            return Token::new(
                u32::try_from(token.index()).unwrap(),
                token.generation() & 0xffff | 1,
            );
        }
        match self.registrations.at(token.index()) {
            Some((tenant, ..)) if self.has(Fault::BelievesStaleTokens) => tenant,
            _ => token,
        }
    }

    /// Returns what is to be reported for the source at `index`.
    fn ready(&self, index: usize) -> Option<(Event, ToySource)> {
        let (token, registration, ()) = self.registrations.at(index)?;
        let watched = self.watched[index]?;
        let line = &self.network.lines[watched.source];
        let mut registration = registration;
        if registration.mode == Mode::Oneshot && self.has(Fault::ForgetsOneshot) {
            registration.mode = Mode::Level;
        }
        let interest = if self.has(Fault::ForgetsOneshot) {
            registration.interest
        } else {
            registration.armed()
        };
        let mut all = line.readiness();
        if self.has(Fault::HidesTheEndOfBoth) && !line.far_closed {
            all = all - Readiness::CLOSED;
        }
        let mut readiness = self.within(all, interest);
        readiness = self.spoil(readiness, all, interest);
        let deaf = interest == Interest::HANGUP && self.has(Fault::ForgetsEarlyHangups);
        let repeats = registration.mode == Mode::Edge || self.has(Fault::ForgetsLevel) || deaf;
        if repeats && watched.reported == Some(line.changes) {
            readiness = Readiness::NONE;
        }
        (!readiness.is_empty()).then_some((Event { token, readiness }, watched))
    }

    /// Returns what of `all` is reported to this interest.
    fn within(&self, all: Readiness, interest: Interest) -> Readiness {
        let strict = Readiness::READ_CLOSED | Readiness::CLOSED | Readiness::ERROR;
        if interest.is_empty() {
            let loud = self.has(Fault::ReportsHangupsWithoutInterest) && all.intersects(strict);
            return if loud { all & strict } else { Readiness::NONE };
        }
        let alone = interest == Interest::HANGUP
            || (interest.contains(Interest::HANGUP) && self.has(Fault::SilencesBesideHangups));
        if alone {
            return all
                & match self.fault {
                    Some(Fault::DeafToHangups) => Readiness::NONE,
                    Some(Fault::ReportsHalfClosedAsHangup) => strict,
                    Some(Fault::ReportsBytesAsHangup) => strict | Readiness::READABLE,
                    _ => Readiness::CLOSED | Readiness::ERROR,
                };
        }
        let readiness = all & (Readiness::from_bits(u32::from(interest.bits())) | strict);
        // Someone who waits for room to write has no use for half a hangup.
        if (readiness - strict).is_empty() { Readiness::NONE } else { readiness }
    }

    /// Applies the planted fault to `readiness`.
    fn spoil(&self, readiness: Readiness, all: Readiness, interest: Interest) -> Readiness {
        match self.fault {
            Some(Fault::IgnoresInterest) if !interest.is_empty() => all,
            Some(Fault::AlwaysReadable) if interest.contains(Interest::READABLE) => {
                readiness | Readiness::READABLE
            }
            Some(Fault::AlwaysWritable) if interest.contains(Interest::WRITABLE) => {
                readiness | Readiness::WRITABLE
            }
            Some(Fault::LiesAboutTheEnd) if readiness.is_readable() => {
                readiness | Readiness::READ_CLOSED
            }
            Some(Fault::HidesTheEnd) if readiness.contains(Readiness::READ_CLOSED) => {
                Readiness::NONE
            }
            _ => readiness,
        }
    }

    /// Records that the source at `index` was reported.
    fn note(&mut self, index: usize, watched: ToySource) {
        let changes = self.network.lines[watched.source].changes;
        self.watched[index] = Some(ToySource { reported: Some(changes), ..watched });
        self.registrations.mark_fired(index);
    }

    fn report_wake(&mut self, events: &mut Events<'_>) {
        let (Some(token), wakes) = (self.waker, self.wakes.get()) else { return };
        if wakes > 0 && events.push(Event { token, readiness: Readiness::READABLE }).is_ok() {
            match self.fault {
                Some(Fault::RepeatsWakes) => {}
                Some(Fault::CountsWakes) => self.wakes.set(wakes - 1),
                _ => self.wakes.set(0),
            }
        }
    }

    /// Scans all sources, beginning where the last scan ended. The place after the last index is
    /// the waker's.
    fn scan(&mut self, events: &mut Events<'_>) -> Result<(), Error> {
        let places = self.watched.len() + 1;
        let first = if self.has(Fault::FavoursTheFirst) { 0 } else { self.first };
        if self.has(Fault::StarvesEvents) {
            self.report_wake(events);
        }
        for turn in 0..places {
            let index = (first + turn) % places;
            let goes_on = if index == places - 1 {
                self.scan_waker(index, events)
            } else {
                self.scan_source(index, events)?
            };
            if !goes_on {
                return Ok(());
            }
        }
        if self.has(Fault::StarvesWakes) && events.is_empty() {
            self.report_wake(events);
        }
        Ok(())
    }

    /// Reports the waker in its turn. Returns whether the scan goes on.
    fn scan_waker(&mut self, index: usize, events: &mut Events<'_>) -> bool {
        if self.has(Fault::StarvesWakes) {
            return true;
        }
        self.report_wake(events);
        if events.room() == 0 {
            // What found no room is next: the wake if there is one, and otherwise the first source.
            self.first = if self.wakes.get() > 0 { index } else { 0 };
        }
        events.room() > 0
    }

    /// Reports the source at `index` if it is ready. Returns whether the scan goes on.
    fn scan_source(&mut self, index: usize, events: &mut Events<'_>) -> Result<bool, Error> {
        let Some((event, watched)) = self.ready(index) else { return Ok(true) };
        if self.network.lines[watched.source].broken && self.has(Fault::BreaksAsAWhole) {
            return Err(ErrorKind::InvalidSource.into());
        }
        let full = self.has(Fault::LimitsBatches) && events.len() == 1_024;
        if full || self.report(event, events).is_err() {
            if self.has(Fault::LosesOneshotBeyondTheBatch)
                || self.has(Fault::LosesEdgeBeyondTheBatch)
            {
                self.lose(event, watched);
                return Ok(true);
            }
            self.first = index;
            return Ok(false);
        }
        self.note(index, watched);
        if self.has(Fault::ReportsOneAtATime) {
            self.first = index + 1;
            return Ok(false);
        }
        Ok(true)
    }

    fn report(&self, event: Event, events: &mut Events<'_>) -> Result<(), Event> {
        let writable = Event { readiness: event.readiness & Readiness::WRITABLE, ..event };
        if self.has(Fault::SplitsDirections) && writable.readiness != event.readiness {
            if !writable.readiness.is_empty() {
                events.push(writable)?;
            }
            return events
                .push(Event { readiness: event.readiness - Readiness::WRITABLE, ..event });
        }
        events.push(event)
    }

    fn lose(&mut self, event: Event, watched: ToySource) {
        let mode = self.registrations.get(event.token).map(|registration| registration.mode);
        let wanted =
            if self.has(Fault::LosesOneshotBeyondTheBatch) { Mode::Oneshot } else { Mode::Edge };
        if mode == Ok(wanted) {
            self.note(event.token.index(), watched);
        }
    }

    /// Returns the line behind a source that was not closed.
    pub(super) fn line(&mut self, source: usize) -> Result<&mut Line, Error> {
        let careless = self.has(Fault::ReadsClosedStreams);
        let line = &mut self.network.lines[source];
        if line.near_closed && !careless { Err(ErrorKind::Stale.into()) } else { Ok(line) }
    }

    /// Returns the stream behind a source.
    pub(super) fn stream(&mut self, source: usize) -> Result<&mut Line, Error> {
        let line = self.line(source)?;
        match line.kind {
            Kind::Stream => Ok(line),
            Kind::Refused | Kind::Unconnected => Err(ErrorKind::NotConnected.into()),
            Kind::Listener | Kind::File => Err(ErrorKind::InvalidSource.into()),
        }
    }
}

impl Selector for Toy {
    type Source = usize;

    fn register(
        &mut self,
        source: usize,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let token = if self.has(Fault::CutsGenerations) { self.seen(token) } else { token };
        self.check_mode(mode)?;
        self.registrations.check_vacant(token)?;
        if self.waker.is_some_and(|waker| waker.index() == token.index()) {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        self.line(source)?;
        let twice = self.watched.iter().flatten().any(|watched| watched.source == source);
        if twice && !self.has(Fault::RegistersSourcesTwice) {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        self.watched[token.index()] = Some(ToySource { source, reported: None });
        self.registrations.insert(token, interest, mode, ());
        Ok(())
    }

    fn modify(
        &mut self,
        source: usize,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let token = self.seen(token);
        self.check_mode(mode)?;
        self.registrations.get(token)?;
        if interest.is_empty() && self.has(Fault::ForgetsSilenced) {
            return self.deregister(source, token);
        }
        let seen = self.network.lines[source].changes;
        let reported = self.has(Fault::ForgetsEarlyHangups).then_some(seen);
        self.watched[token.index()] = Some(ToySource { source, reported });
        self.registrations.update(token, interest, mode);
        Ok(())
    }

    fn deregister(&mut self, source: usize, token: Token) -> Result<(), Error> {
        let token = self.seen(token);
        self.registrations.get(token)?;
        if self.network.lines[source].broken && self.has(Fault::KeepsBrokenSources) {
            return Err(ErrorKind::InvalidSource.into());
        }
        self.watched[token.index()] = None;
        self.registrations.remove(token);
        self.ghost = self.has(Fault::ReportsAfterDeregister).then_some(token);
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        if self.has(Fault::ClearsTheBatch) {
            events.clear();
        }
        if let Some(token) = self.ghost.take() {
            let _ = events.push(Event { token, readiness: Readiness::READABLE });
        }
        let before = events.len();
        self.scan(events)?;
        let mut watched = self.watched.iter().flatten();
        let broken = watched.any(|watched| self.network.lines[watched.source].broken);
        if broken && events.len() > before && self.has(Fault::FailsBesideEvents) {
            return Err(ErrorKind::InvalidSource.into());
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        let all = Capabilities::from_bits(u16::MAX);
        if self.has(Fault::TakesEdgeInSecret) || self.has(Fault::FavoursTheFirst) {
            return all - Capabilities::EDGE;
        }
        match self.fault {
            Some(Fault::TakesHangupInSecret) => all - Capabilities::HANGUP,
            Some(Fault::ChecksInSecret) => all - Capabilities::CHECK,
            _ => all,
        }
    }

    fn capacity(&self) -> usize {
        self.watched.len()
    }
}
