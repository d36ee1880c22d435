//! Ends of streams, closing and aborting.

use core::time::Duration;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, Config, Interest};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted, abort, close};
use crate::toy::{PLATFORM, SERVER};

const LINGERING: Config = UNLIMITED.linger(Duration::from_secs(2));

on_all! {
    a_peer_that_ended_its_stream_gets_all_pending_output
    closing_sends_pending_output_first
    aborting_discards_pending_output
    closing_when_opened_works
    aborting_when_opened_works
}

fn a_peer_that_ended_its_stream_gets_all_pending_output<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, LINGERING, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        let text: Vec<u8> = (0..100).collect();
        rig.give_room(client, 3);
        rig.send(client, &text);
        rig.end(client);
        rig.settle();
        let mut received = rig.take(client);
        while rig.closed(client).is_none() {
            rig.give_room(client, 3);
            rig.settle();
            let more = rig.take(client);
            assert!(
                !more.is_empty() || rig.closed(client).is_some(),
                "stuck after {}",
                received.len()
            );
            received.extend(more);
        }
        assert_eq!(received, text);
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.server.service().reason(token), Some(CloseReason::Finished));
    });
}

fn closing_sends_pending_output_first<const KIND: u8>() {
    let mut service = Scripted::echo();
    service.on_received = Box::new(|peer, bytes| {
        let count = peer.send_some(bytes);
        peer.close();
        assert!(peer.send(b"more").is_err(), "a closing connection takes nothing more");
        assert_eq!(peer.room(), 0);
        count
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 4);
        rig.send(client, b"12345678");
        rig.settle();
        rig.give_room(client, usize::MAX);
        rig.settle();
        let expected: &[u8] = if KIND == PLATFORM { b"1234" } else { b"12345678" };
        assert_eq!(rig.take(client), expected);
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

fn aborting_discards_pending_output<const KIND: u8>() {
    let mut service = Scripted::echo();
    service.on_received = Box::new(|peer, bytes| {
        let count = peer.send_some(bytes);
        peer.abort();
        assert!(peer.send(b"more").is_err());
        count
    });
    with_server::<_, KIND>(Shape::SMALL, LINGERING, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 4);
        rig.send(client, b"12345678");
        rig.settle();
        assert_eq!(rig.take(client), b"1234");
        assert_eq!(rig.closed(client), Some(Close::Abort));
        assert_eq!(rig.closed_for(CloseReason::Aborted), 1);
    });
}

fn closing_when_opened_works<const KIND: u8>() {
    let mut service = Scripted::echo();
    service.on_opened = Box::new(|peer| {
        peer.send(b"busy").unwrap();
        peer.close();
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        assert_eq!(rig.take(client), b"busy");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

fn aborting_when_opened_works<const KIND: u8>() {
    let mut service = Scripted::echo();
    service.on_opened = Box::new(abort);
    with_server::<_, KIND>(Shape::SMALL, LINGERING, service, |rig| {
        let client = rig.connected();
        assert_eq!(rig.closed(client), Some(Close::Abort));
    });
}

#[test]
fn lingering_ends_the_servers_stream_and_waits_for_the_peers() {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, bytes| {
        peer.close();
        bytes.len()
    });
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"x");
        rig.settle();
        assert!(rig.socket(client).write_ended);
        assert_eq!(rig.closed(client), None, "a reset must not overtake the last bytes");
        rig.send(client, b"more than the service will ever see");
        rig.settle();
        assert!(rig.socket(client).incoming.is_empty(), "it is read, and thrown away");
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::Received(..))), 1);
        rig.end(client);
        rig.settle();
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

#[test]
fn lingering_ends_after_its_time() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(close);
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, service, |rig| {
        let client = rig.connected();
        rig.pass(Duration::from_secs(1));
        rig.send(client, b"a byte is no reason to linger longer");
        rig.pass(Duration::from_millis(999));
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_millis(1));
        assert_eq!(rig.closed(client), Some(Close::Graceful));
    });
}

#[test]
fn a_lingering_connection_is_aborted_at_once() {
    let mut service = Scripted::sink();
    let mut first = None;
    service.on_received = Box::new(move |peer, bytes| {
        match first {
            None => {
                first = Some(peer.token());
                peer.close();
            }
            Some(first) => peer.abort_other(first),
        }
        bytes.len()
    });
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, service, |rig| {
        let (lingering, other) = (rig.connected(), rig.connected());
        rig.send(lingering, b"x");
        rig.settle();
        assert_eq!(rig.closed(lingering), None);
        rig.send(other, b"x");
        rig.settle();
        assert_eq!(rig.closed(lingering), Some(Close::Abort));
    });
}

#[test]
fn an_end_that_would_block_is_tried_again() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(close);
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, service, |rig| {
        let client = rig.connect();
        rig.socket(client).shutdowns_blocked = 3;
        rig.settle();
        assert!(rig.socket(client).write_ended);
        rig.end(client);
        rig.settle();
        assert_eq!(rig.closed(client), Some(Close::Graceful));
    });
}

#[test]
fn ending_the_own_stream_leaves_the_peers_open() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(|peer| {
        peer.send(b"0123456789").unwrap();
        peer.shutdown_write();
        assert!(peer.send(b"more").is_err());
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connect();
        rig.give_room(client, 4);
        rig.settle();
        assert!(!rig.socket(client).write_ended, "bytes are pending");
        rig.give_room(client, 100);
        rig.settle();
        assert!(rig.socket(client).write_ended);
        assert_eq!(rig.take(client), b"0123456789");
        rig.send(client, b"still heard");
        rig.settle();
        let token = rig.token(client);
        let heard = Call::Received(token, b"still heard".to_vec());
        assert_eq!(rig.server.service().count(|call| *call == heard), 1);
        rig.end(client);
        rig.settle();
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

#[test]
fn a_service_may_go_on_after_the_peers_end() {
    let mut service = Scripted::echo();
    service.on_read_closed = Some(Box::new(|peer| peer.set_timer(Duration::from_secs(5))));
    service.on_timer_expired = Box::new(|peer| {
        peer.send(b"a late answer").unwrap();
        peer.close();
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.end(client);
        rig.settle();
        assert_eq!(
            rig.socket(client).watched,
            Some((token, Interest::NONE)),
            "the end is not reported again and again"
        );
        assert_eq!(rig.server.service().count(|call| *call == Call::ReadClosed(token, 0)), 1);
        rig.pass(Duration::from_secs(5));
        assert_eq!(rig.take(client), b"a late answer");
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

#[test]
fn the_session_of_a_reused_slot_is_new() {
    struct Greeter;
    impl selkie_core::Service for Greeter {
        type Session = u32;
        fn received(
            &mut self,
            peer: &mut selkie_core::Peer<'_>,
            seen: &mut u32,
            bytes: &[u8],
        ) -> usize {
            *seen += 1;
            peer.send(&seen.to_be_bytes()).unwrap();
            bytes.len()
        }
    }
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Greeter, |rig| {
        for _ in 0..3 {
            let client = rig.connected();
            rig.send(client, b"x");
            rig.settle();
            assert_eq!(rig.take(client), [0, 0, 0, 1]);
            rig.end(client);
            rig.settle();
        }
    });
}
