//! A server over a wire, and the means to drive clients at its other end.

use std::time::Duration;

use selkie_core::memory::{ConnectionEntry, Entry, LoopStorage, ServerStorage, Slot, TimerSlot};
use selkie_core::{Config, Error, ErrorKind, Event, EventLoop, Instant, Server, Service};
use selkie_services::Echo;
use selkie_smoltcp::{Network, Socket};
use smoltcp::iface::SocketHandle;
use smoltcp::phy::{Device, TxToken};
use smoltcp::wire::IpEndpoint;

use crate::world::host::Host;
use crate::world::wire::Wire;
use crate::world::{self, LOCAL, Size};

/// The port of the echo service.
const PORT: u16 = 7;
/// The number of sockets beside those of the connections that are served.
const BACKLOG: usize = 2;
/// The time that a client may be silent.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// So many rounds, at a millisecond each, are enough for an answer, a retransmission included.
const PATIENCE: usize = 5_000;

/// The end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ended,
    Failed(Error),
}

/// A server, and the host beyond the wire.
pub(crate) struct TestBench<S: Service<Session = ()> = Echo> {
    pub(crate) event_loop: EventLoop<Network<'static, Wire>, LoopStorage<'static>>,
    pub(crate) server: Server<Network<'static, Wire>, S, ServerStorage<'static, Socket, ()>>,
    pub(crate) remote: Host,
    /// The remote end of the wire: what is lost at it never reaches the remote host.
    pub(crate) wire: Wire,
    pub(crate) now: Instant,
    /// The time of the loop's next turn.
    next: Option<Instant>,
}

impl TestBench {
    /// Creates an echo server for so many clients at once.
    pub(crate) fn new(connections: usize) -> Self {
        let config = Config::DEFAULT.idle_timeout(Some(IDLE_TIMEOUT));
        Self::with(Echo, connections, 1_024, config, selkie_smoltcp::Config::DEFAULT)
    }
}

impl<S: Service<Session = ()>> TestBench<S> {
    /// Creates a server for so many clients at once, over sockets of `bytes` in each direction.
    pub(crate) fn with(
        service: S,
        connections: usize,
        bytes: usize,
        config: Config,
        limits: selkie_smoltcp::Config,
    ) -> Self {
        let (local, wire) = Wire::pair();
        let slots = connections + 1;
        let sockets = connections + BACKLOG;
        let size = Size { sockets, listeners: 1, slots, bytes };
        let mut network = world::network(local, size, limits);
        let listener = network.listen(PORT, sockets).expect("the sockets are free");
        let storage = LoopStorage {
            slots: vec![Slot::EMPTY; slots].leak(),
            timers: vec![TimerSlot::EMPTY; slots].leak(),
            events: vec![Event::EMPTY; 4].leak(),
        };
        let mut event_loop = EventLoop::new_at(network, storage, Instant::ZERO);
        let storage = ServerStorage::<Socket, ()> {
            connections: vec![ConnectionEntry::EMPTY; slots].leak(),
            sessions: vec![Entry::Vacant; slots].leak(),
            blocks: &mut [],
            bytes: &mut [],
            scratch: vec![0; 512].leak(),
            limits: &mut [],
        };
        let mut server = Server::new(service, config.connections_max(connections), storage);
        server
            .listen(&mut event_loop.context(), listener)
            .expect("there is a slot for the listener");
        let remote = Host::new(wire.clone());
        let now = Instant::from_millis(1);
        Self { event_loop, server, remote, wire, now, next: Some(now) }
    }

    /// Removes the remote host from the world, its address included. Another one replaces it.
    pub(crate) fn replace_remote(&mut self) {
        self.remote = Host::with_address(self.wire.clone(), world::ANOTHER);
    }

    /// Lets time pass as on a board that sleeps: the loop turns only when it is due, or a frame
    /// has arrived. Returns the number of turns.
    pub(crate) fn sleep_for(&mut self, time: Duration) -> usize {
        let (until, mut turns) = (self.now + time, 0);
        while self.now < until {
            self.now = self.now + Duration::from_millis(1);
            while self.next.is_some_and(|next| next <= self.now) || self.waiting() > 0 {
                turns += 1;
                self.turn();
            }
            self.remote.poll(self.now);
        }
        turns
    }

    /// Makes one turn of the loop.
    pub(crate) fn turn(&mut self) -> Option<Instant> {
        let next = self.event_loop.turn(self.now, &mut self.server);
        self.next = next.expect("a network does not fail");
        self.next
    }

    /// Moves the world on by milliseconds: in each, the loop turns until it would sleep, then the
    /// remote host is polled.
    pub(crate) fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.now = self.now + Duration::from_millis(1);
            let mut turns = 0;
            while self.turn().is_some_and(|next| next <= self.now) {
                turns += 1;
                assert!(turns < 1_000, "the loop never sleeps");
            }
            self.remote.poll(self.now);
        }
    }

    /// Makes rounds until `done` returns an outcome, at most `patience`.
    pub(crate) fn until(
        &mut self,
        patience: usize,
        mut done: impl FnMut(&mut Self) -> Option<Outcome>,
    ) -> Option<Outcome> {
        for _ in 0..patience {
            if let Some(outcome) = done(self) {
                return Some(outcome);
            }
            self.rounds(1);
        }
        None
    }

    pub(crate) fn begin_to_connect(&mut self) -> SocketHandle {
        self.remote.connect(IpEndpoint::new(LOCAL.into(), PORT))
    }

    /// Connects a client, and waits until it is connected as far as it knows.
    pub(crate) fn connect(&mut self) -> SocketHandle {
        let client = self.begin_to_connect();
        let connected =
            |bench: &mut Self| bench.remote.socket(client).may_send().then_some(Outcome::Ended);
        assert_eq!(self.until(PATIENCE, connected), Some(Outcome::Ended), "a connection is made");
        client
    }

    /// Sends the SYN of a client that never receives the answer.
    pub(crate) fn begin_to_connect_and_vanish(&mut self) {
        let client = self.begin_to_connect();
        self.remote.poll(self.now);
        self.remote.forget(client);
        self.turn();
        self.wire.lose();
    }

    /// Lets time pass in which the remote host neither receives nor sends.
    pub(crate) fn vanish_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now = self.now + Duration::from_millis(10);
            self.turn();
            self.wire.lose();
        }
    }

    /// Sends all of `bytes`.
    pub(crate) fn send(&mut self, client: SocketHandle, bytes: &[u8]) {
        assert_eq!(
            self.remote.write(client, bytes),
            Ok(bytes.len()),
            "there is room for a small message"
        );
        self.remote.poll(self.now);
    }

    /// Receives so many bytes.
    pub(crate) fn receive(&mut self, client: SocketHandle, count: usize) -> Vec<u8> {
        let mut received = Vec::new();
        let outcome = self.until(PATIENCE, |bench| {
            let outcome = bench.read_into(client, &mut received);
            outcome.or((received.len() >= count).then_some(Outcome::Ended))
        });
        assert_eq!(
            outcome,
            Some(Outcome::Ended),
            "an answer comes; so remote there is {received:?}"
        );
        received
    }

    /// Appends what is there to `received`, and returns the end of the stream if it is there.
    pub(crate) fn read_into(
        &mut self,
        client: SocketHandle,
        received: &mut Vec<u8>,
    ) -> Option<Outcome> {
        let mut buffer = [0; 4_096];
        match self.remote.read(client, &mut buffer) {
            Ok(0) => Some(Outcome::Ended),
            Ok(count) => {
                received.extend_from_slice(&buffer[..count]);
                None
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => Some(Outcome::Failed(error)),
        }
    }

    /// Sends frames that mean nothing.
    pub(crate) fn flood(&mut self, count: usize) {
        for _ in 0..count {
            let room =
                self.wire.transmit(smoltcp::time::Instant::ZERO).expect("a wire takes any frame");
            room.consume(64, |frame| frame.fill(0xFF));
        }
    }

    /// Returns the number of frames that the network has not taken in yet.
    pub(crate) fn waiting(&mut self) -> usize {
        self.event_loop.platform.device().waiting()
    }
}
