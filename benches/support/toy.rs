//! A platform without a system: a listener and connections that the benchmark moves by hand. All
//! of its operations take constant time, so that what grows with the capacity is the server's.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use ::selkie::platform::{Capabilities, Close, Events, Selector, Transport, Wait};
use ::selkie::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

/// The number of the listener; the connections follow.
const LISTENER: usize = 0;

/// A listener or a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    registration: Option<(Token, Interest)>,
    /// The bytes that the peer has sent and the server has not read.
    input: usize,
    /// The bytes that the platform still takes until it is refilled.
    room: usize,
    is_ended: bool,
    is_queued: bool,
}

/// The platform.
#[derive(Debug)]
pub(crate) struct Toy {
    streams: Box<[Stream]>,
    vacant: Vec<usize>,
    /// Streams that were ready when they were queued.
    active: VecDeque<usize>,
    /// Connections in the backlog.
    waiting: usize,
    /// The room of a connection after each refill.
    room: usize,
    now: Instant,
}

impl Toy {
    /// Creates a platform for `connections`, each of which takes `room` bytes until a refill.
    pub(crate) fn new(connections: usize, room: usize) -> Self {
        Self {
            streams: vec![Stream::default(); connections + 1].into_boxed_slice(),
            vacant: (1..=connections).rev().collect(),
            active: VecDeque::with_capacity(connections + 1),
            waiting: 0,
            room,
            now: Instant::ZERO,
        }
    }

    /// Returns the source of the listener.
    pub(crate) const fn listener() -> usize {
        LISTENER
    }

    /// Adds connections to the backlog.
    pub(crate) fn connect(&mut self, count: usize) {
        self.waiting += count;
        self.activate(LISTENER);
    }

    /// Sends bytes to the server until `count` of them are unread.
    pub(crate) fn send(&mut self, stream: usize, count: usize) {
        self.streams[stream].input = count;
        self.activate(stream);
    }

    /// Ends the peer's direction.
    pub(crate) fn end(&mut self, stream: usize) {
        self.streams[stream].is_ended = true;
        self.activate(stream);
    }

    /// Lets the connection take bytes again.
    pub(crate) fn refill(&mut self, stream: usize) {
        self.streams[stream].room = self.room;
        self.activate(stream);
    }

    /// Returns whether the connection is open.
    pub(crate) const fn is_open(&self, stream: usize) -> bool {
        self.streams[stream].registration.is_some()
    }

    /// Returns the number of connections in the backlog.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Queues a stream that is ready, unless it is in the queue.
    fn activate(&mut self, number: usize) {
        if !self.streams[number].is_queued && self.readiness(number).is_some() {
            self.streams[number].is_queued = true;
            self.active.push_back(number);
        }
    }

    /// Returns the token and the readiness of a stream that it is watched for.
    fn readiness(&self, number: usize) -> Option<(Token, Readiness)> {
        let stream = self.streams[number];
        let (token, interest) = stream.registration?;
        let is_readable = match number {
            LISTENER => self.waiting > 0,
            _ => stream.input > 0 || stream.is_ended,
        };
        let mut readiness = Readiness::NONE;
        if is_readable && interest.contains(Interest::READABLE) {
            readiness |= Readiness::READABLE;
        }
        if stream.room > 0 && interest.contains(Interest::WRITABLE) {
            readiness |= Readiness::WRITABLE;
        }
        (readiness != Readiness::NONE).then_some((token, readiness))
    }
}

impl Selector for Toy {
    type Source = usize;

    fn register(
        &mut self,
        source: usize,
        token: Token,
        interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        self.modify(source, token, interest, Mode::Level)
    }

    fn modify(
        &mut self,
        source: usize,
        token: Token,
        interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        self.streams[source].registration = Some((token, interest));
        self.activate(source);
        Ok(())
    }

    fn deregister(&mut self, source: usize, _token: Token) -> Result<(), Error> {
        self.streams[source].registration = None;
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        for _ in 0..self.active.len().min(events.room()) {
            let Some(number) = self.active.pop_front() else { break };
            self.streams[number].is_queued = false;
            if let Some((token, readiness)) = self.readiness(number) {
                self.activate(number);
                let event = Event { token, readiness };
                events.push(event).map_err(|_| Error::new(ErrorKind::Full))?;
            }
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn capacity(&self) -> usize {
        self.streams.len()
    }
}

impl Wait for Toy {
    fn now(&mut self) -> Instant {
        self.now = self.now + Duration::from_nanos(1);
        self.now
    }

    fn wait(&mut self, events: &mut Events<'_>, _deadline: Option<Instant>) -> Result<(), Error> {
        let now = self.now();
        self.poll(now, events)
    }
}

impl Transport for Toy {
    type Address = Infallible;

    fn accept(&mut self, _listener: usize) -> Result<usize, Error> {
        if self.waiting == 0 {
            return Err(Error::WOULD_BLOCK);
        }
        let number = self.vacant.pop().ok_or(Error::new(ErrorKind::OutOfDescriptors))?;
        self.waiting -= 1;
        self.streams[number] = Stream { room: self.room, ..self.streams[number] };
        Ok(number)
    }

    fn connect(&mut self, address: &Infallible) -> Result<usize, Error> {
        match *address {}
    }

    fn connected(&mut self, _source: usize) -> Result<(), Error> {
        Ok(())
    }

    fn read(&mut self, source: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        let stream = &mut self.streams[source];
        let count = stream.input.min(buffer.len());
        stream.input -= count;
        match count {
            0 if !stream.is_ended => Err(Error::WOULD_BLOCK),
            _ => Ok(count),
        }
    }

    fn write(&mut self, source: usize, bytes: &[u8]) -> Result<usize, Error> {
        let stream = &mut self.streams[source];
        let count = stream.room.min(bytes.len());
        stream.room -= count;
        if count == 0 { Err(Error::WOULD_BLOCK) } else { Ok(count) }
    }

    /// Lets the peer answer with FIN at once.
    fn shutdown_write(&mut self, source: usize) -> Result<(), Error> {
        self.end(source);
        Ok(())
    }

    fn close(&mut self, source: usize, _how: Close) -> Result<(), Error> {
        let is_queued = self.streams[source].is_queued;
        self.streams[source] = Stream { is_queued, ..Stream::default() };
        self.vacant.push(source);
        Ok(())
    }
}
