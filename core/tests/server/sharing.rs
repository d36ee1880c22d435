//! Servers that share a loop with each other and with tokens of others.

use core::time::Duration;

use selkie_core::memory::{
    Block, ConnectionEntry, Entry, LoopStorage, ServerStorage, Slot, TimerSlot,
};
use selkie_core::{
    CloseReason, Config, Context, Event, EventLoop, Handler, Instant, Server, Token,
};

use crate::on_all;
use crate::rig::{Memory, UNLIMITED};
use crate::scripted::{Call, Scripted};
use crate::toy::{Handle, Toy};

const SLOTS: usize = 5;
const RETRY: Duration = Duration::from_millis(100);

type Half<'a, const KIND: u8> = Server<Toy<KIND>, Scripted, Memory<'a, Scripted>>;

/// Two servers, each with a listener of its own.
struct TwoServers<'a, const KIND: u8> {
    servers: [Half<'a, KIND>; 2],
}

impl<'a, const KIND: u8> TwoServers<'a, KIND> {
    fn owner(&mut self, context: &Context<'_, Toy<KIND>>, token: Token) -> &mut Half<'a, KIND> {
        self.servers.iter_mut().find(|one| one.owns(context, token)).expect("a server's token")
    }
}

impl<const KIND: u8> Handler<Toy<KIND>> for TwoServers<'_, KIND> {
    fn ready(&mut self, context: &mut Context<'_, Toy<KIND>>, event: Event) {
        self.owner(context, event.token).ready(context, event);
    }

    fn expired(&mut self, context: &mut Context<'_, Toy<KIND>>, token: Token) {
        self.owner(context, token).expired(context, token);
    }
}

/// The loop, its two servers and their listeners.
struct Bench<'a, const KIND: u8> {
    event_loop: EventLoop<Toy<KIND>, LoopStorage<'a>>,
    handler: TwoServers<'a, KIND>,
    /// A third one, which was given nothing to listen to, and so counts for nothing.
    spare: Option<Half<'a, KIND>>,
    listeners: [Handle; 2],
    now: Instant,
}

impl<const KIND: u8> Bench<'_, KIND> {
    fn connect(&mut self, server: usize) -> Handle {
        let platform = &mut self.event_loop.platform;
        let client = platform.stream();
        platform.socket(self.listeners[server]).backlog.push_back(client);
        client
    }

    fn end(&mut self, client: Handle) {
        self.event_loop.platform.socket(client).peer_ended = true;
    }

    /// Lets time pass, with a turn whenever one is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..500 {
            let due = self.event_loop.turn(self.now, &mut self.handler).unwrap();
            match due.filter(|&due| due <= end) {
                Some(due) => self.now = self.now.max(due),
                None if self.now == end => return,
                None => self.now = end,
            }
        }
        panic!("the loop spins");
    }

    fn drain(&mut self, server: usize) {
        let deadline = self.now + Duration::from_secs(60);
        self.handler.servers[server].drain(&mut self.event_loop.context_at(self.now), deadline);
        self.pass(Duration::ZERO);
    }
}

impl<const KIND: u8> Bench<'_, KIND> {
    fn abort_first(&mut self) -> Scripted {
        let spare = self.spare.take().expect("it is aborted once");
        let first = core::mem::replace(&mut self.handler.servers[0], spare);
        first.abort(&mut self.event_loop.context())
    }
}

/// The tables of one server.
struct Tables {
    connections: [ConnectionEntry<Handle>; SLOTS],
    sessions: [Entry<()>; SLOTS],
    blocks: [Block; 2 * SLOTS],
    bytes: [u8; 160],
    scratch: [u8; 16],
}

impl Tables {
    const fn new() -> Self {
        Self {
            connections: [ConnectionEntry::EMPTY; SLOTS],
            sessions: [Entry::Vacant; SLOTS],
            blocks: [Block::EMPTY; 2 * SLOTS],
            bytes: [0; 160],
            scratch: [0; 16],
        }
    }

    fn server<const KIND: u8>(&mut self, config: Config) -> Half<'_, KIND> {
        let Self { connections, sessions, blocks, bytes, scratch } = self;
        let storage =
            ServerStorage { connections, sessions, blocks, bytes, scratch, limits: &mut [] };
        Server::new(Scripted::echo(), config, storage)
    }
}

fn with_two<const KIND: u8>(test: impl FnOnce(&mut Bench<'_, KIND>)) {
    let (mut slots, mut timers) = ([Slot::EMPTY; SLOTS], [TimerSlot::EMPTY; SLOTS]);
    let mut events = [Event::EMPTY; 8];
    let storage = LoopStorage { slots: &mut slots, timers: &mut timers, events: &mut events };
    let now = Instant::from_millis(1000);
    let mut event_loop = EventLoop::new_at(Toy::<KIND>::new(SLOTS), storage, now);
    let mut tables = [Tables::new(), Tables::new(), Tables::new()];
    let config = UNLIMITED.accept_retry(RETRY);
    let [first, second, spare] = tables.each_mut().map(|tables| tables.server(config));
    let listeners = [(); 2].map(|()| event_loop.platform.listener());
    let handler = TwoServers { servers: [first, second] };
    let mut bench = Bench { event_loop, handler, spare: Some(spare), listeners, now };
    for server in 0..2 {
        let listener = bench.listeners[server];
        bench.handler.servers[server].listen(&mut bench.event_loop.context(), listener).unwrap();
    }
    test(&mut bench);
}

on_all! {
    a_server_accepts_again_when_the_clients_of_another_have_left
    a_server_accepts_again_when_tokens_of_others_are_released
    a_loop_ends_when_both_of_its_servers_have_drained
    a_drained_server_leaves_the_clients_of_another_alone
    a_loop_ends_when_one_server_was_aborted_and_the_other_has_drained
    an_aborted_server_leaves_nothing_in_its_loop
}

fn a_server_accepts_again_when_the_clients_of_another_have_left<const KIND: u8>() {
    with_two::<KIND>(|bench| {
        let first = [(); 3].map(|()| bench.connect(0));
        bench.pass(Duration::ZERO);
        assert_eq!(bench.handler.servers[0].open_connections(), 3, "all slots are used");
        bench.connect(1);
        bench.pass(10 * RETRY);
        assert_eq!(bench.handler.servers[1].open_connections(), 0);
        for client in first {
            bench.end(client);
        }
        bench.pass(RETRY);
        assert_eq!(bench.handler.servers[0].open_connections(), 0);
        assert_eq!(bench.handler.servers[1].open_connections(), 1);
        for _ in 0..2 {
            bench.connect(1);
        }
        bench.pass(Duration::ZERO);
        assert_eq!(bench.handler.servers[1].open_connections(), 3, "as before");
    });
}

fn a_server_accepts_again_when_tokens_of_others_are_released<const KIND: u8>() {
    with_two::<KIND>(|bench| {
        let issued = [(); 3].map(|()| bench.event_loop.context().issue().unwrap());
        for server in 0..2 {
            bench.connect(server);
        }
        bench.pass(10 * RETRY);
        for server in &bench.handler.servers {
            assert_eq!((server.open_connections(), server.counters().accept_pauses), (0, 1));
        }
        for token in issued {
            bench.event_loop.context().release(token).unwrap();
        }
        bench.pass(RETRY);
        for server in &bench.handler.servers {
            assert_eq!(server.open_connections(), 1);
        }
    });
}

fn a_loop_ends_when_both_of_its_servers_have_drained<const KIND: u8>() {
    for (first, second) in [(0, 1), (1, 0)] {
        with_two::<KIND>(|bench| {
            for server in 0..2 {
                bench.connect(server);
            }
            bench.pass(Duration::ZERO);
            bench.drain(first);
            assert!(bench.handler.servers[first].is_drained());
            assert!(!bench.event_loop.is_stopped(), "the other one serves");
            bench.drain(second);
            assert!(bench.event_loop.is_stopped());
        });
    }
}

fn a_drained_server_leaves_the_clients_of_another_alone<const KIND: u8>() {
    with_two::<KIND>(|bench| {
        let clients = [bench.connect(0), bench.connect(1)];
        bench.pass(Duration::ZERO);
        bench.drain(0);
        bench.event_loop.platform.socket(clients[1]).incoming.extend(b"hello");
        bench.connect(1);
        bench.pass(Duration::ZERO);
        assert_eq!(bench.event_loop.platform.socket(clients[1]).outgoing, b"hello");
        assert_eq!(bench.handler.servers[1].open_connections(), 2);
    });
}

fn a_loop_ends_when_one_server_was_aborted_and_the_other_has_drained<const KIND: u8>() {
    with_two::<KIND>(|bench| {
        for server in 0..2 {
            bench.connect(server);
        }
        bench.pass(Duration::ZERO);
        bench.abort_first();
        assert!(!bench.event_loop.is_stopped(), "the other one serves");
        bench.drain(1);
        assert!(bench.event_loop.is_stopped());
    });
}

fn an_aborted_server_leaves_nothing_in_its_loop<const KIND: u8>() {
    with_two::<KIND>(|bench| {
        let clients = [bench.connect(0), bench.connect(0), bench.connect(1)];
        bench.pass(Duration::ZERO);
        let service = bench.abort_first();
        let aborted = |call: &Call| matches!(call, Call::Closed(_, CloseReason::Aborted));
        assert_eq!(service.count(aborted), 2, "the service is told of each");
        for client in [clients[0], clients[1], bench.listeners[0]] {
            assert!(bench.event_loop.platform.socket(client).closed.is_some());
        }
        assert_eq!(bench.event_loop.platform.socket(clients[2]).closed, None);
        assert_eq!(bench.event_loop.live_tokens(), 2, "the other's listener and client");
        // The next client finds room.
        bench.connect(1);
        bench.pass(RETRY);
        assert_eq!(bench.handler.servers[1].open_connections(), 2);
    });
}
