//! A peer that does not take what it is pending.

use core::time::Duration;

use selkie_core::{CloseReason, Event, Interest, Readiness};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, rounds, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::{PLATFORM, READS_ON, SERVER};

fn interest(
    rig: &mut crate::rig::Rig<'_, Scripted, SERVER>,
    client: crate::toy::Handle,
) -> Interest {
    rig.socket(client).watched.expect("the stream is registered").1
}

on_all! {
    what_comes_in_goes_out
    the_steady_state_changes_no_interest
    a_turn_reads_no_more_than_its_share
    a_peer_that_stalls_is_read_from_again_when_it_takes
}

fn what_comes_in_goes_out<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let (one, other) = (rig.connected(), rig.connected());
        rig.send(one, b"first");
        rig.send(other, b"a message that is longer than the scratch memory");
        rig.settle();
        assert_eq!(rig.take(one), b"first");
        assert_eq!(rig.take(other), b"a message that is longer than the scratch memory");
        assert_eq!(rig.server.counters().bytes_in, 53);
        assert_eq!(rig.server.counters().bytes_out, 53);
    });
}

fn the_steady_state_changes_no_interest<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        for _ in 0..10 {
            rig.send(client, b"ping");
            rig.settle();
        }
        let socket = rig.socket(client);
        // Where a source is readable until a read finds nothing, that read is made at once.
        let reads = if KIND == READS_ON { 20 } else { 10 };
        assert_eq!(
            (socket.modifies, socket.reads, socket.writes),
            (0, reads, 10),
            "one read and one write a message"
        );
    });
}

fn a_turn_reads_no_more_than_its_share<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let long: Vec<u8> =
            (0..3 * Shape::SMALL.block_size).map(|byte| byte.to_le_bytes()[0]).collect();
        rig.send(client, &long);
        let taken_in_a_turn = rig.server.counters().bytes_in;
        rig.turn();
        let taken_in_a_turn = rig.server.counters().bytes_in - taken_in_a_turn;
        assert!(
            taken_in_a_turn <= Shape::SMALL.block_size as u64,
            "{taken_in_a_turn} bytes in a turn"
        );
        rig.settle();
        assert_eq!(rig.take(client), long);
        // A byte for each read: four of them are all that a turn makes.
        rig.socket(client).read_max = 1;
        rig.send(client, b"abcdefgh");
        let reads = rig.socket(client).reads;
        rig.turn();
        assert_eq!(rig.socket(client).reads - reads, if KIND == READS_ON { 4 } else { 1 });
        rig.settle();
        assert_eq!(rig.take(client), b"abcdefgh");
    });
}

fn a_peer_that_stalls_is_read_from_again_when_it_takes<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let text: Vec<u8> = (0..=255).collect();
        rig.give_room(client, 10);
        rig.send(client, &text);
        rig.settle();
        let unread = rig.socket(client).incoming.len();
        assert!(
            unread >= 256 - 10 - 2 * Shape::SMALL.block_size,
            "{unread} bytes wait where they are"
        );
        let mut received = rig.take(client);
        while received.len() < text.len() {
            rig.give_room(client, 7);
            rig.settle();
            let more = rig.take(client);
            assert!(!more.is_empty(), "the peer takes, so more comes");
            received.extend(more);
        }
        assert_eq!(received, text);
        rig.give_room(client, usize::MAX);
        rig.send(client, b"and on");
        rig.settle();
        assert_eq!(rig.take(client), b"and on");
    });
}

#[test]
fn read_interest_is_dropped_while_the_output_buffer_is_full_and_comes_back() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, &[b'x'; 100]);
        rig.settle();
        assert_eq!(interest(rig, client), Interest::WRITABLE);
        rig.give_room(client, usize::MAX);
        rig.settle();
        assert_eq!(
            interest(rig, client),
            Interest::READABLE,
            "nothing is pending, so nothing else is watched"
        );
        assert_eq!(rig.take(client), [b'x'; 100]);
    });
}

#[test]
fn a_partial_write_keeps_the_rest_and_drains_it_in_order() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.socket(client).write_max = 3;
        rig.send(client, b"0123456789abcdef");
        rig.settle();
        assert_eq!(rig.take(client), b"0123456789abcdef");
        let modifies = rig.socket(client).modifies;
        assert_eq!(modifies, 2, "writability is asked for once, and dropped once");
        let turns = rig.event_loop.counters().turns;
        rig.settle();
        assert_eq!(rig.event_loop.counters().turns, turns + 1, "a drained connection is silent");
    });
}

#[test]
fn the_service_is_told_when_the_output_buffer_has_drained() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.give_room(client, 2);
        rig.send(client, b"four");
        rig.settle();
        assert_eq!(rig.server.service().count(|call| *call == Call::Writable(token)), 0);
        rig.give_room(client, 1);
        rig.settle();
        assert_eq!(
            rig.server.service().count(|call| *call == Call::Writable(token)),
            0,
            "one byte is still pending"
        );
        rig.give_room(client, 1);
        rig.settle();
        assert_eq!(rig.server.service().count(|call| *call == Call::Writable(token)), 1);
    });
}

on_all! { a_reply_much_larger_than_the_output_buffer_streams }

fn a_reply_much_larger_than_the_output_buffer_streams<const KIND: u8>() {
    let reply: Vec<u8> = (0..rounds(4000)).map(|number| number.to_le_bytes()[0]).collect();
    let mut service = Scripted::sink();
    let pieces = reply.clone();
    let mut sent = 0;
    service.on_received = Box::new(|peer, bytes| {
        peer.request_writable();
        bytes.len()
    });
    service.on_writable = Box::new(move |peer| {
        let count = peer.room().min(pieces.len() - sent).min(100);
        peer.send(&pieces[sent..sent + count]).expect("it fits");
        sent += count;
        if sent < pieces.len() {
            peer.request_writable();
        } else {
            peer.close();
        }
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 5);
        rig.send(client, b"get");
        rig.settle();
        let mut received = rig.take(client);
        for round in 0.. {
            assert!(round < 4000, "the reply stands still at {} bytes", received.len());
            if rig.closed(client).is_some() {
                break;
            }
            rig.give_room(client, 5);
            rig.settle();
            received.extend(rig.take(client));
        }
        assert!(received == reply, "every byte, in order");
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

#[test]
fn one_hot_connection_gets_one_read_a_turn() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::sink(), |rig| {
        let (hot, cold) = (rig.connected(), rig.connected());
        rig.send(hot, &[0; 1000]);
        rig.send(cold, b"x");
        rig.turn();
        assert_eq!((rig.socket(hot).reads, rig.socket(cold).reads), (1, 1));
        assert_eq!(rig.socket(hot).incoming.len(), 1000 - Shape::SMALL.scratch);
    });
}

#[test]
fn a_stalled_peer_leaves_the_others_alone() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let (stalled, lively) = (rig.connected(), rig.connected());
        rig.give_room(stalled, 0);
        rig.send(stalled, &[1; 500]);
        rig.settle();
        for _ in 0..20 {
            rig.send(lively, b"hello");
            rig.pass(Duration::from_millis(1));
            assert_eq!(rig.take(lively), b"hello");
        }
        assert!(rig.server.counters().blocks_max <= 2);
    });
}

#[test]
fn what_was_left_is_offered_though_a_stray_report_comes_with_the_room() {
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 3);
        rig.send(client, b"0123456789");
        rig.settle();
        assert_eq!(rig.take(client), b"012");
        let token = rig.token(client);
        rig.event_loop.platform.is_silent = true;
        rig.give_room(client, usize::MAX);
        let readiness = Readiness::READABLE | Readiness::WRITABLE;
        rig.event_loop.platform.made_up.push(Event { token, readiness });
        rig.turn();
        rig.event_loop.platform.is_silent = false;
        rig.settle();
        assert_eq!(rig.take(client), b"3456789");
    });
}
