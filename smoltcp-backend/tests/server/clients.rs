//! A server over a wire, and the means to drive clients at its other end.

use std::time::Duration;

use selkie_core::{
    Config, Connection, Entry, Error, ErrorKind, Event, EventLoop, Instant, LoopStorage, Server,
    ServerStorage, Slot, TimerSlot,
};
use selkie_services::Echo;
use selkie_smoltcp::{Network, Socket};
use smoltcp::iface::SocketHandle;
use smoltcp::phy::{Device, TxToken};
use smoltcp::wire::IpEndpoint;

use crate::world::far::Far;
use crate::world::wire::Wire;
use crate::world::{self, NEAR, Size};

/// The port of the echo service.
const PORT: u16 = 7;
/// How many sockets there are beside those of the connections that are served.
const BACKLOG: usize = 2;
/// How long a client may be silent.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// So many rounds, at a millisecond each, are enough for an answer, a retransmission included.
const PATIENCE: usize = 5_000;

/// How a stream went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ended,
    Failed(Error),
}

/// A server, and the host beyond the wire.
pub(crate) struct Stand {
    pub(crate) event_loop: EventLoop<'static, Network<'static, Wire>>,
    pub(crate) server: Server<Network<'static, Wire>, Echo, ServerStorage<'static, Socket, ()>>,
    pub(crate) far: Far,
    /// The far end of the wire: what is lost here never reaches the far host.
    pub(crate) wire: Wire,
    pub(crate) now: Instant,
}

impl Stand {
    /// A server for so many clients at once.
    pub(crate) fn new(connections: usize) -> Self {
        let (near, wire) = Wire::pair();
        let slots = connections + 1;
        let sockets = connections + BACKLOG;
        let size = Size { sockets, listeners: 1, slots, bytes: 1_024 };
        let mut network = world::network(near, size, selkie_smoltcp::Config::DEFAULT);
        let listener = network.listen(PORT, sockets).expect("the sockets are free");
        let storage = LoopStorage {
            slots: vec![Slot::EMPTY; slots].leak(),
            timers: vec![TimerSlot::EMPTY; slots].leak(),
            events: vec![Event::EMPTY; 4].leak(),
        };
        let mut event_loop = EventLoop::new(network, storage);
        let config = Config::DEFAULT.connections_max(connections).idle_timeout(Some(IDLE_TIMEOUT));
        let storage = ServerStorage::<Socket, ()> {
            connections: vec![Connection::EMPTY; slots].leak(),
            sources: vec![Entry::Vacant; slots].leak(),
            sessions: vec![Entry::Vacant; slots].leak(),
            blocks: &mut [],
            bytes: &mut [],
            scratch: vec![0; 512].leak(),
        };
        let mut server = Server::new(Echo, config, storage);
        server.listen(&mut event_loop.context, listener).expect("there is a slot for the listener");
        let far = Far::new(wire.clone());
        Self { event_loop, server, far, wire, now: Instant::from_millis(1) }
    }

    /// One turn of the loop.
    pub(crate) fn turn(&mut self) -> Option<Instant> {
        self.event_loop.turn(self.now, &mut self.server).expect("a network does not fail")
    }

    /// A millisecond of the world: the loop turns until it would sleep, then the far host has its
    /// say.
    pub(crate) fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.now = self.now + Duration::from_millis(1);
            let mut turns = 0;
            while self.turn().is_some_and(|next| next <= self.now) {
                turns += 1;
                assert!(turns < 1_000, "the loop never sleeps");
            }
            self.far.poll(self.now);
        }
    }

    /// Rounds until `done` says so, at most `patience`.
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
        self.far.connect(IpEndpoint::new(NEAR.into(), PORT))
    }

    /// A client that has connected, as far as it knows.
    pub(crate) fn connect(&mut self) -> SocketHandle {
        let client = self.begin_to_connect();
        let connected =
            |stand: &mut Self| stand.far.socket(client).may_send().then_some(Outcome::Ended);
        assert_eq!(
            self.until(PATIENCE, connected),
            Some(Outcome::Ended),
            "a connection comes about"
        );
        client
    }

    /// A client whose first word is heard, and that never hears the answer.
    pub(crate) fn begin_to_connect_and_vanish(&mut self) {
        let client = self.begin_to_connect();
        self.far.poll(self.now);
        self.far.forget(client);
        self.turn();
        self.wire.lose();
    }

    /// Time in which the far host neither hears nor says anything.
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
            self.far.write(client, bytes),
            Ok(bytes.len()),
            "there is room for a small message"
        );
        self.far.poll(self.now);
    }

    /// Receives so many bytes.
    pub(crate) fn receive(&mut self, client: SocketHandle, count: usize) -> Vec<u8> {
        let mut came = Vec::new();
        let outcome = self.until(PATIENCE, |stand| {
            let outcome = stand.read_into(client, &mut came);
            outcome.or((came.len() >= count).then_some(Outcome::Ended))
        });
        assert_eq!(outcome, Some(Outcome::Ended), "an answer comes; so far there is {came:?}");
        came
    }

    /// Adds what is there to `came`, and says whether the stream is over.
    pub(crate) fn read_into(
        &mut self,
        client: SocketHandle,
        came: &mut Vec<u8>,
    ) -> Option<Outcome> {
        let mut buffer = [0; 4_096];
        match self.far.read(client, &mut buffer) {
            Ok(0) => Some(Outcome::Ended),
            Ok(count) => {
                came.extend_from_slice(&buffer[..count]);
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

    /// How many frames the network has not taken in yet.
    pub(crate) fn waiting(&mut self) -> usize {
        self.event_loop.context.platform.device().waiting()
    }
}
