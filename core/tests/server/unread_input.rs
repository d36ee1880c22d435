//! Bytes that the service has not taken yet.

use core::time::Duration;

use selkie_core::{CloseReason, Interest, Token};

use crate::rig::{Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted, lines};
use crate::toy::{PLATFORM, SERVER};

#[test]
fn a_line_that_comes_in_pieces_is_offered_whole() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::lines(), |rig| {
        let client = rig.connected();
        for piece in ["a", "b", "c\nd", "e", "\n"] {
            rig.send(client, piece.as_bytes());
            rig.settle();
        }
        assert_eq!(rig.take(client), b"abc\nde\n");
        let token = rig.token(client);
        let whole = Call::Received(token, b"abc\nd".to_vec());
        assert_eq!(rig.server.service().count(|call| *call == whole), 1);
        assert_eq!(rig.server.counters().blocks_max, 1);
    });
}

#[test]
fn what_is_held_at_the_end_of_the_stream_is_offered_before_the_end_is_told() {
    let mut service = Scripted::lines();
    service.on_read_closed = Some(Box::new(|peer| {
        peer.send(b"bye").unwrap();
        peer.close();
    }));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"one\ntwo\nrest");
        rig.end(client);
        rig.settle();
        assert_eq!(rig.take(client), b"one\ntwo\nbye");
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

#[test]
fn bytes_that_are_left_at_the_end_are_kept_until_they_are_taken() {
    let mut service = Scripted::echo();
    // Takes one byte at a time, so that most of them are left.
    service.on_received = Box::new(|peer, bytes| {
        peer.set_timer(Duration::from_millis(1));
        peer.send_some(&bytes[..1])
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.send(client, b"0123456789");
        rig.end(client);
        rig.settle();
        assert_eq!(rig.take(client), b"01");
        rig.pass(Duration::from_millis(10));
        assert_eq!(rig.take(client), b"23456789");
        let ends = |untaken: usize| Call::ReadClosed(token, untaken);
        let calls = &rig.server.service().calls;
        let told: Vec<_> =
            calls.iter().filter(|call| matches!(call, Call::ReadClosed(..))).collect();
        assert!(
            matches!(told[..], [Call::ReadClosed(_, 1..), last] if *last == ends(0)),
            "{told:?}"
        );
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

#[test]
fn a_full_input_buffer_stops_the_reading_until_the_service_takes() {
    let mut service = Scripted::lines();
    service.on_timer_expired = Box::new(|_| ());
    service.on_received = Box::new(|peer, bytes| {
        if bytes.len() == peer.received_max()
            && peer.now() >= selkie_core::Instant::from_millis(5000)
        {
            return bytes.len();
        }
        peer.set_timer(Duration::from_secs(4));
        lines(peer, bytes)
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, &[b'x'; 20]);
        rig.settle();
        let token = rig.token(client);
        assert_eq!(
            rig.socket(client).watched,
            Some((token, Interest::NONE)),
            "full: nothing more can be taken in"
        );
        assert_eq!(rig.socket(client).incoming.len(), 4);
        rig.pass(Duration::from_secs(4));
        assert_eq!(
            rig.socket(client).incoming.len(),
            0,
            "the service took it all, so reading goes on"
        );
        assert_eq!(rig.socket(client).watched, Some((token, Interest::READABLE)));
    });
}

#[test]
fn another_peer_can_resume_the_held_bytes() {
    let mut service = Scripted::echo();
    let mut waiting: Option<Token> = None;
    let mut released = false;
    service.on_received = Box::new(move |peer, bytes| {
        if bytes == b"go" {
            released = true;
            if let Some(waiting) = waiting {
                peer.resume_reading_of(waiting);
            }
            return bytes.len();
        }
        waiting = Some(peer.token());
        if released { peer.send(bytes).map_or(0, |()| bytes.len()) } else { 0 }
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (waiting, other) = (rig.connected(), rig.connected());
        rig.send(waiting, b"question");
        rig.settle();
        assert_eq!(rig.take(waiting), b"");
        rig.send(other, b"go");
        rig.settle();
        assert_eq!(rig.take(waiting), b"question");
    });
}

#[test]
fn a_peer_can_resume_itself() {
    let mut service = Scripted::echo();
    // Takes one byte at a time, and asks for the rest.
    service.on_received = Box::new(|peer, bytes| {
        peer.send(&bytes[..1]).unwrap();
        let token = peer.token();
        peer.resume_reading_of(token);
        1
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"0123456789");
        rig.settle();
        assert_eq!(rig.take(client), b"0123456789");
        let token = rig.token(client);
        assert_eq!(rig.socket(client).watched, Some((token, Interest::READABLE)));
    });
}

#[test]
fn held_bytes_are_offered_again_after_the_services_deadline() {
    let mut service = Scripted::echo();
    let mut first = true;
    service.on_received = Box::new(move |peer, bytes| {
        if core::mem::take(&mut first) {
            peer.set_timer(Duration::from_secs(1));
            return 0;
        }
        peer.send(bytes).map_or(0, |()| bytes.len())
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"later");
        rig.pass(Duration::from_millis(999));
        assert_eq!(rig.take(client), b"");
        rig.pass(Duration::from_millis(1));
        assert_eq!(rig.take(client), b"later");
    });
}

#[test]
fn what_is_held_goes_with_the_connection() {
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(1)));
    with_server::<_, SERVER>(
        Shape { blocks: 2, ..Shape::SMALL },
        config,
        Scripted::lines(),
        |rig| {
            for _ in 0..10 {
                let client = rig.connected();
                rig.send(client, b"a piece");
                rig.pass(Duration::from_secs(1));
                assert!(rig.closed(client).is_some());
            }
            assert_eq!(rig.closed_for(CloseReason::Idle), 10);
            assert_eq!(rig.server.counters().buffer_waits, 0, "the block was given back each time");
        },
    );
}

#[test]
fn held_bytes_that_did_not_fit_the_platforms_output_buffer_are_answered_when_they_do() {
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, Scripted::lines(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 8);
        rig.send(client, b"0123456789\n");
        rig.settle();
        assert_eq!(rig.take(client), b"");
        rig.give_room(client, 11);
        rig.pass(Duration::from_millis(10));
        assert_eq!(rig.take(client), b"0123456789\n");
    });
}

#[test]
fn what_is_held_may_be_taken_at_the_very_end() {
    let mut service = Scripted::echo();
    let mut offers = 0;
    service.on_received = Box::new(move |peer, bytes| {
        offers += 1;
        if offers == 1 { 0 } else { peer.send(bytes).map_or(0, |()| bytes.len()) }
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"at last");
        rig.settle();
        rig.end(client);
        rig.settle();
        assert_eq!(rig.take(client), b"at last");
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
        assert_eq!(rig.server.blocks_borrowed(), 0);
    });
}
