//! The virtual network: connections between the near side, which the platform serves, and the far
//! side, which plays its clients and servers.
//!
//! Both sides see the same stream semantics. What the near side sees goes through the faults of
//! `transport.rs` on top; the far side is told the truth.

use alloc::collections::{BinaryHeap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;

use selkie_core::{Error, ErrorKind, Instant, Token};

use crate::pipe::Pipe;
use crate::trace::Trace;
use crate::{Parameters, Random};

/// The side of the platform under test.
pub(crate) const NEAR: usize = 0;
/// The other side.
pub(crate) const FAR: usize = 1;

/// Address of a listener: any number. Near and far listeners have numbers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u32);

/// The far end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FarEnd {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl FarEnd {
    /// Returns the index of its connection in the network's table. Indices are dense and reused.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

/// Result of an operation on a stream.
pub(crate) type Outcome<T> = Result<T, Error>;

/// One end of a connection.
#[derive(Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and they come in any combination"
)]
pub(crate) struct End {
    /// Its owner has not closed it. A near end that waits at a listener is open.
    pub(crate) open: bool,
    /// Its owner ended its stream.
    pub(crate) write_ended: bool,
    /// The connection is dead at this end.
    pub(crate) broken: bool,
    /// Reason for the failure, until it was reported to the owner.
    pub(crate) error: Option<ErrorKind>,
    /// Something arrived since the owner last looked (far ends).
    pub(crate) news: bool,
    /// Something happened since the source was last reported (near ends, edge mode): bits of
    /// readiness.
    pub(crate) fresh: u32,
    /// Number of arrived bytes that the owner peeked at and left (near ends).
    pub(crate) left: usize,
    /// Number of arrived bytes that the owner ever saw (near ends).
    pub(crate) seen: usize,
    /// The owner wants to be shown again what it has left (near ends).
    pub(crate) again: bool,
    /// Its host is gone without a packet (far ends).
    pub(crate) vanished: bool,
}

impl End {
    /// Returns the reason for the failure. The near side gets it once, as from systems; the far
    /// side always.
    pub(crate) const fn failure(&mut self, side: usize) -> Option<ErrorKind> {
        if side == NEAR { self.error.take() } else { self.error }
    }
}

/// Evidence about a near end, by which the rules are judged.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is an observation of its own")]
pub struct ConnectionEvidence {
    /// The token under which it is, or was, registered.
    pub token: Option<Token>,
    /// The time at which bytes last moved in either direction, or it was accepted.
    pub moved_at: Instant,
    /// The latest time for which that counts: the end of the callbacks of that turn.
    pub counted_at: Instant,
    /// The time of that movement, and the numbers of bytes that were read and written by then.
    pub counted: (Instant, u64, u64),
    /// Since when the platform has not taken all that it was given, without taking any.
    pub refused_since: Option<Instant>,
    /// Since when the peer's host has acknowledged nothing of what was written and is under way.
    pub unacknowledged_since: Option<Instant>,
    /// The first error on it that the near side was told of, other than would-block.
    pub failed: Option<ErrorKind>,
    /// The platform refused to watch it for something else.
    pub unwatchable: bool,
    /// Address of the listener that it was accepted from.
    pub listener: u32,
    /// The time at which it was accepted.
    pub opened_at: Instant,
    /// The near side was told that the stream has ended.
    pub end_read: bool,
    /// Number of bytes that had arrived before that end.
    pub arrived_total: u64,
    /// The near side ended its own stream.
    pub write_ended: bool,
    /// The near side wanted to end its own stream, and was told that this needs room first.
    pub end_refused: bool,
    /// The time at which the near side last read, and found nothing.
    pub looked_at: Instant,
    /// The time at which the near side last tried to write.
    pub tried_at: Instant,
    /// The number of turns for which a peer that is gone was not noticed.
    pub deaf_turns: u64,
    /// The first failure was that of a write.
    pub write_failed: bool,
    /// The time at which the connection broke, unless the near side was told before.
    pub broken_at: Option<Instant>,
    /// The near side was told that the peer is gone, by an event or an error.
    pub noticed: bool,
    /// Since when bytes, or the end, wait to be read.
    pub waiting_since: Option<Instant>,
    /// Number of bytes that the near side has read and used.
    pub taken: u64,
    /// Number of bytes that had arrived when draining began.
    pub arrived_before_drain: u64,
    /// Number of bytes the near side has written.
    pub written: u64,
    /// The number of turns for which it has been overdue.
    pub overdue_turns: u64,
    /// The time from which on its deadline counted at the end of the last turn.
    pub overdue_since: Option<Instant>,
    /// The turn that the next two fields are about.
    pub(crate) turn: u64,
    /// Number of events were reported for it in that turn.
    pub(crate) events: u64,
    /// Number of times it was read in that turn.
    pub(crate) reads: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) generation: u32,
    /// Both directions are set up.
    pub(crate) established: bool,
    /// Number of times the attempt was repeated.
    pub(crate) attempts: u64,
    pub(crate) ends: [End; 2],
    /// The pipes, by the end that they lead to.
    pub(crate) pipes: [Pipe; 2],
    pub(crate) evidence: ConnectionEvidence,
}

#[derive(Debug, Default)]
pub(crate) struct Listener {
    pub(crate) generation: u32,
    pub(crate) open: bool,
    pub(crate) address: u32,
    pub(crate) backlog: VecDeque<u32>,
    pub(crate) token: Option<Token>,
    pub(crate) fresh: bool,
}

/// An arrival at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arrival {
    /// The next segment of the pipe towards this end arrives.
    Segment(usize),
    /// The attempt of a far end reaches the near side.
    DialNear(u32),
    /// The attempt of a near end reaches the far side.
    DialFar(u32),
    /// Keep-alive finds that the far end is gone.
    KeepAlive,
}

/// The time of arrival, the order of sending, and what arrives.
type Flight = Reverse<(Instant, u64, u32, u32, Arrival)>;

/// The virtual network and its clock. The far side acts on it directly; the near side through the
/// platform.
#[derive(Debug)]
pub struct Network {
    /// Parameters of the network. They may be changed while it runs.
    pub parameters: Parameters,
    /// Trace of events, if it is enabled.
    pub trace: Trace,
    pub(crate) random: Random,
    pub(crate) now: Instant,
    pub(crate) connections: Vec<Connection>,
    vacant: Vec<u32>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) far_listeners: Vec<(Address, VecDeque<FarEnd>)>,
    flights: BinaryHeap<Flight>,
    sent: u64,
    pub(crate) news: VecDeque<FarEnd>,
    /// Number of open near ends.
    pub(crate) near_open: usize,
}

impl Network {
    /// Makes a network without connections.
    #[must_use]
    pub fn new(parameters: Parameters, random: Random) -> Self {
        Self {
            parameters,
            trace: Trace::off(),
            random,
            now: Instant::ZERO,
            connections: Vec::new(),
            vacant: Vec::new(),
            listeners: Vec::new(),
            far_listeners: Vec::new(),
            flights: BinaryHeap::new(),
            sent: 0,
            news: VecDeque::new(),
            near_open: 0,
        }
    }

    /// Returns the virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Returns when the next thing arrives anywhere.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.flights.peek().map(|Reverse((at, ..))| *at)
    }

    /// Lets time pass, and everything arrive that is due by then. Time never goes back.
    pub fn advance(&mut self, now: Instant) {
        while let Some(&Reverse((at, _, slot, generation, arrival))) = self.flights.peek() {
            if at > now {
                break;
            }
            self.flights.pop();
            self.now = self.now.max(at);
            match arrival {
                Arrival::Segment(side) => self.deliver(slot, generation, side),
                Arrival::DialNear(address) => self.arrive_near(slot, generation, address),
                Arrival::DialFar(address) => self.arrive_far(slot, generation, address),
                Arrival::KeepAlive => {
                    if self.find(slot, generation).is_some() {
                        self.break_end(slot, NEAR, ErrorKind::TimedOut);
                    }
                }
            }
        }
        self.now = self.now.max(now);
    }

    /// Returns the number of connections there are, closed ones with bytes under way included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len() - self.vacant.len()
    }

    /// Returns the number of connections wait at near listeners.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.listeners.iter().map(|listener| listener.backlog.len()).sum()
    }

    /// Puts something on its way.
    pub(crate) fn dispatch(&mut self, slot: u32, arrival: Arrival, delay: u64) {
        let at = Instant::from_nanos(self.now.as_nanos().saturating_add(delay));
        let generation = self.connections[slot as usize].generation;
        self.sent += 1;
        self.flights.push(Reverse((at, self.sent, slot, generation, arrival)));
    }

    pub(crate) fn latency(&mut self) -> u64 {
        let most = self.parameters.latency_max;
        self.random.between(0, most)
    }

    /// Makes a connection of which only the end of `side` exists so far.
    pub(crate) fn connect(&mut self, side: usize) -> u32 {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.connections.push(Connection::default());
            u32::try_from(self.connections.len() - 1).expect("fewer than 2^32 connections")
        });
        let connection = &mut self.connections[slot as usize];
        connection.generation += 1;
        connection.established = false;
        connection.attempts = 0;
        connection.ends = [End::default(), End::default()];
        connection.pipes.iter_mut().for_each(Pipe::recycle);
        connection.evidence = ConnectionEvidence::default();
        connection.ends[side].open = true;
        slot
    }

    /// Gives a connection back once neither side holds it.
    pub(crate) fn release(&mut self, slot: u32) {
        if !self.connections[slot as usize].ends.iter().any(|end| end.open) {
            // The generation marks what is still in flight as late.
            self.connections[slot as usize].generation += 1;
            self.vacant.push(slot);
        }
    }

    /// Notes that something happened at an end.
    pub(crate) fn notify(&mut self, slot: u32, side: usize, readiness: u32) {
        let connection = &mut self.connections[slot as usize];
        let end = &mut connection.ends[side];
        end.fresh |= readiness;
        if side == FAR && end.open && !end.news {
            end.news = true;
            self.news.push_back(FarEnd { slot, generation: connection.generation });
        }
    }

    /// Finds a connection by slot and generation.
    pub(crate) fn find(&self, slot: u32, generation: u32) -> Option<&Connection> {
        self.connections.get(slot as usize).filter(|connection| connection.generation == generation)
    }
}

/// Bits of readiness, as [`selkie_core::Readiness`] has them.
pub(crate) const READABLE: u32 = 0x01;
pub(crate) const WRITABLE: u32 = 0x04;

/// Returns the name of a side for traces.
pub(crate) const fn name(side: usize) -> &'static str {
    if side == NEAR { "near" } else { "far" }
}
