//! The toy itself: a selector that scans its sources, with a clock that moves when it sleeps.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use selkie_core::{
    Capabilities, Close, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Readiness,
    Registration, Registrations, Selector, Token, Transport, Wait, Wake,
};

use super::Fault;
use super::network::{Kind, Network, PIPE};

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
    registrations: Registrations<Vec<Registration>>,
    watched: Vec<Option<ToySource>>,
    /// Index at which the next scan begins.
    first: usize,
    waker: Option<Token>,
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
            registrations: Registrations::new(vec![Registration::EMPTY; capacity]),
            watched: vec![None; capacity],
            first: 0,
            waker: None,
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
            Some((tenant, _)) if self.has(Fault::BelievesStaleTokens) => tenant,
            _ => token,
        }
    }

    /// Returns what is to be reported for the source at `index`.
    fn ready(&self, index: usize) -> Option<(Event, ToySource)> {
        let (token, registration) = self.registrations.at(index)?;
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
        let all = line.readiness();
        let strict = Readiness::READ_CLOSED | Readiness::CLOSED | Readiness::ERROR;
        let mut readiness = all & (Readiness::from_bits(u32::from(interest.bits())) | strict);
        if interest.is_empty() {
            let loud = self.has(Fault::ReportsHangupsWithoutInterest) && all.intersects(strict);
            readiness = if loud { all & strict } else { Readiness::NONE };
        } else if (readiness - strict).is_empty() {
            // Someone who waits for room to write has no use for half a hangup.
            readiness = Readiness::NONE;
        }
        readiness = self.spoil(readiness, all, interest);
        let repeats = registration.mode == Mode::Edge || self.has(Fault::ForgetsLevel);
        if repeats && watched.reported == Some(line.changes) {
            readiness = Readiness::NONE;
        }
        (!readiness.is_empty()).then_some((Event { token, readiness }, watched))
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
        self.registrations.fired(index);
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
            if index == places - 1 {
                if self.has(Fault::StarvesWakes) {
                    continue;
                }
                self.report_wake(events);
                if events.room() == 0 {
                    // What found no room is next: the wake if there is one, and otherwise the first
                    // source.
                    self.first = if self.wakes.get() > 0 { index } else { 0 };
                    return Ok(());
                }
                continue;
            }
            let Some((event, watched)) = self.ready(index) else { continue };
            if self.network.lines[watched.source].broken && self.has(Fault::BreaksAsAWhole) {
                return Err(ErrorKind::InvalidSource.into());
            }
            if self.report(event, events).is_err() {
                if self.has(Fault::LosesOneshotBeyondTheBatch)
                    || self.has(Fault::LosesEdgeBeyondTheBatch)
                {
                    self.lose(event, watched);
                    continue;
                }
                self.first = index;
                return Ok(());
            }
            self.note(index, watched);
            if self.has(Fault::ReportsOneAtATime) {
                self.first = index + 1;
                return Ok(());
            }
        }
        if self.has(Fault::StarvesWakes) && events.is_empty() {
            self.report_wake(events);
        }
        Ok(())
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
    fn line(&mut self, source: usize) -> Result<&mut super::network::Line, Error> {
        let careless = self.has(Fault::ReadsClosedStreams);
        let line = &mut self.network.lines[source];
        if line.near_closed && !careless { Err(ErrorKind::Stale.into()) } else { Ok(line) }
    }

    /// Returns the stream behind a source.
    fn stream(&mut self, source: usize) -> Result<&mut super::network::Line, Error> {
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
        self.registrations.vacancy(token)?;
        if self.waker.is_some_and(|waker| waker.index() == token.index()) {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        self.line(source)?;
        let twice = self.watched.iter().flatten().any(|watched| watched.source == source);
        if twice && !self.has(Fault::RegistersSourcesTwice) {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        self.watched[token.index()] = Some(ToySource { source, reported: None });
        self.registrations.insert(token, interest, mode);
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
        self.watched[token.index()] = Some(ToySource { source, reported: None });
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
        self.scan(events)
    }

    fn capabilities(&self) -> Capabilities {
        let all = Capabilities::from_bits(u16::MAX);
        if self.has(Fault::TakesEdgeInSecret) || self.has(Fault::FavoursTheFirst) {
            return all - Capabilities::EDGE;
        }
        all
    }

    fn capacity(&self) -> usize {
        self.watched.len()
    }
}

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
        let spent = self.has(Fault::WaitsForSpentOneshots) && self.registrations.oneshot() > 0;
        if deadline.is_none() && self.registrations.armed() == 0 && self.waker.is_none() && !spent {
            let silent = self.has(Fault::WaitsForNothing);
            return if silent { Ok(()) } else { Err(ErrorKind::NothingToWaitFor.into()) };
        }
        let deadline = self.spoil_deadline(deadline);
        let start = self.now;
        let before = events.len();
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
                            Some(Fault::EndsInterruptedWaits) => return Ok(()),
                            Some(Fault::FailsInterruptedWaits) => {
                                return Err(ErrorKind::Other.into());
                            }
                            Some(Fault::RestartsInterruptedWaits) => {
                                until = deadline
                                    .map(|deadline| self.now + deadline.saturating_since(start));
                            }
                            _ => {}
                        }
                    }
                }
                // A real platform would never return.
                (_, None) => return Err(ErrorKind::Other.into()),
            }
        }
    }
}

impl Toy {
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
        self.registrations.vacancy(token)?;
        if self.waker.is_some() && !self.has(Fault::MakesSecondWakers) {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        self.waker = Some(token);
        Ok(Rc::clone(&self.wakes))
    }
}

impl Transport for Toy {
    /// True for an address with a listener.
    type Address = bool;

    const OWNS_BUFFERS: bool = true;

    fn accept(&mut self, listener: usize) -> Result<usize, Error> {
        let backwards = self.has(Fault::AcceptsBackwards);
        let line = self.line(listener)?;
        if line.kind != Kind::Listener {
            return Err(ErrorKind::InvalidSource.into());
        }
        let next = if backwards { line.waiting.pop_back() } else { line.waiting.pop_front() };
        next.ok_or(Error::WOULD_BLOCK)
    }

    fn connect(&mut self, address: &bool) -> Result<usize, Error> {
        let listening = *address || self.has(Fault::HidesRefusals);
        Ok(self.network.open(if listening { Kind::Stream } else { Kind::Refused }))
    }

    fn connected(&mut self, source: usize) -> Result<(), Error> {
        match self.line(source)?.kind {
            Kind::Stream => Ok(()),
            _ => Err(ErrorKind::ConnectionRefused.into()),
        }
    }

    fn read(&mut self, source: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        let fault = self.fault;
        let line = self.stream(source)?;
        if fault == Some(Fault::LosesAByteToEmptyReads) && buffer.is_empty() {
            line.inward.bytes.pop_front();
        }
        line.left = 0;
        let read = line.inward.read(buffer);
        let nothing = !matches!(read, Ok(count) if count > 0);
        if line.reset && nothing && fault != Some(Fault::HidesResets) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        read
    }

    fn peek(&mut self, source: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        let fault = self.fault;
        let line = self.stream(source)?;
        if line.inward.bytes.len() <= line.left && fault != Some(Fault::RepeatsWhatWasLeft) {
            let hidden = line.left > 0 && fault == Some(Fault::HidesTheEndBehindWhatWasLeft);
            return if line.inward.ended && !hidden { Ok(0) } else { Err(Error::WOULD_BLOCK) };
        }
        if fault == Some(Fault::TakesWhatItShows) {
            return line.inward.read(buffer);
        }
        let parts = if fault == Some(Fault::ShowsAPart) { 2 } else { 1 };
        let count = buffer.len().min(line.inward.bytes.len().div_ceil(parts));
        for (place, byte) in buffer.iter_mut().zip(&line.inward.bytes) {
            *place = *byte;
        }
        Ok(count)
    }

    fn consume(&mut self, source: usize, count: usize, left: usize) {
        let hides = self.has(Fault::HidesWhatWasLeft);
        let Ok(line) = self.stream(source) else { return };
        line.inward.bytes.drain(..count.min(line.inward.bytes.len()));
        line.left = if hides { line.left.max(left) } else { left };
    }

    fn write_room(&mut self, source: usize) -> usize {
        let more = usize::from(self.has(Fault::BoastsOfItsRoom));
        self.stream(source).map_or(1, |line| PIPE - line.outward.bytes.len() + more)
    }

    fn write(&mut self, source: usize, bytes: &[u8]) -> Result<usize, Error> {
        let lossy = self.has(Fault::LosesABytePerPartialWrite);
        let line = self.stream(source)?;
        if line.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let taken = line.outward.write(bytes)?;
        if lossy && taken < bytes.len() {
            line.outward.bytes.pop_back();
        }
        Ok(taken)
    }

    fn shutdown_write(&mut self, source: usize) -> Result<(), Error> {
        let both = self.has(Fault::ShutsDownBoth);
        let line = self.stream(source)?;
        line.outward.ended = true;
        line.inward.ended |= both;
        Ok(())
    }

    fn close(&mut self, source: usize, how: Close) -> Result<(), Error> {
        let (drops, in_order) = (self.has(Fault::DropsOnClose), self.has(Fault::AbortsInOrder));
        let line = self.line(source)?;
        line.near_closed = true;
        line.outward.ended = true;
        match how {
            Close::Graceful if drops => line.outward.bytes.clear(),
            Close::Graceful => {}
            Close::Abort => line.reset |= !in_order,
        }
        Ok(())
    }
}
