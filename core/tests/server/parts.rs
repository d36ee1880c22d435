//! Parts of the server that a program does without.

use std::cell::Cell;

use selkie_core::memory::{
    ConnectionEntry, ServerMemory, ServerStorage, StaticLoop, StaticServer, WithLimits,
};
use selkie_core::platform::Close;
use selkie_core::{CloseReason, EventLoop, Instant, Peer, Server, Service};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, with_server};
use crate::toy::{Handle, SERVER, Toy};

on_all! {
    without_draining_a_finished_connection_is_closed_once_its_output_is_sent
    with_two_buffers_each_no_connection_waits_for_another
    a_session_without_bytes_is_dropped_once_when_its_connection_closes
}

/// Answers once, in a program that never drains.
struct Once;

impl Service for Once {
    type Session = ();

    const DRAINS: bool = false;

    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
        peer.send(bytes).expect("the answer is short");
        peer.close_when_finished();
        bytes.len()
    }
}

fn without_draining_a_finished_connection_is_closed_once_its_output_is_sent<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Once, |rig| {
        let client = rig.connected();
        rig.give_room(client, 4);
        rig.send(client, b"bye");
        rig.settle();
        assert_eq!(rig.take(client), b"bye");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

/// Sends back what it receives.
struct Echo;

impl Service for Echo {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
        peer.send_some(bytes)
    }
}

/// Memory for four sources: with two blocks for each, and with one fewer.
type Ample = StaticServer<Handle, (), 4, 8, 128, 16>;
type Scarce = StaticServer<Handle, (), 4, 7, 112, 16>;

/// Returns whether connections may have to wait for buffers in this memory.
const fn shares_buffers<M: ServerMemory<Handle, ()>>() -> bool {
    M::SHARES_BUFFERS
}

#[test]
fn only_memory_with_two_buffers_for_each_connection_shares_none() {
    const {
        assert!(!shares_buffers::<Ample>() && shares_buffers::<Scarce>());
        assert!(!shares_buffers::<&mut WithLimits<Ample, 4>>());
        assert!(shares_buffers::<&mut WithLimits<Scarce, 4>>());
    }
}

fn with_two_buffers_each_no_connection_waits_for_another<const KIND: u8>() {
    let mut event_loop = EventLoop::new(Toy::<KIND>::new(4), StaticLoop::<4, 8>::new());
    let mut server = Server::new(Echo, UNLIMITED, Ample::new());
    let listener = event_loop.platform.listener();
    server.listen(&mut event_loop.context(), listener).expect("there is a slot");
    let clients = [(); 3].map(|()| event_loop.platform.stream());
    event_loop.platform.socket(listener).backlog.extend(clients);
    let sent = (0..64).collect::<Vec<u8>>();
    for client in clients {
        let socket = event_loop.platform.socket(client);
        socket.room = 0;
        socket.incoming.extend(&sent);
    }
    let mut turns = |event_loop: &mut EventLoop<Toy<KIND>, StaticLoop<4, 8>>| {
        for turn in 0..50 {
            let now = Instant::from_millis(1000 + turn);
            event_loop.turn(now, &mut server).expect("the toy platform never fails as a whole");
        }
        assert_eq!(server.counters().buffer_waits, 0);
        assert_eq!(server.open_connections(), 3);
    };
    turns(&mut event_loop);
    for client in clients {
        event_loop.platform.socket(client).room = usize::MAX;
        turns(&mut event_loop);
        assert_eq!(event_loop.platform.socket(client).outgoing, sent);
    }
}

thread_local! {
    /// The number of sessions that were dropped.
    static DROPPED: Cell<u32> = const { Cell::new(0) };
}

/// A session that has no bytes, and does something when it is dropped.
#[derive(Default)]
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        DROPPED.set(DROPPED.get() + 1);
    }
}

/// Sends back what it receives.
struct GuardedEcho;

impl Service for GuardedEcho {
    type Session = Guard;

    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut Guard, bytes: &[u8]) -> usize {
        peer.send_some(bytes)
    }
}

fn a_session_without_bytes_is_dropped_once_when_its_connection_closes<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, GuardedEcho, |rig| {
        let client = rig.connected();
        for _ in 0..3 {
            rig.give_room(client, 4);
            rig.send(client, b"abc");
            rig.settle();
            assert_eq!(rig.take(client), b"abc");
        }
        assert_eq!(DROPPED.get(), 0);
        rig.end(client);
        rig.settle();
        assert_eq!(DROPPED.take(), 1);
    });
}

/// Memory that says to have two blocks for each source, and has one fewer.
struct Wrong(Scarce);

impl ServerMemory<Handle, ()> for Wrong {
    const SHARES_BUFFERS: bool = false;

    type Sessions<'m> = <Scarce as ServerMemory<Handle, ()>>::Sessions<'m>;
    type Tables<'m> = <Scarce as ServerMemory<Handle, ()>>::Tables<'m>;

    fn storage(&mut self) -> ServerStorage<'_, Handle, ()> {
        self.0.storage()
    }

    fn split(&mut self) -> (Self::Sessions<'_>, &mut [u8], Self::Tables<'_>) {
        self.0.split()
    }

    fn connections(&self) -> &[ConnectionEntry<Handle>] {
        self.0.connections()
    }
}

#[test]
#[should_panic(expected = "a server needs 8 blocks of bytes here: it has 7 blocks in 112 bytes")]
fn memory_with_fewer_buffers_than_it_says_is_refused_at_start() {
    let _ = Server::<Toy<SERVER>, _, _>::new(Echo, UNLIMITED, Wrong(Scarce::new()));
}
