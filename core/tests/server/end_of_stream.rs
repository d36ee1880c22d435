//! After the peer has ended its stream: the end is told once, and unread input is neither forgotten
//! nor a cause to spin.

use core::time::Duration;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, Peer, Service};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted, end};
use crate::toy::{PLATFORM, SERVER};

on_all! {
    the_end_is_told_once
    a_piece_that_is_left_is_no_cause_to_spin
    a_service_need_not_say_what_the_end_means
}

fn read_closed_calls<const KIND: u8>(rig: &Rig<'_, Scripted, KIND>) -> usize {
    rig.server.service().count(|call| matches!(call, Call::ReadClosed(..)))
}

fn offers<const KIND: u8>(rig: &Rig<'_, Scripted, KIND>) -> usize {
    rig.server.service().count(|call| matches!(call, Call::Received(..)))
}

fn the_end_is_told_once<const KIND: u8>() {
    let mut service = Scripted::echo();
    service.on_read_closed = Some(Box::new(|peer| peer.set_timer(Duration::from_secs(1))));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"x");
        rig.end(client);
        rig.pass(Duration::from_secs(2));
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::TimerExpired(_))), 1);
        assert_eq!(read_closed_calls(rig), 1);
        assert_eq!(rig.closed(client), None);
    });
}

fn a_piece_that_is_left_is_no_cause_to_spin<const KIND: u8>() {
    let mut service = Scripted::lines();
    service.on_read_closed = Some(Box::new(|_| ()));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        // Where the platform keeps what waits: no more room than the piece needs, which is enough.
        rig.give_room(client, 5);
        rig.send(client, b"piece");
        rig.end(client);
        rig.settle();
        assert_eq!(read_closed_calls(rig), 1);
        let check = rig.now + Duration::from_secs(5);
        assert_eq!(rig.turn(), Some(check), "the peer may be gone, so it is asked for");
    });
}

/// A service that is only a `received`.
struct Sink;

impl Service for Sink {
    type Session = ();

    fn received(&mut self, _peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        bytes.len()
    }
}

fn a_service_need_not_say_what_the_end_means<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Sink, |rig| {
        let client = rig.connected();
        rig.send(client, b"x");
        rig.end(client);
        rig.settle();
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

#[test]
fn what_is_left_is_offered_when_the_output_buffer_drains() {
    let mut service = Scripted::echo();
    service.on_received = Box::new(|_, _| 0);
    service.on_read_closed = Some(Box::new(|peer| peer.send(b"bye").unwrap()));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"left");
        rig.end(client);
        rig.settle();
        assert_eq!(read_closed_calls(rig), 1);
        let before = offers(rig);
        rig.give_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(client), b"bye");
        assert_eq!(offers(rig), before + 1);
    });
}

#[test]
fn what_is_left_is_offered_when_the_platform_has_room() {
    let mut service = Scripted::lines();
    service.on_read_closed = Some(Box::new(|peer| peer.send(b"in answer").unwrap()));
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 9);
        rig.send(client, b"left");
        rig.end(client);
        rig.settle();
        assert_eq!(read_closed_calls(rig), 1);
        assert_eq!(rig.take(client), b"in answer");
        let before = offers(rig);
        rig.give_room(client, 9);
        rig.settle();
        assert_eq!(offers(rig), before + 1);
    });
}

#[test]
fn who_has_ended_its_own_stream_waits_for_no_room() {
    let mut service = Scripted::lines();
    service.on_opened = Box::new(end);
    service.on_read_closed = Some(Box::new(|_| ()));
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        // As a platform may say of a stream to which nothing can be written.
        rig.give_room(client, 1);
        rig.send(client, b"left");
        rig.end(client);
        rig.settle();
        assert!(
            rig.server
                .service()
                .count(|call| matches!(call, Call::Received(_, bytes) if bytes == b"left"))
                > 0
        );
        assert_eq!(read_closed_calls(rig), 1);
    });
}
