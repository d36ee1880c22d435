//! A platform in memory: streams are byte queues, the network is the test itself, and everything
//! can be made to fail.

use core::cell::Cell;
use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use selkie_core::platform::{Capabilities, Close, Events, Selector, Transport, Wait};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

/// Names a socket; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Handle(pub(crate) usize);

/// A stream or a listener, and what the test wants of it.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a condition of its own")]
pub(crate) struct Socket {
    pub(crate) is_listener: bool,
    /// The clients that wait to be accepted, if it is a listener.
    pub(crate) backlog: VecDeque<Handle>,
    /// The errors of the next calls of `accept`, if it is a listener.
    pub(crate) accept_errors: VecDeque<ErrorKind>,
    /// The bytes that the peer has sent and the server has not read.
    pub(crate) incoming: VecDeque<u8>,
    /// The number of these that the server has left, to wait for more.
    pub(crate) left: usize,
    /// The peer sends nothing more.
    pub(crate) peer_ended: bool,
    /// The bytes that the server has sent and the test has not taken.
    pub(crate) outgoing: Vec<u8>,
    /// The number of further bytes that the platform takes from the server.
    pub(crate) room: usize,
    /// The room there is right after the next write, as the peer takes bytes at once.
    pub(crate) refill: Option<usize>,
    /// The most bytes that one write takes.
    pub(crate) write_max: usize,
    /// The most bytes that one read gives.
    pub(crate) read_max: usize,
    pub(crate) read_error: Option<ErrorKind>,
    pub(crate) write_error: Option<ErrorKind>,
    pub(crate) modify_error: Option<ErrorKind>,
    pub(crate) close_error: Option<ErrorKind>,
    /// The number of calls of `shutdown_write` that return `WouldBlock`.
    pub(crate) shutdowns_blocked: usize,
    pub(crate) shutdown_error: Option<ErrorKind>,
    pub(crate) write_ended: bool,
    /// The peer is gone, which is told by an event and by a check.
    pub(crate) hung_up: bool,
    pub(crate) checks: usize,
    /// The platform can tell if the peer is gone.
    pub(crate) can_check: bool,
    /// Since when the peer has acknowledged nothing of what was written.
    pub(crate) unacknowledged_since: Option<Instant>,
    pub(crate) closed: Option<Close>,
    pub(crate) watched: Option<(Token, Interest)>,
    /// The number of calls that changed its interest.
    pub(crate) modifies: usize,
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    /// The outcome of the attempt to connect: nothing yet (`WouldBlock`), or a failure.
    pub(crate) attempt: Result<(), ErrorKind>,
    pub(crate) remote: Option<SocketAddr>,
}

impl Socket {
    fn new(is_listener: bool) -> Self {
        Self {
            is_listener,
            backlog: VecDeque::new(),
            accept_errors: VecDeque::new(),
            incoming: VecDeque::new(),
            left: 0,
            peer_ended: false,
            outgoing: Vec::new(),
            room: usize::MAX,
            refill: None,
            write_max: usize::MAX,
            read_max: usize::MAX,
            read_error: None,
            write_error: None,
            modify_error: None,
            close_error: None,
            shutdowns_blocked: 0,
            shutdown_error: None,
            write_ended: false,
            hung_up: false,
            checks: 0,
            can_check: true,
            unacknowledged_since: None,
            closed: None,
            watched: None,
            modifies: 0,
            reads: 0,
            writes: 0,
            attempt: Ok(()),
            remote: None,
        }
    }

    fn readiness(&self) -> Readiness {
        let acceptable = !self.backlog.is_empty() || !self.accept_errors.is_empty();
        let readable = acceptable
            || self.incoming.len() > self.left
            || self.peer_ended
            || self.read_error.is_some();
        let is_pending = self.attempt == Err(ErrorKind::WouldBlock);
        let takes = self.room > 0 || self.write_error.is_some();
        let writable = !self.is_listener && !is_pending && takes;
        let mut readiness = Readiness::NONE;
        if readable {
            readiness |= Readiness::READABLE;
        }
        if writable {
            readiness |= Readiness::WRITABLE;
        }
        readiness
    }

    /// Returns the result of a read without bytes: the end, a failure, or `WouldBlock`.
    fn nothing(&self) -> Result<usize, Error> {
        match self.read_error {
            Some(kind) => Err(Error::new(kind)),
            None if self.peer_ended => Ok(0),
            None => Err(Error::WOULD_BLOCK),
        }
    }

    /// Returns the event that a poll would report now.
    fn event(&self) -> Option<Event> {
        let (token, interest) = self.watched?;
        let mut readiness = Readiness::NONE;
        if interest.contains(Interest::READABLE) {
            readiness |= self.readiness() & Readiness::READABLE;
        }
        if interest.contains(Interest::WRITABLE) {
            readiness |= self.readiness() & Readiness::WRITABLE;
        }
        if self.hung_up && !interest.is_empty() {
            readiness |= Readiness::ERROR;
        }
        // That both streams have ended is no failure.
        if self.peer_ended && self.write_ended && interest == Interest::HANGUP {
            readiness |= Readiness::CLOSED;
        }
        (!readiness.is_empty()).then_some(Event { token, readiness })
    }
}

/// The kind of platform on which the server keeps what waits.
pub(crate) const SERVER: u8 = 0;
/// The same, where a source is readable until a read has found nothing.
pub(crate) const READS_ON: u8 = 1;
/// The kind of platform that keeps what waits itself.
pub(crate) const PLATFORM: u8 = 2;

/// The platform, of one of these kinds.
#[derive(Debug, Default)]
pub(crate) struct Toy<const KIND: u8> {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) clock: Instant,
    /// The time that callbacks have slept since the clock was read last.
    pub(crate) slept: Rc<Cell<Duration>>,
    pub(crate) capacity: usize,
    /// The errors of the next registrations.
    pub(crate) register_errors: VecDeque<ErrorKind>,
    /// Events that come first in the next batch, whether they are true or not.
    pub(crate) made_up: Vec<Event>,
    /// True while polls report nothing, as when a wait is interrupted.
    pub(crate) is_silent: bool,
    pub(crate) capabilities: Capabilities,
    /// The attempts to connect, in order.
    pub(crate) attempts: Vec<Handle>,
    /// The failures of the next attempts, at once.
    pub(crate) connect_errors: VecDeque<ErrorKind>,
    first: usize,
}

impl<const KIND: u8> Toy<KIND> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    pub(crate) fn listener(&mut self) -> Handle {
        self.sockets.push(Socket::new(true));
        Handle(self.sockets.len() - 1)
    }

    pub(crate) fn stream(&mut self) -> Handle {
        self.sockets.push(Socket::new(false));
        Handle(self.sockets.len() - 1)
    }

    pub(crate) fn socket(&mut self, handle: Handle) -> &mut Socket {
        &mut self.sockets[handle.0]
    }

    /// Returns whether a poll would report anything.
    pub(crate) fn is_ready(&self) -> bool {
        !self.made_up.is_empty() || self.sockets.iter().any(|socket| socket.event().is_some())
    }

    fn open(&mut self, handle: Handle) -> Result<&mut Socket, Error> {
        let socket = &mut self.sockets[handle.0];
        if socket.closed.is_some() { Err(Error::new(ErrorKind::Stale)) } else { Ok(socket) }
    }

    fn watched(&mut self, handle: Handle, token: Token) -> Result<&mut Socket, Error> {
        let socket = self.open(handle)?;
        match socket.watched {
            Some((watched, _)) if watched == token => Ok(socket),
            Some(_) => Err(Error::new(ErrorKind::Stale)),
            None => Err(Error::new(ErrorKind::NotRegistered)),
        }
    }
}

impl<const KIND: u8> Selector for Toy<KIND> {
    type Source = Handle;

    fn register(
        &mut self,
        source: Handle,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        assert_eq!(mode, Mode::Level, "the server watches by level");
        if let Some(kind) = self.register_errors.pop_front() {
            return Err(Error::new(kind));
        }
        if token.index() >= self.capacity {
            return Err(Error::new(ErrorKind::Full));
        }
        let socket = self.open(source)?;
        if socket.watched.is_some() {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        socket.watched = Some((token, interest));
        Ok(())
    }

    fn modify(
        &mut self,
        source: Handle,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        assert_eq!(mode, Mode::Level, "the server watches by level");
        let socket = self.watched(source, token)?;
        if let Some(kind) = socket.modify_error.take() {
            return Err(Error::new(kind));
        }
        socket.modifies += 1;
        socket.watched = Some((token, interest));
        Ok(())
    }

    fn deregister(&mut self, source: Handle, token: Token) -> Result<(), Error> {
        self.watched(source, token)?.watched = None;
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        for event in core::mem::take(&mut self.made_up) {
            events.push(event).expect("made-up events fit");
        }
        let count = if self.is_silent { 0 } else { self.sockets.len() };
        for step in 0..count {
            let index = (self.first + step) % count;
            let Some(event) = self.sockets[index].event() else { continue };
            if events.push(event).is_err() {
                self.first = index;
                break;
            }
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

impl<const KIND: u8> Wait for Toy<KIND> {
    fn now(&mut self) -> Instant {
        self.clock = self.clock + self.slept.take();
        self.clock
    }

    /// Sleeps by moving the clock.
    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.poll(self.clock, events)?;
        if events.is_empty() {
            match deadline {
                Some(deadline) => self.clock = self.clock.max(deadline),
                None => return Err(Error::new(ErrorKind::NothingToWaitFor)),
            }
        }
        Ok(())
    }
}

impl<const KIND: u8> Transport for Toy<KIND> {
    type Address = SocketAddr;

    const OWNS_BUFFERS: bool = KIND == PLATFORM;
    const READABLE_UNTIL_EMPTY: bool = KIND == READS_ON;

    fn accept(&mut self, listener: Handle) -> Result<Handle, Error> {
        let socket = self.open(listener)?;
        if let Some(kind) = socket.accept_errors.pop_front() {
            return Err(Error::new(kind));
        }
        socket.backlog.pop_front().ok_or(Error::WOULD_BLOCK)
    }

    fn address(address: SocketAddr) -> Option<SocketAddr> {
        (address.port() != 0).then_some(address)
    }

    fn remote_address(&mut self, source: Handle) -> Option<SocketAddr> {
        self.open(source).ok()?.remote
    }

    fn connect(&mut self, address: &SocketAddr) -> Result<Handle, Error> {
        if let Some(kind) = self.connect_errors.pop_front() {
            return Err(Error::new(kind));
        }
        let stream = self.stream();
        let socket = self.socket(stream);
        socket.attempt = Err(ErrorKind::WouldBlock);
        socket.remote = Some(*address);
        self.attempts.push(stream);
        Ok(stream)
    }

    fn connected(&mut self, source: Handle) -> Result<(), Error> {
        Ok(self.open(source)?.attempt?)
    }

    fn read(&mut self, source: Handle, buffer: &mut [u8]) -> Result<usize, Error> {
        assert!(!buffer.is_empty(), "a read into nothing looks like the end of the stream");
        let socket = self.open(source)?;
        socket.reads += 1;
        let count = socket.incoming.len().min(buffer.len()).min(socket.read_max);
        if count == 0 {
            return socket.nothing();
        }
        for (place, byte) in buffer.iter_mut().zip(socket.incoming.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn peek(&mut self, source: Handle, buffer: &mut [u8]) -> Result<usize, Error> {
        assert!(KIND == PLATFORM, "the server has its own input buffer");
        assert!(!buffer.is_empty(), "bytes that go nowhere are not asked for");
        let socket = self.open(source)?;
        socket.reads += 1;
        if socket.incoming.len() <= socket.left {
            return socket.nothing();
        }
        let count = socket.incoming.len().min(buffer.len()).min(socket.read_max);
        for (place, byte) in buffer.iter_mut().zip(socket.incoming.range(..count)) {
            *place = *byte;
        }
        Ok(count)
    }

    fn consume(&mut self, source: Handle, count: usize, left: usize) {
        let Ok(socket) = self.open(source) else { panic!("only what is open is shown") };
        socket.incoming.drain(..count);
        assert!(left <= socket.incoming.len(), "only what is there can be left");
        socket.left = left;
    }

    fn write(&mut self, source: Handle, bytes: &[u8]) -> Result<usize, Error> {
        let socket = self.open(source)?;
        assert!(!socket.write_ended, "nothing is written after the end of the stream");
        socket.writes += 1;
        if let Some(kind) = socket.write_error {
            return Err(Error::new(kind));
        }
        let count = bytes.len().min(socket.room).min(socket.write_max);
        if KIND == PLATFORM {
            assert!(bytes.len() <= socket.room, "the server asks for the room first");
        }
        if count == 0 && !bytes.is_empty() {
            return Err(Error::WOULD_BLOCK);
        }
        socket.outgoing.extend_from_slice(&bytes[..count]);
        if socket.room != usize::MAX {
            socket.room -= count;
        }
        socket.room = socket.refill.take().unwrap_or(socket.room);
        Ok(count)
    }

    fn write_room(&mut self, source: Handle) -> usize {
        let socket = &self.sockets[source.0];
        match socket.write_error {
            Some(_) => usize::MAX,
            None => socket.room,
        }
    }

    fn unacknowledged_since(&mut self, source: Handle) -> Option<Instant> {
        assert!(KIND == PLATFORM, "elsewhere the server knows what waits");
        self.open(source).ok()?.unacknowledged_since
    }

    fn shutdown_write(&mut self, source: Handle) -> Result<(), Error> {
        let socket = self.open(source)?;
        if let Some(kind) = socket.shutdown_error {
            return Err(Error::new(kind));
        }
        if socket.shutdowns_blocked > 0 {
            socket.shutdowns_blocked -= 1;
            return Err(Error::WOULD_BLOCK);
        }
        socket.write_ended = true;
        Ok(())
    }

    fn check(&mut self, source: Handle) -> Result<(), Error> {
        let socket = self.open(source)?;
        socket.checks += 1;
        if !socket.can_check {
            return Err(ErrorKind::Unsupported.into());
        }
        let has_left = socket.peer_ended && socket.write_ended && socket.incoming.is_empty();
        if socket.hung_up || has_left { Err(ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    fn write_vectored(&mut self, source: Handle, parts: &[&[u8]]) -> Result<usize, Error> {
        self.write(source, &parts.concat())
    }

    fn close(&mut self, source: Handle, how: Close) -> Result<(), Error> {
        let socket = self.open(source)?;
        assert!(socket.watched.is_none(), "a source is deregistered before it is closed");
        socket.closed = Some(how);
        match socket.close_error {
            Some(kind) => Err(Error::new(kind)),
            None => Ok(()),
        }
    }
}
