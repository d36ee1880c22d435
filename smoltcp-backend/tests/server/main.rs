//! The server layer over a network in memory: the echo service of the examples, and clients that
//! behave and misbehave.

mod clients;
mod misbehaving;
#[path = "../world/mod.rs"]
mod world;

use std::time::Duration;

use clients::{Outcome, TestBench};
use selkie_core::memory::StaticLoop;
use selkie_core::{CloseReason, EventLoop, Instant};
use selkie_smoltcp as smoltcp_backend;

/// So many rounds of the world are enough for anything in these tests, at a millisecond each.
const PATIENCE: usize = 60_000;

#[test]
#[should_panic(expected = "the loop has 9 slots, and its platform takes only 4 sources")]
fn a_loop_with_more_slots_than_its_network_takes_names_both_numbers() {
    let (wire, _) = world::wire::Wire::pair();
    let size = world::Size { sockets: 4, listeners: 1, slots: 4, bytes: 64 };
    let network = world::network(wire, size, smoltcp_backend::Config::DEFAULT);
    let _ = EventLoop::new_at(network, StaticLoop::<9, 4>::new(), Instant::ZERO);
}

#[test]
fn interleaved_clients_each_get_their_own_bytes() {
    let mut bench = TestBench::new(4);
    let clients: Vec<_> = (0..4).map(|_| bench.connect()).collect();
    for round in 0..20_u8 {
        for (number, &client) in (0_u8..).zip(&clients) {
            bench.send(client, &[round, number, 1, 2, 3]);
        }
        for (number, &client) in (0_u8..).zip(&clients) {
            assert_eq!(bench.receive(client, 5), [round, number, 1, 2, 3]);
        }
    }
    assert_eq!(bench.server.counters().accepted, 4);
}

#[test]
fn a_long_stream_with_half_close_comes_back_whole() {
    let mut bench = TestBench::new(4);
    let client = bench.connect();
    let bytes: Vec<u8> =
        (0..512 * 1024_u32).map(|index| (index ^ (index >> 8)).to_le_bytes()[0]).collect();
    let (mut sent, mut received) = (0, Vec::new());
    let outcome = bench.until(PATIENCE, |bench| {
        sent += bench.remote.write(client, &bytes[sent..]).unwrap_or(0);
        if sent == bytes.len() {
            bench.remote.socket(client).close();
        }
        bench.read_into(client, &mut received)
    });
    assert_eq!(outcome, Some(Outcome::Ended));
    let (count, all) = (received.len(), bytes.len());
    assert!(received == bytes, "{count} of {all} bytes returned, or others");
    bench.rounds(10);
    assert_eq!(bench.server.counters().closed_for(CloseReason::Finished), 1);
}

#[test]
fn connections_come_and_go_through_the_same_few_sockets() {
    let mut bench = TestBench::new(2);
    for round in 0..200_u8 {
        let client = bench.connect();
        bench.send(client, &[round]);
        assert_eq!(bench.receive(client, 1), [round]);
        bench.remote.close(client);
    }
    bench.rounds(50);
    assert_eq!(bench.server.counters().closed_total(), 200);
    assert_eq!(bench.server.open_connections(), 0);
}

#[test]
fn beyond_capacity_clients_wait_and_then_are_refused() {
    let mut bench = TestBench::new(2);
    let served: Vec<_> = (0..2).map(|_| bench.connect()).collect();
    // The backlog is two sockets long; smoltcp's host beyond the wire knows that these are
    // connected.
    let waiting: Vec<_> = (0..2).map(|_| bench.connect()).collect();
    for &client in &waiting {
        bench.send(client, b"later");
    }
    let refused = bench.begin_to_connect();
    bench.rounds(20);
    assert!(
        !bench.remote.socket(refused).is_active(),
        "a client for whom there is no socket is refused"
    );
    for &client in &served {
        bench.send(client, b"now");
        assert_eq!(bench.receive(client, 3), b"now", "those who are served go on");
    }
    bench.remote.close(served[0]);
    assert_eq!(bench.receive(waiting[0], 5), b"later", "who waited longest is next");
    bench.remote.close(served[1]);
    assert_eq!(bench.receive(waiting[1], 5), b"later");
    assert!(bench.server.counters().accept_pauses > 0);
}

#[test]
fn a_reset_frees_its_socket_and_disturbs_no_other_client() {
    let mut bench = TestBench::new(2);
    let bystander = bench.connect();
    for _ in 0..50 {
        let client = bench.connect();
        bench.send(client, b"half a req");
        bench.remote.reset(client);
        bench.rounds(5);
        bench.send(bystander, b"fine");
        assert_eq!(bench.receive(bystander, 4), b"fine");
    }
    assert_eq!(bench.server.open_connections(), 1);
    assert_eq!(bench.server.counters().closed_for(CloseReason::Reset), 50);
}

#[test]
fn a_stalled_reader_stops_only_itself_and_is_closed_when_idle() {
    let mut bench = TestBench::new(2);
    let (stalled, reader) = (bench.connect(), bench.connect());
    for _ in 0..200 {
        let _ = bench.remote.write(stalled, &[7; 1_000]);
        bench.rounds(1);
    }
    for _ in 0..20 {
        bench.send(reader, b"alive");
        assert_eq!(bench.receive(reader, 5), b"alive");
    }
    let closed = |bench: &TestBench| bench.server.counters().closed_for(CloseReason::Idle);
    let outcome = bench.until(PATIENCE, |bench| {
        // Keeps the other one from being idle.
        let _ = bench.remote.write(reader, b"x");
        let _ = bench.remote.read(reader, &mut [0; 64]);
        (closed(bench) == 1).then_some(Outcome::Ended)
    });
    assert_eq!(outcome, Some(Outcome::Ended), "a reader that takes nothing is closed");
    assert_eq!(bench.server.open_connections(), 1);
}

#[test]
fn an_idle_client_is_closed_in_order_and_in_time() {
    let mut bench = TestBench::new(2);
    let client = bench.connect();
    bench.send(client, b"hello");
    assert_eq!(bench.receive(client, 5), b"hello");
    let since = bench.now;
    let mut received = Vec::new();
    let outcome = bench.until(PATIENCE, |bench| bench.read_into(client, &mut received));
    assert_eq!(outcome, Some(Outcome::Ended));
    let silence = bench.now.saturating_since(since);
    assert!(
        silence >= clients::IDLE_TIMEOUT
            && silence < clients::IDLE_TIMEOUT + Duration::from_millis(100)
    );
}

#[test]
fn a_half_open_connection_gives_its_socket_back() {
    let mut bench = TestBench::new(1);
    // The hosts get to know each other's addresses.
    let first = bench.connect();
    bench.remote.close(first);
    bench.rounds(50);
    // Three clients that say no more than the first word, for the three sockets.
    for _ in 0..3 {
        bench.begin_to_connect_and_vanish();
    }
    let refused = bench.begin_to_connect();
    bench.rounds(5);
    assert!(!bench.remote.socket(refused).is_active(), "every socket is taken");
    bench
        .vanish_for(smoltcp_backend::Config::DEFAULT.half_open_timeout + Duration::from_millis(10));
    let client = bench.connect();
    bench.send(client, b"room again");
    assert_eq!(bench.receive(client, 10), b"room again");
}

#[test]
fn a_lost_frame_is_sent_again_by_the_deadline() {
    let mut bench = TestBench::new(1);
    let client = bench.connect();
    bench.send(client, b"lost");
    bench.turn();
    bench.wire.lose();
    assert_eq!(bench.receive(client, 4), b"lost", "the retransmission is a deadline of the loop");
}

#[test]
fn draining_flushes_pending_output() {
    let mut bench = TestBench::new(2);
    let client = bench.connect();
    bench.send(client, b"last words");
    bench.rounds(2);
    let deadline = bench.now + Duration::from_secs(5);
    bench.server.drain(&mut bench.event_loop.context(), deadline);
    let mut received = Vec::new();
    let outcome = bench.until(PATIENCE, |bench| bench.read_into(client, &mut received));
    assert_eq!((outcome, received.as_slice()), (Some(Outcome::Ended), &b"last words"[..]));
    bench.remote.close(client);
    bench.rounds(20);
    assert!(bench.server.is_drained() && bench.event_loop.is_stopped());
}

#[test]
fn nothing_to_do_means_sleeping_until_the_next_deadline() {
    let mut bench = TestBench::new(2);
    bench.rounds(10);
    assert_eq!(bench.turn(), None, "without a connection only a frame can bring work");
    let client = bench.connect();
    bench.send(client, b"x");
    assert_eq!(bench.receive(client, 1), b"x");
    bench.rounds(20);
    let next = bench.turn().expect("an idle client has a deadline");
    let left = next.saturating_since(bench.now);
    assert!(left > clients::IDLE_TIMEOUT / 2, "{left:?} is too short a sleep");
}

#[test]
fn a_flood_of_frames_is_taken_in_piece_by_piece() {
    let mut bench = TestBench::new(2);
    let client = bench.connect();
    bench.rounds(20);
    bench.flood(100);
    let before = bench.waiting();
    let next = bench.turn();
    assert_eq!(before - bench.waiting(), smoltcp_backend::Config::DEFAULT.frames_per_poll);
    assert_eq!(next, Some(bench.now), "the rest is due at once");
    bench.rounds(20);
    bench.send(client, b"still here");
    assert_eq!(bench.receive(client, 10), b"still here");
}
