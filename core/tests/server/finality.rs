//! A connection that closes: its first reason stays, what is asked of it afterwards is ignored, and
//! it goes when it can.

use core::time::Duration;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, Config, Event, Readiness};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::SERVER;

const LINGERING: Config = UNLIMITED.linger(Duration::from_secs(5));

/// Returns a service that answers once, and closes.
fn answering() -> Scripted {
    let mut service = Scripted::echo();
    service.on_received = Box::new(|peer, bytes| {
        peer.send(bytes).unwrap();
        peer.close();
        bytes.len()
    });
    service
}

#[test]
fn what_is_asked_for_after_the_closing_is_ignored() {
    let mut service = answering();
    let mut answering = service.on_received;
    service.on_received = Box::new(move |peer, bytes| {
        let count = answering(peer, bytes);
        peer.set_timer(Duration::from_secs(1));
        peer.request_writable();
        let token = peer.token();
        peer.resume_reading_of(token);
        peer.close();
        count
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.give_room(client, 0);
        rig.send(client, b"hello");
        rig.pass(Duration::from_secs(2));
        assert_eq!(rig.closed(client), None, "it is pending something");
        rig.give_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(client), b"hello");
        let [Call::Opened(_), Call::Received(..), Call::Closed(closed, CloseReason::Closed)] =
            &rig.server.service().calls[..]
        else {
            panic!("{:?}", rig.server.service().calls);
        };
        assert_eq!(*closed, token);
    });
}

#[test]
fn what_was_left_is_not_offered_after_the_closing() {
    let mut service = Scripted::echo();
    service.on_received = Box::new(|peer, bytes| {
        let token = peer.token();
        peer.resume_reading_of(token);
        peer.send(&bytes[..4]).unwrap();
        peer.close();
        4
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"takenleft");
        rig.settle();
        rig.give_room(client, 2);
        rig.settle();
        assert_eq!(rig.closed(client), None, "two bytes are pending");
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::Received(..))), 1);
        rig.give_room(client, 2);
        rig.settle();
        assert_eq!(rig.take(client), b"take");
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::Received(..))), 1);
    });
}

#[test]
fn draining_does_not_change_why_it_closes() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, answering(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"hello");
        rig.settle();
        let deadline = rig.now + Duration::from_secs(9);
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        rig.settle();
        rig.give_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

on_all! { without_lingering_it_closes_at_once after_the_peers_end_there_is_nothing_to_linger_for lingering_is_not_idling }

fn without_lingering_it_closes_at_once<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, answering(), |rig| {
        let client = rig.connected();
        rig.send(client, b"x");
        rig.turn();
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert!(!rig.socket(client).write_ended, "closing ends the stream too");
    });
}

fn after_the_peers_end_there_is_nothing_to_linger_for<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, LINGERING, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.end(client);
        rig.turn();
        assert_eq!(rig.closed(client), Some(Close::Graceful));
    });
}

fn lingering_is_not_idling<const KIND: u8>() {
    let config = LINGERING.idle_timeout(Some(Duration::from_secs(1)));
    with_server::<_, KIND>(Shape::SMALL, config, answering(), |rig| {
        let client = rig.connected();
        rig.send(client, b"x");
        rig.pass(Duration::from_secs(4));
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

#[test]
fn what_is_thrown_away_while_lingering_is_counted() {
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, answering(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        for _ in 0..3 {
            rig.send(client, b"hello");
            rig.settle();
        }
        assert_eq!(rig.server.counters().bytes_in, 15);
        for _ in 0..2 {
            rig.event_loop.platform.made_up.push(Event { token, readiness: Readiness::READABLE });
            rig.settle();
        }
        assert_eq!(rig.server.counters().reads_spurious, 2);
        assert_eq!(rig.closed(client), None);
    });
}
