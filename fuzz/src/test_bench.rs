//! An echo server over smoltcp, and the peer at the other end of its wire.

use core::time::Duration;

use selkie_core::memory::{ConnectionEntry, Entry, LoopStorage, ServerStorage, Slot, TimerSlot};
use selkie_core::{Config, Event, EventLoop, Instant, Server};
use selkie_services::Echo;
use selkie_smoltcp::{Network, Socket, StaticNetwork, instant};
use smoltcp::iface::{self, Interface};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

use crate::device::Wire;
use crate::peer::{self, Peer, Segment, flags};

/// Number of connections served at once.
pub const CONNECTIONS: usize = 3;
/// Number of sockets.
pub const SOCKETS: usize = CONNECTIONS + 1;
const SLOTS: usize = CONNECTIONS + 1;
/// Every timeout of server and network is over by then.
const LONG: Duration = Duration::from_mins(1);

/// The memory of the network.
pub type Memory<'a> = StaticNetwork<'a, SOCKETS, 1, SLOTS, 256, 256>;

/// The rest of the memory.
#[derive(Debug)]
pub struct Tables {
    slots: [Slot; SLOTS],
    timers: [TimerSlot; SLOTS],
    events: [Event; 3],
    connections: [ConnectionEntry<Socket>; SLOTS],
    sessions: [Entry<()>; SLOTS],
    scratch: [u8; 200],
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            slots: [Slot::EMPTY; SLOTS],
            timers: [TimerSlot::EMPTY; SLOTS],
            events: [Event::EMPTY; 3],
            connections: [ConnectionEntry::EMPTY; SLOTS],
            sessions: [Entry::Vacant; SLOTS],
            scratch: [0; 200],
        }
    }
}

/// The server and the peer.
#[derive(Debug)]
pub struct TestBench<'a> {
    event_loop: EventLoop<Network<'a, Wire>, LoopStorage<'a>>,
    server: Server<Network<'a, Wire>, Echo, ServerStorage<'a, Socket, ()>>,
    wire: Wire,
    /// The host at the far end.
    pub peer: Peer,
    now: Instant,
}

impl<'a> TestBench<'a> {
    /// Makes a server that listens, and a peer that it knows.
    ///
    /// # Panics
    ///
    /// If the memory is too small.
    #[must_use]
    pub fn new(memory: &'a mut Memory<'a>, tables: &'a mut Tables) -> Self {
        let wire = Wire::default();
        let mut device = wire.clone();
        let config = iface::Config::new(EthernetAddress(peer::NEAR).into());
        let mut interface = Interface::new(config, &mut device, instant(Instant::ZERO));
        let address = Ipv4Cidr::new(Ipv4Address::from(peer::NEAR_IP), 24);
        interface.update_ip_addrs(|list| {
            list.push(address.into()).expect("there is room for an address");
        });
        let mut network =
            Network::new(device, interface, selkie_smoltcp::Config::DEFAULT, memory.storage());
        let listener = network.listen(peer::SERVICE, SOCKETS).expect("the sockets are free");
        let Tables { slots, timers, events, connections, sessions, scratch } = tables;
        let mut event_loop =
            EventLoop::new_at(network, LoopStorage { slots, timers, events }, Instant::ZERO);
        let limit = Some(Duration::from_secs(10));
        let config =
            Config::DEFAULT.connections_max(CONNECTIONS).idle_timeout(limit).stall_timeout(limit);
        let blocks = &mut [];
        let (bytes, limits) = (&mut [][..], &mut [][..]);
        let storage = ServerStorage { connections, sessions, blocks, bytes, scratch, limits };
        let mut server = Server::new(Echo, config, storage);
        server
            .listen(&mut event_loop.context(), listener)
            .expect("there is a slot for the listener");
        let mut bench =
            Self { event_loop, server, wire, peer: Peer::default(), now: Instant::from_millis(1) };
        bench.deliver(peer::arp());
        bench.settle();
        bench
    }

    /// Sends a frame to the network.
    pub fn deliver(&mut self, frame: Vec<u8>) {
        self.wire.received.borrow_mut().push_back(frame);
    }

    /// Sends a segment.
    pub fn send(&mut self, segment: &Segment) {
        let frame = self.peer.send(segment);
        self.deliver(frame);
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Lets the loop turn until it would sleep, and the peer hear what was sent. Gives when the
    /// next turn is due.
    ///
    /// # Panics
    ///
    /// If the loop never sleeps.
    pub fn settle(&mut self) -> Option<Instant> {
        for _ in 0..1_000 {
            let next =
                self.event_loop.turn(self.now, &mut self.server).expect("a network does not fail");
            for frame in self.wire.sent.borrow_mut().drain(..) {
                self.peer.receive(&frame);
            }
            if next.is_none_or(|next| next > self.now) {
                return next;
            }
        }
        panic!("the loop never sleeps");
    }

    /// Waits until every timeout has passed, then connects from as many ports as there are sockets,
    /// and has a word sent back on each connection that is served.
    ///
    /// # Panics
    ///
    /// If a socket or a connection did not come back.
    pub fn expect_recovery(&mut self) {
        let end = self.now + LONG;
        while let Some(next) = self.settle().filter(|&next| next <= end) {
            self.now = next;
        }
        self.now = end;
        self.settle();
        assert_eq!(self.server.open_connections(), 0, "a silent peer is closed");
        let ports = 3_000..3_000 + u16::try_from(SOCKETS).unwrap_or(0);
        for port in ports.clone() {
            self.peer.forget(port);
            self.send(&Segment::plain(port, flags::SYN, &[]));
            self.settle();
            let answer = self.peer.progress(port).flags;
            assert_eq!(answer, flags::SYN | flags::ACK, "there is a socket for port {port}");
            self.send(&Segment::plain(port, flags::ACK, b"hello"));
            self.settle();
        }
        for port in ports.take(CONNECTIONS) {
            assert_eq!(self.peer.progress(port).bytes, 5, "the word comes back to port {port}");
        }
        assert_eq!(self.server.open_connections(), CONNECTIONS);
    }
}
