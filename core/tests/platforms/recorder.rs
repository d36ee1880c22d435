//! A platform that writes down what it is asked, and answers with what the test has chosen.

use core::net::SocketAddr;
use core::time::Duration;

use selkie_core::platform::{Capabilities, Close, Events, Selector, Transport, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

/// The platform. `OWNS` says whether it keeps what waits itself, and whether it has to be read
/// until it is empty.
#[derive(Debug, Default)]
pub(crate) struct Recorder<const OWNS: bool = false> {
    /// The calls since the last [`answers`](Self::answers), each as a line.
    pub(crate) calls: Vec<String>,
    /// The answer where a number is asked for; a source that it makes has this number too.
    pub(crate) number: u8,
    /// The failure of every call.
    pub(crate) failure: Option<ErrorKind>,
    pub(crate) next_deadline: Option<Instant>,
    pub(crate) capabilities: Capabilities,
    pub(crate) capacity: usize,
}

impl<const OWNS: bool> Recorder<OWNS> {
    pub(crate) fn new(number: u8) -> Self {
        Self { number, ..Self::default() }
    }

    fn answer<T>(&mut self, call: String, answer: T) -> Result<T, Error> {
        self.calls.push(call);
        match self.failure {
            Some(kind) => Err(Error::new(kind)),
            None => Ok(answer),
        }
    }
}

impl<const OWNS: bool> Selector for Recorder<OWNS> {
    type Source = u8;

    fn register(
        &mut self,
        source: u8,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.answer(format!("register {source} {token:?} {interest:?} {mode:?}"), ())
    }

    fn modify(
        &mut self,
        source: u8,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.answer(format!("modify {source} {token:?} {interest:?} {mode:?}"), ())
    }

    fn deregister(&mut self, source: u8, token: Token) -> Result<(), Error> {
        self.answer(format!("deregister {source} {token:?}"), ())
    }

    /// Fills the batch with events of the token that has its number for an index.
    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        let event =
            Event { token: Token::new(self.number.into(), 1), readiness: Readiness::READABLE };
        if self.failure.is_none() {
            while events.push(event).is_ok() {}
        }
        self.answer(format!("poll {}", now.as_nanos()), ())
    }

    fn next_deadline(&mut self, _now: Instant) -> Option<Instant> {
        self.next_deadline
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

impl<const OWNS: bool> Wait for Recorder<OWNS> {
    fn now(&mut self) -> Instant {
        Instant::from_nanos(self.number.into())
    }

    fn wait(&mut self, _events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.answer(format!("wait {:?}", deadline.map(Instant::as_nanos)), ())
    }

    fn wait_for(&mut self, _events: &mut Events<'_>, timeout: Duration) -> Result<(), Error> {
        self.answer(format!("wait_for {timeout:?}"), ())
    }
}

impl<const OWNS: bool> Wake for Recorder<OWNS> {
    type Waker = u8;

    fn waker(&mut self, token: Token) -> Result<u8, Error> {
        self.answer(format!("waker {token:?}"), self.number)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        self.answer(format!("release_waker {token:?}"), ())
    }
}

impl<const OWNS: bool> Transport for Recorder<OWNS> {
    type Address = u8;

    const OWNS_BUFFERS: bool = OWNS;
    const READABLE_UNTIL_EMPTY: bool = OWNS;
    const REPORTS_ROOM: bool = OWNS;

    fn accept(&mut self, listener: u8) -> Result<u8, Error> {
        self.answer(format!("accept {listener}"), self.number)
    }

    fn address(address: SocketAddr) -> Option<u8> {
        u8::try_from(address.port()).ok()
    }

    fn remote_address(&mut self, source: u8) -> Option<SocketAddr> {
        self.calls.push(format!("remote_address {source}"));
        Some(SocketAddr::from(([127, 0, 0, 1], self.number.into())))
    }

    fn connect(&mut self, address: &u8) -> Result<u8, Error> {
        self.answer(format!("connect {address}"), self.number)
    }

    fn connected(&mut self, source: u8) -> Result<(), Error> {
        self.answer(format!("connected {source}"), ())
    }

    fn read(&mut self, source: u8, buffer: &mut [u8]) -> Result<usize, Error> {
        self.answer(format!("read {source} {}", buffer.len()), self.number.into())
    }

    fn peek(&mut self, source: u8, buffer: &mut [u8]) -> Result<usize, Error> {
        self.answer(format!("peek {source} {}", buffer.len()), self.number.into())
    }

    fn consume(&mut self, source: u8, count: usize, left: usize) {
        self.calls.push(format!("consume {source} {count} {left}"));
    }

    fn write(&mut self, source: u8, bytes: &[u8]) -> Result<usize, Error> {
        self.answer(format!("write {source} {bytes:?}"), self.number.into())
    }

    fn write_vectored(&mut self, source: u8, parts: &[&[u8]]) -> Result<usize, Error> {
        self.answer(format!("write_vectored {source} {parts:?}"), self.number.into())
    }

    fn check(&mut self, source: u8) -> Result<(), Error> {
        self.answer(format!("check {source}"), ())
    }

    fn write_room(&mut self, source: u8) -> usize {
        self.calls.push(format!("write_room {source}"));
        self.number.into()
    }

    fn unacknowledged_since(&mut self, source: u8) -> Option<Instant> {
        self.calls.push(format!("unacknowledged_since {source}"));
        Some(Instant::from_nanos(self.number.into()))
    }

    fn shutdown_write(&mut self, source: u8) -> Result<(), Error> {
        self.answer(format!("shutdown_write {source}"), ())
    }

    fn close(&mut self, source: u8, how: Close) -> Result<(), Error> {
        self.answer(format!("close {source} {how:?}"), ())
    }
}
