//! Promises that each have ended a fault: nothing late, nothing lost, nothing deaf.

use core::time::Duration;

use selkie_core::platform::Capabilities;
use selkie_core::{CloseReason, ErrorKind, Interest, Peer};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, just_before, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::{PLATFORM, SERVER};

fn received<const KIND: u8>(rig: &Rig<'_, Scripted, KIND>) -> usize {
    let bytes = |call: &Call| if let Call::Received(_, bytes) = call { bytes.len() } else { 0 };
    rig.server.service().calls.iter().map(bytes).sum()
}

on_all! {
    a_peer_that_has_sent_is_served_although_its_deadline_has_passed
    both_ended_streams_close_the_connection
    a_full_input_buffer_that_is_not_taken_is_closed_in_time
    a_peer_whose_input_fills_the_input_buffer_is_not_idle
}

fn a_peer_that_has_sent_is_served_although_its_deadline_has_passed<const KIND: u8>() {
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(2)));
    with_server::<_, KIND>(Shape::SMALL, config, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.send(client, b"hello");
        rig.event_loop.platform.is_silent = true;
        rig.now = rig.now + Duration::from_secs(3);
        for _ in 0..50 {
            rig.turn();
        }
        assert_eq!(rig.closed(client), None);
        assert_eq!(rig.take(client), b"hello");
        rig.event_loop.platform.is_silent = false;
        rig.pass(Duration::from_secs(2));
        assert_eq!(rig.closed_for(CloseReason::Idle), 1);
    });
}

fn both_ended_streams_close_the_connection<const KIND: u8>() {
    let mut service = Scripted::sink();
    service.on_read_closed = Some(Box::new(crate::scripted::end));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.end(client);
        rig.settle();
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

fn a_full_input_buffer_that_is_not_taken_is_closed_in_time<const KIND: u8>() {
    let config = UNLIMITED.input_timeout(Some(Duration::from_secs(3)));
    with_server::<_, KIND>(Shape::SMALL, config, Scripted::lines(), |rig| {
        let (full, fine) = (rig.connected(), rig.connected());
        rig.send(full, &[b'x'; 40]);
        rig.send(fine, b"a piece");
        rig.pass(just_before(Duration::from_secs(3)));
        assert_eq!(rig.closed(full), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::InputNotTaken), 1);
        rig.pass(Duration::from_secs(60));
        assert_eq!(rig.closed(fine), None, "there is room for more of its line");
    });
}

fn a_peer_whose_input_fills_the_input_buffer_is_not_idle<const KIND: u8>() {
    let (idle, input) = (Duration::from_secs(2), Duration::from_secs(5));
    let config = UNLIMITED.idle_timeout(Some(idle)).input_timeout(Some(input));
    with_server::<_, KIND>(Shape::SMALL, config, Scripted::lines(), |rig| {
        let client = rig.connected();
        rig.send(client, &[b'x'; 40]);
        rig.pass(just_before(input));
        assert_eq!(rig.closed(client), None, "more waits behind what the service does not take");
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::InputNotTaken), 1);
    });
}

#[test]
fn what_was_received_is_served_although_a_write_failed() {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, bytes| {
        let _ = peer.send(b"thanks");
        bytes.len()
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.socket(client).write_error = Some(ErrorKind::BrokenPipe);
        rig.send(client, &[b'x'; 100]);
        rig.end(client);
        rig.settle();
        assert_eq!(received(rig), 100);
        assert_eq!(rig.closed_for(CloseReason::Reset), 1);
    });
}

#[test]
fn many_sends_of_one_call_are_two_writes() {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, bytes| {
        for _ in 0..16 {
            peer.send(b"!").unwrap();
        }
        bytes.len()
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"x");
        rig.settle();
        assert_eq!(rig.take(client), [b'!'; 16]);
        assert_eq!(rig.socket(client).writes, 2);
        assert_eq!(rig.server.blocks_borrowed(), 0);
    });
}

#[test]
fn an_end_that_never_finds_room_is_not_waited_for_without_limit() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(crate::scripted::close);
    let config = UNLIMITED.linger(Duration::from_secs(2));
    with_server::<_, SERVER>(Shape::SMALL, config, service, |rig| {
        let client = rig.connect();
        rig.socket(client).shutdowns_blocked = usize::MAX;
        for _ in 0..3 {
            rig.turn();
        }
        assert_eq!(rig.closed(client), None);
        rig.now = rig.now + Duration::from_secs(2);
        rig.turn();
        assert!(rig.closed(client).is_some());
    });
}

/// Returns a service that has paused reading, as a relay does.
fn paused() -> Scripted {
    fn pause(peer: &mut selkie_core::Peer<'_>) {
        peer.pause_reading();
    }
    Scripted { on_opened: Box::new(pause), ..Scripted::sink() }
}

#[test]
fn a_hang_up_is_noticed_while_reading_is_paused() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, paused(), |rig| {
        rig.event_loop.platform.capabilities = Capabilities::HANGUP;
        let client = rig.connected();
        assert_eq!(rig.socket(client).watched.unwrap().1, Interest::HANGUP);
        rig.pass(Duration::from_secs(3600));
        assert_eq!(rig.closed(client), None, "a live peer is never closed");
        rig.socket(client).hung_up = true;
        rig.settle();
        assert_eq!(rig.closed_for(CloseReason::Reset), 1);
    });
}

on_all! { what_a_peer_that_left_in_order_has_sent_waits_for_a_service_that_has_paused }

fn what_a_peer_that_left_in_order_has_sent_waits_for_a_service_that_has_paused<const KIND: u8>() {
    fn resume(peer: &mut Peer<'_>) {
        peer.resume_reading();
    }
    for capability in [Capabilities::HANGUP, Capabilities::CHECK] {
        let mut service = Scripted::sink();
        service.on_opened = Box::new(|peer| {
            peer.shutdown_write();
            peer.pause_reading();
            peer.set_timer(Duration::from_secs(60));
        });
        service.on_timer_expired = Box::new(resume);
        with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
            rig.event_loop.platform.capabilities = capability;
            let client = rig.connected();
            rig.send(client, &[b'x'; 40]);
            rig.end(client);
            // A turn is made only when one is due, and the test ends if there are too many.
            rig.pass(just_before(Duration::from_secs(60)));
            assert_eq!((rig.closed(client), rig.server.counters().bytes_in), (None, 0));
            rig.pass(Duration::from_secs(1));
            assert_eq!(rig.server.counters().bytes_in, 40);
            let ended = |call: &Call| matches!(call, Call::ReadClosed(..));
            assert_eq!(rig.server.service().count(ended), 1);
            assert_eq!(rig.closed_for(CloseReason::Finished), 1);
        });
    }
}

#[test]
fn a_peer_is_asked_for_where_hang_ups_are_not_reported() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, paused(), |rig| {
        rig.event_loop.platform.capabilities = Capabilities::CHECK;
        let client = rig.connected();
        rig.pass(Duration::from_secs(60));
        assert_eq!(rig.closed(client), None);
        assert!((11..=13).contains(&rig.socket(client).checks));
        rig.socket(client).hung_up = true;
        rig.pass(Duration::from_secs(5));
        assert_eq!(rig.closed_for(CloseReason::Reset), 1);
    });
}

#[test]
fn a_peer_that_acknowledges_nothing_is_stalled_although_there_is_room() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(|peer| peer.send(b"hello").unwrap());
    let config = UNLIMITED.stall_timeout(Some(Duration::from_secs(3)));
    with_server::<_, PLATFORM>(Shape::SMALL, config, service, |rig| {
        let (silent, fine) = (rig.connected(), rig.connected());
        rig.socket(silent).unacknowledged_since = Some(rig.now);
        rig.pass(just_before(Duration::from_secs(3)));
        assert_eq!(rig.closed(silent), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::Stalled), 1);
        rig.pass(Duration::from_secs(60));
        assert_eq!(rig.closed(fine), None);
    });
}

#[test]
fn a_peer_that_acknowledges_nothing_turns_no_loop_while_it_lingers() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(|peer| {
        peer.send(b"farewell").unwrap();
        peer.close();
    });
    let linger = Duration::from_secs(8);
    let config = UNLIMITED.stall_timeout(Some(Duration::from_secs(3))).linger(linger);
    with_server::<_, PLATFORM>(Shape::SMALL, config, service, |rig| {
        let client = rig.connect();
        rig.socket(client).unacknowledged_since = Some(rig.now);
        // A turn is made only when one is due, and the test ends if there are too many.
        rig.pass(just_before(linger));
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_nanos(1));
        assert!(rig.closed(client).is_some());
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

on_all! { input_that_is_offered_again_and_not_taken_gives_no_more_time }

fn input_that_is_offered_again_and_not_taken_gives_no_more_time<const KIND: u8>() {
    let config = UNLIMITED.input_timeout(Some(Duration::from_secs(3)));
    let mut service = Scripted::lines();
    service.on_opened = Box::new(|peer| peer.set_timer(Duration::from_secs(1)));
    // It is offered its input again after each.
    service.on_timer_expired = Box::new(|peer| peer.set_timer(Duration::from_secs(1)));
    with_server::<_, KIND>(Shape::SMALL, config, service, |rig| {
        let client = rig.connected();
        rig.send(client, &[b'x'; 40]);
        rig.pass(just_before(Duration::from_secs(3)));
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::InputNotTaken), 1);
    });
}

#[test]
fn sends_that_are_refused_give_a_stalled_peer_no_more_time() {
    fn push(peer: &mut selkie_core::Peer<'_>) {
        let _ = peer.send(b"tick");
        peer.set_timer(Duration::from_secs(1));
    }
    let config = UNLIMITED.stall_timeout(Some(Duration::from_secs(3)));
    let service = Scripted {
        on_opened: Box::new(push),
        on_timer_expired: Box::new(push),
        ..Scripted::sink()
    };
    with_server::<_, PLATFORM>(Shape::SMALL, config, service, |rig| {
        let client = rig.connect();
        rig.give_room(client, 0);
        rig.settle();
        rig.pass(just_before(Duration::from_secs(3)));
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::Stalled), 1);
    });
}
