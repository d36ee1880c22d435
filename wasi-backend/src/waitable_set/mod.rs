//! WASI 0.3: a waitable set of the component model, the epoll of WebAssembly.
//!
//! A wait costs the same however many sources are idle, since the host sends an event for each
//! source that becomes ready, where the systems before had to be given the list of all of them each
//! time.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `mod.rs` | the selector: who is registered, in which order sources are reported, how a wait goes |
//! | `operations.rs` | asking the host for readiness, taking its events, taking back what it was asked |
//! | `sockets.rs` | listening, opening and closing |
//! | `transport.rs` | accepting, connecting, reading, writing |
//! | `endpoint.rs`, `queue.rs` | what is known of a source, and the order of those to be looked at |
//! | `timer.rs`, `waker.rs` | the deadline of a wait, and the waker |
//! | `storage.rs` | memory |
//! | `abi.rs`, `address.rs` | the imports, and their values in memory |
//! | `host.rs`, `tests.rs` | a host that says what a test has it say, and those tests |
//!
//! Quirks:
//!
//! (a) A write of 0 bytes completes when there is room. A read of 0 bytes should complete when
//! there is something to read;     but wasmtime says so once more after every read that took all
//! there was, and before 48 always. So a stream that is     watched has a read of some bytes in
//! flight, which tells the truth everywhere, and `read` puts those bytes in front.     A listener
//! has a read of 1 socket in flight, for the same reason. (b) An operation that was asked for and
//! is not done belongs to the host, with its memory. So those bytes or that socket go
//!     to a mailbox, which lives for ever. What is read or written otherwise and not done at once
//! is taken back at once. (c) To take back what is in a set is a trap. So the source leaves the set
//! before, and joins it when the host is asked     again.
//! (d) To use a stream once more after its end was told is a trap, as is to drop one with an
//! operation in flight. (e) The set gives one event a call, the smallest handle first. Fairness is
//! this file's business: what has an event goes     to the back of a queue, and so does what was
//! reported. (f) wasmtime looks after what is in flight only while the guest sleeps or yields, and
//! then delivers one event. A guest     that always finds something ready and never sleeps must
//! yield, or it never hears of the rest. (g) There is no reset:
//! [`Close::Abort`](selkie_core::Close::Abort) closes, and what was sent is still delivered.
//! (h) wasmtime learns a moment after a connection was accepted that there is room to write; a
//! write before that would     block.
//! (i) Only a task whose type is `async` may wait: the guest's `run` is that of `wasi:cli` 0.3.

mod abi;
mod address;
mod endpoint;
#[cfg(test)]
mod host;
mod operations;
mod queue;
mod sockets;
mod storage;
#[cfg(test)]
mod tests;
mod timer;
mod transport;
mod waker;

use selkie_core::{
    Capabilities, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Readiness,
    Registration, Registrations, Selector, Token, Wait, Wake,
};

pub use storage::{StaticWaitableSet, WaitableSetStorage};
pub use waker::Waker;

use crate::direction::Direction;
use crate::handles::{Handles, Socket, UNREGISTERED};
use crate::owners::Owners;
use endpoint::{Endpoint, Mailbox, State};
use queue::Queue;
use timer::Timer;
use waker::WakeSource;

/// The platform of WASI 0.3: a waitable set, and the sockets that it watches.
///
/// It must be used in a task that may block, such as `run` of `wasi:cli` 0.3.
#[derive(Debug)]
pub struct WaitableSet {
    /// The handle of the set.
    set: u32,
    registrations: Registrations<&'static mut [Registration]>,
    endpoints: Handles<'static, Endpoint>,
    mailboxes: &'static [Mailbox],
    /// By the handle of what can be in flight: the place of its source, and its direction in the
    /// lowest bit.
    owners: Owners<'static>,
    queue: Queue,
    /// How many operations on sources are in flight.
    in_flight: usize,
    /// Whether the last wait reported more than one source.
    is_crowded: bool,
    /// The number of the current poll or wait.
    turn: u32,
    timer: Timer,
    waker: Option<WakeSource>,
    /// Whether the waker comes first in a batch of one, since a source was reported after it last
    /// was.
    waker_leads: bool,
}

impl WaitableSet {
    /// A platform without sources, in the memory of `storage`: for as many as the shortest of its
    /// tables allows.
    #[must_use]
    pub fn new(storage: WaitableSetStorage) -> Self {
        let WaitableSetStorage { registrations, endpoints, mailboxes, owners } = storage;
        let capacity = endpoints.len().min(mailboxes.len());
        Self {
            set: abi::waitable_set_new(),
            registrations: Registrations::new(registrations),
            endpoints: Handles::new(&mut endpoints[..capacity]),
            mailboxes,
            owners: Owners::new(owners),
            queue: Queue::new(),
            in_flight: 0,
            is_crowded: false,
            turn: 0,
            timer: Timer::new(),
            waker: None,
            waker_leads: true,
        }
    }

    /// The place of a source that is registered under `token`.
    fn registered(&mut self, source: Socket, token: Token) -> Result<usize, Error> {
        let (slot, entry) = self.endpoints.get(source)?;
        let registered = entry.token;
        self.registrations.get(token)?;
        if registered == token { Ok(slot) } else { Err(Error::new(ErrorKind::NotRegistered)) }
    }

    /// Has a source looked at by the next poll or wait, if it is watched.
    fn attend(&mut self, slot: usize) {
        if !self.armed(slot).is_empty() {
            self.queue.push(&mut self.endpoints, slot);
        }
    }

    /// What a source is watched for right now.
    fn armed(&mut self, slot: usize) -> Interest {
        let token = self.endpoints.at(slot).token;
        if token == UNREGISTERED {
            return Interest::NONE;
        }
        self.registrations
            .at(token.index())
            .map_or(Interest::NONE, |(_, registration)| registration.armed())
    }

    /// Looks at every source of the queue once, and adds those that are ready to `events`, as far
    /// as there is room.
    fn visit(&mut self, events: &mut Events<'_>) {
        self.report_waker(events, self.waker_leads || events.room() > 1);
        for _ in 0..self.queue.len() {
            if events.room() == 0 {
                return;
            }
            let Some(slot) = self.queue.pop(&mut self.endpoints) else { break };
            if self.endpoints.at(slot).platform.turn == self.turn {
                // It is in this batch already, and stays in the queue for the next.
                self.queue.push(&mut self.endpoints, slot);
                continue;
            }
            let readiness = self.look(slot);
            if !readiness.is_empty() {
                self.report(slot, readiness, events);
            }
        }
        self.report_waker(events, true);
    }

    /// What of its interest a source is ready for. Where that is not known, the host is asked.
    fn look(&mut self, slot: usize) -> Readiness {
        let interest = self.armed(slot);
        let mut readiness = Readiness::NONE;
        for direction in Direction::BOTH {
            if !direction.is_in(interest) {
                continue;
            }
            if self.endpoints.at(slot).platform.side(direction).state == State::Unknown {
                self.ask(slot, direction);
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

    /// Adds a source to a batch that has room.
    fn report(&mut self, slot: usize, readiness: Readiness, events: &mut Events<'_>) {
        let entry = self.endpoints.at(slot);
        entry.platform.turn = self.turn;
        let token = entry.token;
        let pushed = events.push(Event { token, readiness });
        debug_assert!(pushed.is_ok(), "the room was asked for");
        self.waker_leads = true;
        if !self.registrations.fired(token.index()) {
            self.queue.push(&mut self.endpoints, slot);
        }
    }

    /// Adds a wake to a batch that has room. With room for one only, the waker and the sources take
    /// turns.
    fn report_waker(&mut self, events: &mut Events<'_>, allowed: bool) {
        let Some(waker) = self.waker.as_mut().filter(|waker| waker.pending && allowed) else {
            return;
        };
        if events.push(Event { token: waker.token, readiness: Readiness::READABLE }).is_ok() {
            waker.pending = false;
            self.waker_leads = false;
        }
    }

    /// One poll: what is ready, and what the host has to say of the rest.
    fn poll_now(&mut self, events: &mut Events<'_>) {
        self.turn = self.turn.wrapping_add(1);
        self.visit(events);
        // (f)
        self.collect(events.room().max(1));
        self.visit(events);
    }
}

/// There are no edges here, and nothing is urgent.
fn supported(mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge { Err(Error::new(ErrorKind::Unsupported)) } else { Ok(()) }
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
        supported(mode)?;
        let (slot, entry) = self.endpoints.get(source)?;
        self.registrations.vacancy(token)?;
        if entry.token != UNREGISTERED {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        entry.token = token;
        self.registrations.insert(token, interest, mode);
        self.attend(slot);
        Ok(())
    }

    fn modify(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        supported(mode)?;
        let slot = self.registered(source, token)?;
        self.registrations.update(token, interest, mode);
        // What is in flight for an interest that is gone stays in flight: its event will be
        // nobody's.
        self.attend(slot);
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
        Capabilities::WAKER
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
        self.visit(events);
        while events.len() == before {
            if deadline.is_some_and(|deadline| !self.timer.set(self.set, deadline)) {
                // It has passed; but what the host knows by now is reported.
                break;
            }
            if self.in_flight == 0 && !self.timer.is_set() && self.waker.is_none() {
                // Watched in a direction in which nothing will ever happen, such as a listener for
                // writing.
                return Err(Error::new(ErrorKind::NothingToWaitFor));
            }
            self.sleep();
            slept = true;
            self.visit(events);
        }
        // (f) Where one source at a time has something to say, to sleep was enough, and there is
        // nothing to gather.
        if !slept || self.is_crowded {
            self.collect(events.room().max(1));
            self.visit(events);
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
        self.registrations.vacancy(token)?;
        let (source, waker) = WakeSource::new(token, self.set);
        self.registrations.insert(token, Interest::READABLE, Mode::Level);
        self.waker = Some(source);
        Ok(waker)
    }
}

impl Drop for WaitableSet {
    fn drop(&mut self) {
        for slot in 0..self.mailboxes.len() {
            self.release(slot);
        }
        self.timer.cancel();
        if let Some(waker) = &self.waker {
            waker.cancel();
        }
        abi::waitable_set_drop(self.set);
    }
}
