//! The selector of WASI 0.3. `mod.rs` lists the quirks.

use selkie_core::backend::{SourceEntry, SourceTable};
use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use crate::shared::direction::{Direction, check_supported};
use crate::shared::socket_table::{SocketTable, Socket, UNREGISTERED};
use super::abi;
use super::endpoint::{Endpoint, ReadAhead, State};
use super::queue::Queue;
use super::storage::WaitableSetStorage;
use super::timer::Timer;
use super::waitable_owners::WaitableOwners;
use super::waker::{WakeSource, Waker};

/// The platform of WASI 0.3: a waitable set, and the sockets that it watches.
///
/// It must be used in a task that may block, such as `run` of `wasi:cli` 0.3.
#[derive(Debug)]
pub struct WaitableSet {
    /// The handle of the set.
    pub(super) set: u32,
    pub(super) registrations: SourceTable<&'static mut [SourceEntry]>,
    pub(super) endpoints: SocketTable<'static, Endpoint>,
    pub(super) read_aheads: &'static [ReadAhead],
    /// For each handle that can be in flight: the place of its source times two, plus the
    /// direction.
    pub(super) owners: WaitableOwners<'static>,
    pub(super) queue: Queue,
    /// Number of operations on sources in flight.
    pub(super) in_flight: usize,
    /// Set if the last wait reported more than one source.
    is_crowded: bool,
    /// The number of the current poll or wait.
    turn: u32,
    pub(super) timer: Timer,
    pub(super) waker: Option<WakeSource>,
    /// Set if the waker is first in a batch of one: a source was reported after it.
    waker_leads: bool,
}

impl WaitableSet {
    /// Creates a platform without sources in the memory of `storage`, for as many as its shortest
    /// table allows.
    #[must_use]
    pub fn new(storage: WaitableSetStorage) -> Self {
        let WaitableSetStorage { registrations, endpoints, read_aheads, owners } = storage;
        let capacity = endpoints.len().min(read_aheads.len());
        Self {
            set: abi::waitable_set_new(),
            registrations: SourceTable::new(registrations),
            endpoints: SocketTable::new(&mut endpoints[..capacity]),
            read_aheads,
            owners: WaitableOwners::new(owners),
            queue: Queue::new(),
            in_flight: 0,
            is_crowded: false,
            turn: 0,
            timer: Timer::new(),
            waker: None,
            waker_leads: true,
        }
    }

    /// Returns the place of a source that is registered under `token`.
    fn registered(&mut self, source: Socket, token: Token) -> Result<usize, Error> {
        let (slot, entry) = self.endpoints.get(source)?;
        let registered = entry.token;
        self.registrations.get(token)?;
        if registered == token { Ok(slot) } else { Err(Error::new(ErrorKind::NotRegistered)) }
    }

    /// Adds a source to the queue of the next poll or wait, if it is watched.
    pub(super) fn enqueue(&mut self, slot: usize) {
        if !self.armed_interest(slot).is_empty() {
            self.queue.push(&mut self.endpoints, slot);
        }
    }

    /// Returns the interest in a source: none, once a oneshot source was reported.
    fn armed_interest(&mut self, slot: usize) -> Interest {
        let token = self.endpoints.at(slot).token;
        if token == UNREGISTERED {
            return Interest::NONE;
        }
        self.registrations
            .at(token.index())
            .map_or(Interest::NONE, |(_, registration, ())| registration.armed())
    }

    /// Checks every source of the queue once, and adds the ready ones to `events`, as far as there
    /// is room.
    fn report_ready(&mut self, events: &mut Events<'_>) {
        self.report_waker(events, self.waker_leads || events.room() > 1);
        for _ in 0..self.queue.len() {
            if events.room() == 0 {
                return;
            }
            let Some(slot) = self.queue.pop(&mut self.endpoints) else { break };
            if self.endpoints.at(slot).platform.turn == self.turn {
                // It is in this batch already: keep it for the next one.
                self.queue.push(&mut self.endpoints, slot);
                continue;
            }
            let readiness = self.check_readiness(slot);
            if !readiness.is_empty() {
                self.report(slot, readiness, events);
            }
        }
        self.report_waker(events, true);
    }

    /// Returns the readiness of a watched source, and requests it from the host where unknown.
    fn check_readiness(&mut self, slot: usize) -> Readiness {
        let interest = self.armed_interest(slot);
        let mut readiness = Readiness::NONE;
        for direction in Direction::BOTH {
            if !direction.is_in(interest) {
                continue;
            }
            if self.endpoints.at(slot).platform.side(direction).state == State::Unknown {
                self.request_readiness(slot, direction);
            }
            if matches!(
                self.endpoints.at(slot).platform.side(direction).state,
                State::Ready | State::Ended
            ) {
                readiness |= direction.readiness();
            }
        }
        readiness
    }

    /// Adds a source to a batch that has room, and queues it again unless it is oneshot.
    fn report(&mut self, slot: usize, readiness: Readiness, events: &mut Events<'_>) {
        let entry = self.endpoints.at(slot);
        entry.platform.turn = self.turn;
        let token = entry.token;
        let pushed = events.push(Event { token, readiness });
        debug_assert!(pushed.is_ok(), "the caller has checked the room");
        self.waker_leads = true;
        if !self.registrations.mark_fired(token.index()) {
            self.queue.push(&mut self.endpoints, slot);
        }
    }

    /// Adds a wake to a batch that has room. With room for one event, the waker and the sources
    /// take turns.
    fn report_waker(&mut self, events: &mut Events<'_>, allowed: bool) {
        let Some(waker) = self.waker.as_mut().filter(|waker| waker.pending && allowed) else {
            return;
        };
        if events.push(Event { token: waker.token, readiness: Readiness::READABLE }).is_ok() {
            waker.pending = false;
            self.waker_leads = false;
        }
    }

    /// Reports ready sources, takes the events of the host, and reports again.
    fn poll_now(&mut self, events: &mut Events<'_>) {
        self.turn = self.turn.wrapping_add(1);
        self.report_ready(events);
        // yield-to-deliver: `waitable-set.poll` alone would never see new events.
        self.drain_events(events.room().max(1));
        self.report_ready(events);
    }
}

impl Selector for WaitableSet {
    type Source = Socket;

    fn register(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        check_supported(interest, mode)?;
        let (slot, entry) = self.endpoints.get(source)?;
        self.registrations.check_vacant(token)?;
        if entry.token != UNREGISTERED {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        entry.token = token;
        self.registrations.insert(token, interest, mode, ());
        self.enqueue(slot);
        Ok(())
    }

    fn modify(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        check_supported(interest, mode)?;
        let slot = self.registered(source, token)?;
        self.registrations.update(token, interest, mode);
        // An operation for a removed interest stays in flight; its event is recorded and not
        // reported.
        self.enqueue(slot);
        Ok(())
    }

    fn deregister(&mut self, source: Socket, token: Token) -> Result<(), Error> {
        let slot = self.registered(source, token)?;
        self.registrations.remove(token);
        self.endpoints.at(slot).token = UNREGISTERED;
        self.queue.remove(&mut self.endpoints, slot);
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() > 0 {
            self.poll_now(events);
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::WAKER | Capabilities::CHECK
    }

    fn capacity(&self) -> usize {
        self.registrations.capacity()
    }
}

impl Wait for WaitableSet {
    fn now(&mut self) -> Instant {
        Instant::from_nanos(abi::now())
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        if events.room() == 0 {
            return Ok(());
        }
        if deadline.is_none() && self.registrations.armed() == 0 {
            return Err(Error::new(ErrorKind::NothingToWaitFor));
        }
        let before = events.len();
        let mut slept = false;
        self.turn = self.turn.wrapping_add(1);
        self.report_ready(events);
        while events.len() == before {
            if deadline.is_some_and(|deadline| !self.timer.set(self.set, deadline)) {
                // The deadline has passed. Events that the host has by now are reported below.
                break;
            }
            if self.in_flight == 0 && !self.timer.is_set() && self.waker.is_none() {
                // All interests are in directions without events, such as a listener's writing.
                return Err(Error::new(ErrorKind::NothingToWaitFor));
            }
            self.sleep();
            slept = true;
            self.report_ready(events);
        }
        // yield-to-deliver: while one source at a time is ready, the sleep was enough, and a yield
        // would cost a fifth of a message.
        if !slept || self.is_crowded {
            self.drain_events(events.room().max(1));
            self.report_ready(events);
        }
        self.is_crowded = events.len() - before > 1;
        Ok(())
    }
}

impl Wake for WaitableSet {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        if self.waker.is_some() {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        self.registrations.check_vacant(token)?;
        let (source, waker) = WakeSource::new(token, self.set);
        self.registrations.insert(token, Interest::READABLE, Mode::Level, ());
        self.waker = Some(source);
        Ok(waker)
    }
}

impl Drop for WaitableSet {
    fn drop(&mut self) {
        for slot in 0..self.read_aheads.len() {
            self.release(slot);
        }
        self.timer.cancel();
        if let Some(waker) = &self.waker {
            waker.cancel();
        }
        abi::waitable_set_drop(self.set);
    }
}
