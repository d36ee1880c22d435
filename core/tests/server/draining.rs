//! Draining: no new connections, what is pending is sent, then all is closed.

use core::time::Duration;

use selkie_core::platform::{Capabilities, Close};
use selkie_core::{CloseReason, Instant, Service};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, just_before, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::SERVER;

fn drain<S: Service, const KIND: u8>(rig: &mut Rig<'_, S, KIND>, within: Duration) -> Instant {
    let deadline = rig.now + within;
    rig.server.drain(&mut rig.event_loop.context(), deadline);
    rig.settle();
    deadline
}

on_all! {
    a_service_is_told_of_a_drain_once_for_each_connection
    idle_connections_are_closed_at_once
    pending_bytes_are_sent_before_the_close
    what_was_received_behind_a_full_input_buffer_is_served_while_draining
}

fn what_was_received_behind_a_full_input_buffer_is_served_while_draining<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, &[b'x'; 400]);
        rig.settle();
        drain(rig, Duration::from_secs(60));
        assert_eq!(rig.closed(client), None);
        for _ in 0..100 {
            rig.give_room(client, 20);
            rig.settle();
        }
        assert_eq!(rig.take(client).len(), 400);
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Drained), 1);
    });
}

fn a_service_is_told_of_a_drain_once_for_each_connection<const KIND: u8>() {
    let mut service = Scripted::echo();
    service.on_draining = Some(Box::new(|_| ()));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        for _ in 0..2 {
            rig.connected();
        }
        drain(rig, Duration::from_secs(60));
        rig.pass(Duration::from_secs(50));
        let told = |call: &Call| matches!(call, Call::Draining(_));
        assert_eq!(rig.server.service().count(told), 2);
        assert_eq!(rig.server.open_connections(), 2, "the service goes on");
        rig.pass(Duration::from_secs(10));
        assert!(rig.server.is_drained());
    });
}

fn idle_connections_are_closed_at_once<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let clients = [rig.connected(), rig.connected(), rig.connected()];
        let listener = rig.listener;
        drain(rig, Duration::from_secs(60));
        for client in clients {
            assert_eq!(rig.closed(client), Some(Close::Graceful));
        }
        assert!(rig.closed(listener).is_some());
        assert_eq!(rig.closed_for(CloseReason::Drained), 3);
        assert!(rig.server.is_drained());
        assert!(rig.event_loop.is_stopped());
    });
}

fn pending_bytes_are_sent_before_the_close<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 3);
        rig.send(client, b"0123456789");
        rig.settle();
        drain(rig, Duration::from_secs(60));
        assert!(!rig.event_loop.is_stopped());
        rig.give_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(client), b"0123456789");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert!(rig.event_loop.is_stopped());
    });
}

#[test]
fn pending_output_at_the_deadline_is_cut_off() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let (stalled, idle) = (rig.connected(), rig.connected());
        rig.give_room(stalled, 0);
        rig.send(stalled, b"x");
        rig.settle();
        drain(rig, Duration::from_secs(5));
        assert_eq!(rig.closed(idle), Some(Close::Graceful));
        rig.pass(just_before(Duration::from_secs(5)));
        assert_eq!(rig.closed(stalled), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed(stalled), Some(Close::Abort));
        assert_eq!(
            (rig.closed_for(CloseReason::Expelled), rig.closed_for(CloseReason::Drained)),
            (1, 1)
        );
        assert!(rig.event_loop.is_stopped());
    });
}

#[test]
fn an_empty_server_drains_at_once() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        drain(rig, Duration::from_secs(5));
        assert!(rig.event_loop.is_stopped());
    });
}

#[test]
fn lingering_does_not_outlast_the_deadline() {
    let config = UNLIMITED.linger(Duration::from_secs(60));
    with_server::<_, SERVER>(Shape::SMALL, config, Scripted::echo(), |rig| {
        let client = rig.connected();
        drain(rig, Duration::from_secs(5));
        assert!(rig.socket(client).write_ended);
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_secs(5));
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Drained), 1);
    });
}

#[test]
fn a_lingering_peer_that_ends_its_stream_is_let_go_at_once() {
    let config = UNLIMITED.linger(Duration::from_secs(60));
    with_server::<_, SERVER>(Shape::SMALL, config, Scripted::echo(), |rig| {
        let client = rig.connected();
        drain(rig, Duration::from_secs(60));
        rig.end(client);
        rig.settle();
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert!(rig.event_loop.is_stopped());
    });
}

#[test]
fn the_earlier_of_two_deadlines_counts() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let stalled = rig.connected();
        rig.give_room(stalled, 0);
        rig.send(stalled, b"x");
        rig.settle();
        drain(rig, Duration::from_secs(60));
        drain(rig, Duration::from_secs(5));
        drain(rig, Duration::from_secs(60));
        rig.pass(Duration::from_secs(5));
        assert_eq!(rig.closed_for(CloseReason::Expelled), 1);
    });
}

#[test]
fn clients_in_the_backlog_are_served_as_slots_are_freed() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let clients: Vec<_> = (0..12).map(|_| rig.connect()).collect();
        for &client in &clients {
            rig.send(client, b"hello");
        }
        drain(rig, Duration::from_secs(5));
        assert_eq!(rig.server.counters().accepted, 12);
        for client in clients {
            assert_eq!(rig.take(client), b"hello");
            assert_eq!(rig.closed(client), Some(Close::Graceful));
        }
        assert!(rig.event_loop.is_stopped());
    });
}

#[test]
fn a_drain_accepts_no_more_than_its_count() {
    let config = UNLIMITED.drain_accepts(3);
    with_server::<_, SERVER>(Shape::SMALL, config, Scripted::echo(), |rig| {
        for _ in 0..7 {
            rig.connect();
        }
        drain(rig, Duration::from_secs(5));
        let listener = rig.listener;
        assert!(rig.closed(listener).is_some());
        assert_eq!(rig.server.counters().accepted, 3);
        assert!(rig.event_loop.is_stopped());
    });
}

#[test]
fn a_full_listener_waits_for_a_slot_no_longer_than_until_the_deadline() {
    let config = UNLIMITED.connections_max(1);
    let mut service = Scripted::echo();
    service.on_draining = Some(Box::new(|_| ()));
    with_server::<_, SERVER>(Shape::SMALL, config, service, |rig| {
        let (stays, waits) = (rig.connected(), rig.connect());
        drain(rig, Duration::from_secs(5));
        let listener = rig.listener;
        rig.pass(just_before(Duration::from_secs(5)));
        assert_eq!((rig.closed(listener), rig.closed(stays)), (None, None));
        rig.pass(Duration::from_nanos(1));
        assert!(rig.closed(listener).is_some());
        assert!(rig.closed(stays).is_some());
        assert_eq!(rig.socket(waits).reads, 0);
        assert!(rig.event_loop.is_stopped());
    });
}

#[test]
fn what_is_adopted_while_draining_is_drained() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let stalled = rig.connected();
        rig.give_room(stalled, 0);
        rig.send(stalled, b"x");
        rig.settle();
        drain(rig, Duration::from_secs(5));
        let late = rig.event_loop.platform.stream();
        rig.server.adopt(&mut rig.event_loop.context(), late).unwrap();
        rig.settle();
        assert_eq!(rig.closed(late), Some(Close::Graceful));
        rig.pass(Duration::from_secs(5));
        assert!(rig.event_loop.is_stopped());
    });
}

#[test]
fn a_services_deadline_does_not_fire_while_draining() {
    let mut service = Scripted::echo();
    service.on_opened = Box::new(|peer| peer.set_timer(Duration::from_secs(1)));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"x");
        rig.settle();
        drain(rig, Duration::from_secs(5));
        rig.pass(Duration::from_secs(4));
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::TimerExpired(_))), 0);
        rig.give_room(client, 1);
        rig.settle();
        assert_eq!(rig.closed_for(CloseReason::Drained), 1);
    });
}

#[test]
fn a_loop_that_waits_returns_when_it_is_drained() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"x");
        rig.settle();
        rig.event_loop.platform.clock = rig.now;
        let deadline = rig.now + Duration::from_secs(5);
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        rig.event_loop.run(&mut rig.server).unwrap();
        assert_eq!(
            rig.event_loop.platform.clock, deadline,
            "it slept until the deadline, and no longer"
        );
        assert_eq!(rig.closed_for(CloseReason::Expelled), 1);
    });
}

#[test]
fn who_waits_for_a_buffer_is_read_before_it_is_told_of_the_drain() {
    let shape = Shape { blocks: 2, ..Shape::SMALL };
    with_server::<_, SERVER>(shape, UNLIMITED, Scripted::echo(), |rig| {
        let (stalled, other, late) = (rig.connected(), rig.connected(), rig.connected());
        for client in [stalled, other] {
            rig.give_room(client, 0);
            rig.send(client, b"a");
        }
        rig.settle();
        assert_eq!(rig.server.blocks_borrowed(), 2);
        rig.send(late, b"late");
        rig.settle();
        drain(rig, Duration::from_secs(10));
        rig.pass(Duration::from_secs(7));
        assert_eq!(rig.closed(late), None, "only the deadline cuts it off");
        for client in [stalled, other] {
            rig.give_room(client, 1);
        }
        rig.settle();
        assert_eq!(rig.take(late), b"late");
        assert_eq!(rig.closed(late), Some(Close::Graceful));
    });
}

#[test]
fn a_peer_is_read_on_after_a_drain_was_late_to_tell_its_service() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.socket(client).read_max = 1;
        rig.send(client, &[b'x'; 100]);
        rig.server.drain(&mut rig.event_loop.context(), rig.now + Duration::from_secs(10));
        rig.turn();
        rig.now = rig.now + Duration::from_secs(6);
        for _ in 0..5 {
            rig.turn();
        }
        let told = |call: &Call| matches!(call, Call::Draining(_));
        assert_eq!(rig.server.service().count(told), 1, "half of the time is over");
        assert!(rig.socket(client).incoming.len() > 50);
        rig.settle();
        assert_eq!(rig.take(client).len(), 100);
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.server.service().count(told), 1);
    });
}

#[test]
fn who_has_left_in_order_is_drained_if_its_input_is_not_taken() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(crate::scripted::end);
    service.on_received = Box::new(|_, _| 0);
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        rig.event_loop.platform.capabilities = Capabilities::HANGUP;
        let client = rig.connected();
        rig.send(client, &[b'x'; 40]);
        rig.settle();
        rig.socket(client).hung_up = true;
        rig.settle();
        assert_eq!(rig.closed(client), None, "its input may still be taken");
        drain(rig, Duration::from_secs(10));
        assert_eq!(rig.closed_for(CloseReason::Drained), 1);
    });
}
