//! Limits by address and rate: connections of an address, accepts and bytes a second.

use core::time::Duration;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use selkie_core::memory::StaticServer;
use selkie_core::platform::Close;
use selkie_core::{CloseReason, Config, ErrorKind, Interest, Peer, Server, Service};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, with_server};
use crate::scripted::Scripted;
use crate::toy::{Handle, SERVER, Toy};

const SECOND: Duration = Duration::from_secs(1);
/// Room for more than one is allowed.
const SHAPE: Shape = Shape { slots: 20, blocks: 40, ..Shape::SMALL };

on_all! {
    an_address_has_as_many_connections_as_it_may
    a_place_is_free_again_however_a_connection_ended
    connections_that_end_at_once_are_not_counted_any_more
    clients_beyond_the_rate_wait_in_the_backlog
    a_connection_is_read_at_its_rate_and_others_at_theirs
    a_drain_has_no_rates
    listeners_take_turns_at_the_rate
    a_callback_that_panics_frees_the_place_of_its_address
}

/// Adds a client of an address that waits to be accepted.
fn connect_from<S: Service, const KIND: u8>(rig: &mut Rig<'_, S, KIND>, address: &str) -> Handle {
    let client = rig.connect();
    let address: SocketAddr = address.parse().expect("an address");
    rig.socket(client).remote = Some(address);
    client
}

fn an_address_has_as_many_connections_as_it_may<const KIND: u8>() {
    let config = UNLIMITED.connections_per_address(Some(2));
    with_server::<_, KIND>(SHAPE, config, Scripted::echo(), |rig| {
        let first: Vec<_> = (1..=3).map(|_| connect_from(rig, "10.0.0.1:1000")).collect();
        let mapped = connect_from(rig, "[::ffff:10.0.0.1]:1000");
        let other = connect_from(rig, "10.0.0.2:1000");
        let nets = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db9::1]:1"];
        let nets = nets.map(|address| connect_from(rig, address));
        // Without an address: it is not counted.
        let unknown: Vec<_> = (0..3).map(|_| rig.connect()).collect();
        rig.settle();
        for refused in [first[2], mapped, nets[2]] {
            assert_eq!(rig.closed(refused), Some(Close::Abort));
        }
        assert_eq!(rig.server.counters().refused_by_address, 3);
        assert_eq!(rig.server.open_connections(), 9);
        for served in [first[0], first[1], other, nets[0], nets[1], nets[3], unknown[2]] {
            rig.send(served, b"hello");
            rig.settle();
            assert_eq!(rig.take(served), b"hello");
        }
    });
}

fn a_place_is_free_again_however_a_connection_ended<const KIND: u8>() {
    let config = UNLIMITED.connections_per_address(Some(1));
    with_server::<_, KIND>(SHAPE, config, Scripted::echo(), |rig| {
        for round in 0..20 {
            let client = connect_from(rig, "10.0.0.1:1000");
            let refused = connect_from(rig, "10.0.0.1:1001");
            rig.settle();
            assert_eq!((rig.closed(client), rig.closed(refused)), (None, Some(Close::Abort)));
            let token = rig.token(client);
            let mut context = rig.event_loop.context();
            match round % 4 {
                0 => rig.end(client),
                1 => rig.socket(client).read_error = Some(ErrorKind::ConnectionReset),
                2 => _ = rig.server.with(&mut context, token, |_, peer, ()| peer.abort()),
                _ => _ = rig.server.release(&mut context, token, &mut []).expect("it is open"),
            }
            rig.settle();
        }
    });
}

/// Closes every connection in the callback that opens it.
struct Closed;

impl Service for Closed {
    type Session = ();

    fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        peer.abort();
    }

    fn received(&mut self, _: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        bytes.len()
    }
}

fn connections_that_end_at_once_are_not_counted_any_more<const KIND: u8>() {
    let config = UNLIMITED.connections_per_address(Some(1)).bytes_per_second(Some(1));
    with_server::<_, KIND>(SHAPE, config, Closed, |rig| {
        for number in 0..30 {
            connect_from(rig, "10.0.0.1:1000");
            rig.settle();
            assert_eq!(rig.closed_for(CloseReason::Aborted), number + 1);
        }
        assert_eq!(rig.server.counters().refused_by_address, 0);
    });
}

fn clients_beyond_the_rate_wait_in_the_backlog<const KIND: u8>() {
    let config = UNLIMITED.accepts_per_second(Some(4));
    with_server::<_, KIND>(SHAPE, config, Scripted::echo(), |rig| {
        (0..10).for_each(|_| _ = rig.connect());
        rig.settle();
        assert_eq!(rig.server.open_connections(), 4, "as many at once as in a second");
        assert_eq!(rig.server.counters().accepts_delayed, 1);
        let listener = rig.listener;
        let watched = rig.socket(listener).watched.expect("it is registered").1;
        assert_eq!(watched, Interest::NONE, "the loop does not spin");
        rig.pass(SECOND / 8);
        assert_eq!(rig.server.open_connections(), 4);
        rig.pass(SECOND / 8);
        assert_eq!(rig.server.open_connections(), 5);
        rig.pass(SECOND);
        assert_eq!(rig.server.open_connections(), 9);
        rig.pass(SECOND * 10);
        assert_eq!(rig.server.open_connections(), 10);
        (0..6).for_each(|_| _ = rig.connect());
        rig.settle();
        assert_eq!(rig.server.open_connections(), 14, "a quiet time saves up one second");
        rig.pass(SECOND);
        assert_eq!(rig.server.open_connections(), 16);
        assert_eq!(rig.server.counters().refused, 0);
    });
}

fn a_connection_is_read_at_its_rate_and_others_at_theirs<const KIND: u8>() {
    const RATE: usize = 10;
    let config = UNLIMITED.bytes_per_second(Some(10)).idle_timeout(Some(SECOND * 3));
    with_server::<_, KIND>(SHAPE, config, Scripted::echo(), |rig| {
        let [greedy, modest] = [rig.connected(), rig.connected()];
        rig.give_room(greedy, 10_000);
        rig.give_room(modest, 10_000);
        rig.send(greedy, &[b'x'; 400]);
        rig.settle();
        // The scratch is what one read may take beyond.
        let mut taken = rig.take(greedy).len();
        assert!(taken <= 2 * RATE + SHAPE.scratch, "{taken} at once");
        assert_eq!(rig.server.counters().reads_delayed, 1);
        for second in 1..=20 {
            rig.send(modest, b"ping");
            rig.settle();
            assert_eq!(rig.take(modest), b"ping", "no other waits");
            rig.pass(SECOND);
            taken += rig.take(greedy).len();
            let allowed = (second + 2) * RATE + SHAPE.scratch;
            assert!(taken <= allowed, "{taken} bytes after {second} seconds");
            let due = (second - 1) * RATE;
            assert!(taken >= due, "{taken} bytes after {second} seconds");
            assert_eq!(rig.closed(greedy), None, "the idle time does not run");
        }
        // A peer that is gone is noticed meanwhile.
        rig.socket(greedy).hung_up = true;
        rig.pass(SECOND * 6);
        assert!(rig.closed(greedy).is_some());
    });
}

fn a_drain_has_no_rates<const KIND: u8>() {
    let config = UNLIMITED.bytes_per_second(Some(1)).accepts_per_second(Some(1));
    with_server::<_, KIND>(SHAPE, config, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 10_000);
        rig.send(client, &[b'x'; 200]);
        let waiting: Vec<_> = (0..3).map(|_| rig.connect()).collect();
        for &client in &waiting {
            rig.send(client, b"hello");
        }
        rig.settle();
        assert!(rig.take(client).len() < 200);
        assert_eq!(rig.server.open_connections(), 1);
        let deadline = rig.now + SECOND;
        rig.server.drain(&mut rig.event_loop.context_at(rig.now), deadline);
        rig.settle();
        for &client in &waiting {
            assert_eq!(rig.take(client), b"hello", "those in the backlog are served");
            rig.end(client);
        }
        rig.end(client);
        rig.pass(SECOND * 2);
        assert!(rig.server.is_drained());
        assert_eq!(rig.closed_for(CloseReason::Expelled), 0);
    });
}

fn listeners_take_turns_at_the_rate<const KIND: u8>() {
    let config = UNLIMITED.accepts_per_second(Some(4));
    with_server::<_, KIND>(SHAPE, config, Scripted::echo(), |rig| {
        let second = rig.event_loop.platform.listener();
        rig.server.listen(&mut rig.event_loop.context(), second).expect("there is room");
        let first = rig.listener;
        for listener in [first, second] {
            for _ in 0..8 {
                let client = rig.event_loop.platform.stream();
                rig.socket(listener).backlog.push_back(client);
            }
        }
        rig.settle();
        assert_eq!(rig.server.open_connections(), 4);
        let before = [first, second].map(|listener| rig.socket(listener).backlog.len());
        (0..6).for_each(|_| rig.pass(SECOND / 4));
        assert_eq!(rig.server.open_connections(), 10);
        for (listener, before) in [first, second].into_iter().zip(before) {
            assert_eq!(before - rig.socket(listener).backlog.len(), 3, "each has its turns");
        }
        assert_eq!(rig.server.counters().accepts_delayed, 2);
    });
}

fn a_callback_that_panics_frees_the_place_of_its_address<const KIND: u8>() {
    let config = UNLIMITED.connections_per_address(Some(1));
    let mut service = Scripted::echo();
    service.on_closed = Box::new(|_| panic!("as the test wants"));
    with_server::<_, KIND>(SHAPE, config, service, |rig| {
        for _ in 0..5 {
            let client = connect_from(rig, "10.0.0.1:1000");
            rig.settle();
            rig.send(client, b"hello");
            rig.settle();
            assert_eq!(rig.take(client), b"hello", "it is not refused");
            rig.end(client);
            let outcome = catch_unwind(AssertUnwindSafe(|| rig.settle()));
            assert!(outcome.is_err(), "the callback panics");
            rig.settle();
        }
        assert_eq!(rig.server.counters().refused_by_address, 0);
    });
}

#[test]
#[should_panic(expected = "limits by address and rate need memory")]
fn limits_without_memory_are_no_limits_in_silence() {
    let config = Config::DEFAULT.accepts_per_second(Some(1));
    let memory = StaticServer::<Handle, (), 4, 4, 64, 16>::new();
    let _ = Server::<Toy<SERVER>, _, _>::new(Closed, config, memory);
}
