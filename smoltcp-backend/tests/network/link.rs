//! A network with one listener, and the host at the other end of the wire.

use std::time::Duration;

use selkie_core::platform::{Events, Selector, Transport};
use selkie_core::{Event, Instant, Interest, Mode, Readiness, Token};
use selkie_smoltcp::{Config, Network, Socket};
use smoltcp::iface::SocketHandle;
use smoltcp::wire::{IpEndpoint, Ipv4Address};

use crate::world::host::Host;
use crate::world::wire::Wire;
use crate::world::{self, LOCAL, Size};

/// The port of the listener.
const PORT: u16 = 7;

/// A network, and the host beyond the wire.
pub(crate) struct Link {
    pub(crate) local: Network<'static, Wire>,
    pub(crate) remote: Host,
    /// The end of the wire at the remote host.
    pub(crate) wire: Wire,
    pub(crate) listener: Socket,
    pub(crate) now: Instant,
}

impl Link {
    /// Creates a network that listens with so many sockets of so many bytes in each direction.
    pub(crate) fn new(sockets: usize, bytes: usize, config: Config) -> Self {
        Self::with_own(sockets, bytes, config, 0)
    }

    /// Creates one with places for so many sockets of the program's own, each of which may be a
    /// source.
    pub(crate) fn with_own(sockets: usize, bytes: usize, config: Config, own: usize) -> Self {
        Self::over(Wire::pair(), (sockets, bytes), config, own)
    }

    /// Creates one with frames of at most so many bytes.
    pub(crate) fn with_longest_frame(longest: usize) -> Self {
        let (local, wire) = Wire::pair();
        Self::over((local.with_longest(longest), wire), (1, 1024), Config::DEFAULT, 0)
    }

    fn over(
        (local, wire): (Wire, Wire),
        (sockets, bytes): (usize, usize),
        config: Config,
        own: usize,
    ) -> Self {
        let size = Size { sockets, listeners: 1 + own, slots: sockets + 1 + own, bytes };
        let mut local = world::network_with_own(local, size, config, own);
        let listener = local.listen(PORT, sockets).expect("the sockets are free");
        let remote = Host::new(wire.clone());
        Self { local, remote, wire, listener, now: Instant::from_millis(1) }
    }

    /// Lets the two hosts talk for some milliseconds.
    pub(crate) fn talk(&mut self) {
        for _ in 0..20 {
            self.pass(Duration::from_millis(1));
        }
    }

    /// Lets so much time pass, after which both hosts are polled.
    pub(crate) fn pass(&mut self, step: Duration) {
        self.now = self.now + step;
        self.local.poll_stack(self.now);
        self.remote.poll(self.now);
        self.local.poll_stack(self.now);
    }

    /// Lets so much time pass in which the remote host neither receives nor sends.
    pub(crate) fn pass_alone(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now = self.now + Duration::from_millis(50);
            self.local.poll_stack(self.now);
            self.wire.lose();
        }
    }

    /// Removes the remote host from the world, its address included. Another one replaces it.
    pub(crate) fn replace_remote(&mut self) {
        self.remote = Host::with_address(self.wire.clone(), world::ANOTHER);
    }

    /// Connects a client of the remote host, and accepts it.
    pub(crate) fn connect(&mut self) -> (Socket, SocketHandle) {
        self.connect_to(LOCAL)
    }

    /// Connects a client to this address of the network.
    pub(crate) fn connect_to(&mut self, address: Ipv4Address) -> (Socket, SocketHandle) {
        let peer = self.remote.connect(IpEndpoint::new(address.into(), PORT));
        self.talk();
        (self.local.accept(self.listener).expect("a connection arrives"), peer)
    }

    /// Connects a client of the remote host, which then waits to be accepted.
    pub(crate) fn begin_to_connect(&mut self) -> SocketHandle {
        let peer = self.remote.connect(IpEndpoint::new(LOCAL.into(), PORT));
        self.talk();
        peer
    }

    /// Sends the SYN of a client that never receives the answer.
    pub(crate) fn begin_to_connect_unanswered(&mut self) {
        self.remote.connect(IpEndpoint::new(LOCAL.into(), PORT));
        self.remote.poll(self.now);
        self.local.poll_stack(self.now);
        self.wire.lose();
    }

    /// Sends the SYN of a host that is not there any more.
    pub(crate) fn begin_to_connect_from_nowhere(&mut self, address: Ipv4Address) {
        let mut host = Host::with_address(self.wire.clone(), address);
        host.connect(IpEndpoint::new(LOCAL.into(), PORT));
        // The hardware address is asked for first.
        for _ in 0..2 {
            host.poll(self.now);
            self.local.poll_stack(self.now);
        }
    }

    /// Registers a stream under its first token.
    pub(crate) fn watch(&mut self, stream: Socket, interest: Interest) {
        let token = Token::new(0, 1);
        self.local.register(stream, token, interest, Mode::Level).expect("the index is free");
    }

    /// Polls, and returns the readiness of the one registered stream.
    pub(crate) fn readiness(&mut self) -> Readiness {
        let mut batch = [Event::EMPTY; 4];
        let mut events = Events::new(&mut batch);
        self.local.poll(self.now, &mut events).expect("a network does not fail");
        assert!(events.len() <= 1, "one stream is registered");
        events.iter().next().map_or(Readiness::NONE, |event| event.readiness)
    }
}
