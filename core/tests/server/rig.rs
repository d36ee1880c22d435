//! A server in a loop over the toy platform, with the test as its network and its clock.

use core::time::Duration;
use std::vec::Vec;

use selkie_core::memory::{
    Block, ConnectionEntry, Entry, LimitEntry, LoopStorage, ServerMemory, ServerStorage, Slot,
    TimerSlot,
};
use selkie_core::platform::Close;
use selkie_core::{CloseReason, Config, Event, EventLoop, Instant, Server, Service, Token};

use crate::toy::{Handle, Socket, Toy};

/// Makes three tests of a function that is generic over the kind of platform.
macro_rules! on_all {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn with_the_servers_buffers() {
                    super::$name::<{ crate::toy::SERVER }>();
                }

                #[test]
                fn with_the_servers_buffers_and_reading_on() {
                    super::$name::<{ crate::toy::READS_ON }>();
                }

                #[test]
                fn with_the_platforms_buffers() {
                    super::$name::<{ crate::toy::PLATFORM }>();
                }
            }
        )*
    };
}

pub(crate) use on_all;

/// The sizes of the server's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) slots: usize,
    pub(crate) events: usize,
    pub(crate) blocks: usize,
    pub(crate) block_size: usize,
    pub(crate) scratch: usize,
}

impl Shape {
    /// Enough of everything for a few connections, and so little that a few bytes fill it.
    pub(crate) const SMALL: Self =
        Self { slots: 6, events: 8, blocks: 12, block_size: 16, scratch: 16 };
}

/// The limits that most tests want: none.
pub(crate) const UNLIMITED: Config = Config::DEFAULT
    .idle_timeout(None)
    .stall_timeout(None)
    .linger(Duration::ZERO)
    .buffer_grace(Duration::MAX);

/// Returns the number of rounds of a test: `usual`, or a tenth of that under Miri, which is
/// hundreds of times slower.
pub(crate) const fn rounds(usual: u64) -> u64 {
    if cfg!(miri) { usual / 10 } else { usual }
}

/// Returns the time one nanosecond before.
pub(crate) const fn just_before(time: Duration) -> Duration {
    time.saturating_sub(Duration::from_nanos(1))
}

/// The memory of the server under test, lent to it.
pub(crate) type Memory<'a, S> = ServerStorage<'a, Handle, <S as Service>::Session>;

/// The same, with a table for limits.
pub(crate) struct Limited<'a, S: Service>(Memory<'a, S>);

impl<'a, S: Service> ServerMemory<Handle, S::Session> for Limited<'a, S> {
    const LIMITS: bool = true;

    type Sessions<'m>
        = <Memory<'a, S> as ServerMemory<Handle, S::Session>>::Sessions<'m>
    where
        Self: 'm;

    type Tables<'m>
        = <Memory<'a, S> as ServerMemory<Handle, S::Session>>::Tables<'m>
    where
        Self: 'm;

    fn storage(&mut self) -> Memory<'_, S> {
        self.0.storage()
    }

    fn split(&mut self) -> (Self::Sessions<'_>, &mut [u8], Self::Tables<'_>) {
        self.0.split()
    }

    fn connections(&self) -> &[ConnectionEntry<Handle>] {
        self.0.connections
    }
}

pub(crate) struct Rig<'a, S: Service, const KIND: u8> {
    pub(crate) event_loop: EventLoop<Toy<KIND>, LoopStorage<'a>>,
    pub(crate) server: Server<Toy<KIND>, S, Limited<'a, S>>,
    pub(crate) now: Instant,
    pub(crate) listener: Handle,
    /// Tokens in the registry that are not the server's: what a test adds.
    pub(crate) others: usize,
}

/// Builds a server with one listener and hands it to a test.
pub(crate) fn with_server<S: Service, const KIND: u8>(
    shape: Shape,
    config: Config,
    service: S,
    test: impl FnOnce(&mut Rig<'_, S, KIND>),
) {
    let mut slots = vec![Slot::EMPTY; shape.slots];
    let mut timers = vec![TimerSlot::EMPTY; shape.slots];
    let mut events = vec![Event::EMPTY; shape.events];
    let mut connections = vec![ConnectionEntry::EMPTY; shape.slots];
    let mut sessions: Vec<Entry<S::Session>> = (0..shape.slots).map(|_| Entry::Vacant).collect();
    let mut blocks = vec![Block::EMPTY; shape.blocks];
    let mut bytes = vec![0; shape.blocks * shape.block_size];
    let mut scratch = vec![0; shape.scratch];
    let mut limits = vec![LimitEntry::EMPTY; shape.slots];
    let storage = LoopStorage { slots: &mut slots, timers: &mut timers, events: &mut events };
    let mut event_loop = EventLoop::new(Toy::<KIND>::new(shape.slots), storage);
    let mut server = Server::new(
        service,
        config,
        Limited(ServerStorage {
            connections: &mut connections,
            sessions: &mut sessions,
            blocks: &mut blocks,
            bytes: &mut bytes,
            scratch: &mut scratch,
            limits: &mut limits,
        }),
    );
    let listener = event_loop.platform.listener();
    server
        .listen(&mut event_loop.context(), listener)
        .expect("an empty loop has room for a listener");
    let mut rig = Rig { event_loop, server, now: Instant::from_millis(1000), listener, others: 0 };
    test(&mut rig);
    rig.check();
}

impl<S: Service, const KIND: u8> Rig<'_, S, KIND> {
    /// Adds a client that waits to be accepted.
    pub(crate) fn connect(&mut self) -> Handle {
        let platform = &mut self.event_loop.platform;
        let stream = platform.stream();
        platform.socket(self.listener).backlog.push_back(stream);
        stream
    }

    /// Adds a client, and has it accepted.
    pub(crate) fn connected(&mut self) -> Handle {
        let stream = self.connect();
        self.settle();
        stream
    }

    pub(crate) fn socket(&mut self, handle: Handle) -> &mut Socket {
        self.event_loop.platform.socket(handle)
    }

    pub(crate) fn token(&mut self, handle: Handle) -> Token {
        self.socket(handle).watched.expect("the stream is registered").0
    }

    pub(crate) fn send(&mut self, handle: Handle, bytes: &[u8]) {
        self.socket(handle).incoming.extend(bytes);
    }

    pub(crate) fn end(&mut self, handle: Handle) {
        self.socket(handle).peer_ended = true;
    }

    /// Returns the bytes that the client has received since it was last asked.
    pub(crate) fn take(&mut self, handle: Handle) -> Vec<u8> {
        core::mem::take(&mut self.socket(handle).outgoing)
    }

    /// Lets the platform take so many bytes more.
    pub(crate) fn give_room(&mut self, handle: Handle, room: usize) {
        self.socket(handle).room = room;
    }

    pub(crate) fn closed(&mut self, handle: Handle) -> Option<Close> {
        self.socket(handle).closed
    }

    pub(crate) fn closed_for(&self, reason: CloseReason) -> u64 {
        self.server.counters().closed_for(reason)
    }

    /// Runs one turn, and returns when the next is due.
    pub(crate) fn turn(&mut self) -> Option<Instant> {
        let due = self
            .event_loop
            .turn(self.now, &mut self.server)
            .expect("the toy platform never fails as a whole");
        self.check();
        due
    }

    /// Runs turns until there is nothing to do at this time, and panics if the loop spins.
    pub(crate) fn settle(&mut self) {
        for _ in 0..500 {
            let due = self.turn();
            let more = due.is_some_and(|due| due <= self.now);
            assert!(
                more || !self.event_loop.platform.is_ready(),
                "a turn is due while something is ready"
            );
            if !more {
                return;
            }
        }
        panic!("the loop spins: {:?}", self.event_loop.platform.sockets);
    }

    /// Lets time pass, with a turn exactly when one is due.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(due) = self.turn().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Checks the invariants between two turns.
    pub(crate) fn check(&self) {
        let counters = self.server.counters();
        let open = self.server.open_connections();
        assert_eq!(
            counters.accepted + counters.connects - counters.closed_total() - counters.released,
            open as u64,
            "{counters:?}"
        );
        assert!(counters.open_max >= open as u64);
        assert!(
            self.server.blocks_borrowed() <= 2 * open,
            "a connection borrows an output buffer and an input buffer at most"
        );
        let live = self.event_loop.live_tokens();
        let listeners = self.server.listeners();
        assert_eq!(
            live,
            open + listeners + self.others,
            "every connection has a slot, and no slot is lost"
        );
    }
}
