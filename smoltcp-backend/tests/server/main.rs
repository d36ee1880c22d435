//! The server layer over a network in memory: the echo service of the examples, and clients that
//! behave and misbehave.

mod clients;
mod closing;
mod handles;
#[path = "../world/mod.rs"]
mod world;

use std::time::Duration;

use clients::{Outcome, Stand};
use selkie_core::CloseReason;
use selkie_smoltcp as smoltcp_backend;

/// So many rounds of the world are enough for anything here, at a millisecond each.
const PATIENCE: usize = 60_000;

#[test]
fn interleaved_clients_each_get_their_own_bytes() {
    let mut stand = Stand::new(4);
    let clients: Vec<_> = (0..4).map(|_| stand.connect()).collect();
    for round in 0..20_u8 {
        for (number, &client) in (0_u8..).zip(&clients) {
            stand.send(client, &[round, number, 1, 2, 3]);
        }
        for (number, &client) in (0_u8..).zip(&clients) {
            assert_eq!(stand.receive(client, 5), [round, number, 1, 2, 3]);
        }
    }
    assert_eq!(stand.server.counters().accepted, 4);
}

#[test]
fn a_long_stream_with_half_close_comes_back_whole() {
    let mut stand = Stand::new(4);
    let client = stand.connect();
    let bytes: Vec<u8> =
        (0..512 * 1024_u32).map(|index| (index ^ (index >> 8)).to_le_bytes()[0]).collect();
    let (mut sent, mut came) = (0, Vec::new());
    let outcome = stand.until(PATIENCE, |stand| {
        sent += stand.far.write(client, &bytes[sent..]).unwrap_or(0);
        if sent == bytes.len() {
            stand.far.socket(client).close();
        }
        stand.read_into(client, &mut came)
    });
    assert_eq!(outcome, Some(Outcome::Ended));
    assert!(came == bytes, "{} of {} bytes came back, or others", came.len(), bytes.len());
    stand.rounds(10);
    assert_eq!(stand.server.counters().closed_for(CloseReason::Finished), 1);
}

#[test]
fn connections_come_and_go_through_the_same_few_sockets() {
    let mut stand = Stand::new(2);
    for round in 0..200_u8 {
        let client = stand.connect();
        stand.send(client, &[round]);
        assert_eq!(stand.receive(client, 1), [round]);
        stand.far.close(client);
    }
    stand.rounds(50);
    assert_eq!(stand.server.counters().closed_total(), 200);
    assert_eq!(stand.server.open_connections(), 0);
}

#[test]
fn beyond_capacity_clients_wait_and_then_are_refused() {
    let mut stand = Stand::new(2);
    let served: Vec<_> = (0..2).map(|_| stand.connect()).collect();
    // The backlog is two sockets long; smoltcp's host beyond the wire knows that these are
    // connected.
    let waiting: Vec<_> = (0..2).map(|_| stand.connect()).collect();
    for &client in &waiting {
        stand.send(client, b"later");
    }
    let refused = stand.begin_to_connect();
    stand.rounds(20);
    assert!(
        !stand.far.socket(refused).is_active(),
        "a client for whom there is no socket is refused"
    );
    for &client in &served {
        stand.send(client, b"now");
        assert_eq!(stand.receive(client, 3), b"now", "those who are served go on");
    }
    stand.far.close(served[0]);
    assert_eq!(stand.receive(waiting[0], 5), b"later", "who waited longest is next");
    stand.far.close(served[1]);
    assert_eq!(stand.receive(waiting[1], 5), b"later");
    assert!(stand.server.counters().accept_pauses > 0);
}

#[test]
fn a_reset_frees_its_socket_and_disturbs_nobody() {
    let mut stand = Stand::new(2);
    let bystander = stand.connect();
    for _ in 0..50 {
        let client = stand.connect();
        stand.send(client, b"half a req");
        stand.far.reset(client);
        stand.rounds(5);
        stand.send(bystander, b"fine");
        assert_eq!(stand.receive(bystander, 4), b"fine");
    }
    assert_eq!(stand.server.open_connections(), 1);
    assert_eq!(stand.server.counters().closed_for(CloseReason::Reset), 50);
}

#[test]
fn a_stalled_reader_stops_only_itself_and_is_closed_when_idle() {
    let mut stand = Stand::new(2);
    let (stalled, reader) = (stand.connect(), stand.connect());
    for _ in 0..200 {
        let _ = stand.far.write(stalled, &[7; 1_000]);
        stand.rounds(1);
    }
    for _ in 0..20 {
        stand.send(reader, b"alive");
        assert_eq!(stand.receive(reader, 5), b"alive");
    }
    let closed = |stand: &Stand| stand.server.counters().closed_for(CloseReason::Idle);
    let outcome = stand.until(PATIENCE, |stand| {
        // Keeps the other one from being idle.
        let _ = stand.far.write(reader, b"x");
        let _ = stand.far.read(reader, &mut [0; 64]);
        (closed(stand) == 1).then_some(Outcome::Ended)
    });
    assert_eq!(outcome, Some(Outcome::Ended), "a reader that takes nothing is closed");
    assert_eq!(stand.server.open_connections(), 1);
}

#[test]
fn an_idle_client_is_closed_in_order_and_in_time() {
    let mut stand = Stand::new(2);
    let client = stand.connect();
    stand.send(client, b"hello");
    assert_eq!(stand.receive(client, 5), b"hello");
    let since = stand.now;
    let mut came = Vec::new();
    let outcome = stand.until(PATIENCE, |stand| stand.read_into(client, &mut came));
    assert_eq!(outcome, Some(Outcome::Ended));
    let silence = stand.now.saturating_since(since);
    assert!(
        silence >= clients::IDLE_TIMEOUT
            && silence < clients::IDLE_TIMEOUT + Duration::from_millis(100)
    );
}

#[test]
fn a_half_open_connection_gives_its_socket_back() {
    let mut stand = Stand::new(1);
    // The hosts get to know each other's addresses.
    let first = stand.connect();
    stand.far.close(first);
    stand.rounds(50);
    // Three clients that say no more than the first word, for the three sockets.
    for _ in 0..3 {
        stand.begin_to_connect_and_vanish();
    }
    let refused = stand.begin_to_connect();
    stand.rounds(5);
    assert!(!stand.far.socket(refused).is_active(), "every socket is taken");
    stand
        .vanish_for(smoltcp_backend::Config::DEFAULT.half_open_timeout + Duration::from_millis(10));
    let client = stand.connect();
    stand.send(client, b"room again");
    assert_eq!(stand.receive(client, 10), b"room again");
}

#[test]
fn a_lost_frame_is_sent_again_by_the_deadline() {
    let mut stand = Stand::new(1);
    let client = stand.connect();
    stand.send(client, b"lost");
    stand.turn();
    stand.wire.lose();
    assert_eq!(stand.receive(client, 4), b"lost", "the retransmission is a deadline of the loop");
}

#[test]
fn draining_hands_over_what_is_owed() {
    let mut stand = Stand::new(2);
    let client = stand.connect();
    stand.send(client, b"last words");
    stand.rounds(2);
    let deadline = stand.now + Duration::from_secs(5);
    stand.server.drain(&mut stand.event_loop.context(), deadline);
    let mut came = Vec::new();
    let outcome = stand.until(PATIENCE, |stand| stand.read_into(client, &mut came));
    assert_eq!((outcome, came.as_slice()), (Some(Outcome::Ended), &b"last words"[..]));
    stand.far.close(client);
    stand.rounds(20);
    assert!(stand.server.is_drained() && stand.event_loop.is_stopped());
}

#[test]
fn nothing_to_do_means_sleeping_until_the_next_deadline() {
    let mut stand = Stand::new(2);
    stand.rounds(10);
    assert_eq!(stand.turn(), None, "nobody is connected, so only a frame can bring work");
    let client = stand.connect();
    stand.send(client, b"x");
    assert_eq!(stand.receive(client, 1), b"x");
    stand.rounds(20);
    let next = stand.turn().expect("an idle client has a deadline");
    let left = next.saturating_since(stand.now);
    assert!(left > clients::IDLE_TIMEOUT / 2, "{left:?} is too short a sleep");
}

#[test]
fn a_flood_of_frames_is_taken_in_piece_by_piece() {
    let mut stand = Stand::new(2);
    let client = stand.connect();
    stand.rounds(20);
    stand.flood(100);
    let before = stand.waiting();
    let next = stand.turn();
    assert_eq!(before - stand.waiting(), smoltcp_backend::Config::DEFAULT.frames_per_poll);
    assert_eq!(next, Some(stand.now), "the rest is due at once");
    stand.rounds(20);
    stand.send(client, b"still here");
    assert_eq!(stand.receive(client, 10), b"still here");
}
