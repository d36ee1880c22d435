//! Idle and stalled connections, and the service's own deadlines.

use core::time::Duration;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, Config};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, just_before, rounds, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::SERVER;

const IDLE: Config = UNLIMITED.idle_timeout(Some(Duration::from_secs(10)));
const STALL: Config = UNLIMITED.stall_timeout(Some(Duration::from_secs(10)));
const TICK: Duration = Duration::from_nanos(1);

on_all! { an_idle_connection_is_closed_exactly_in_time bytes_in_either_direction_are_progress }

fn an_idle_connection_is_closed_exactly_in_time<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, IDLE, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.pass(Duration::from_secs(3));
        rig.send(client, b"x");
        rig.pass(just_before(Duration::from_secs(10)));
        assert_eq!(rig.closed(client), None);
        rig.pass(TICK);
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.server.service().reason(token), Some(CloseReason::Idle));
    });
}

fn bytes_in_either_direction_are_progress<const KIND: u8>() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(|peer| peer.set_timer(Duration::from_secs(6)));
    service.on_timer_expired = Box::new(|peer| {
        peer.send(b"tick").unwrap();
        peer.set_timer(Duration::from_secs(6));
    });
    with_server::<_, KIND>(Shape::SMALL, IDLE, service, |rig| {
        let client = rig.connected();
        rig.pass(Duration::from_secs(60));
        assert_eq!(rig.closed(client), None);
        assert_eq!(rig.take(client).len(), 40);
    });
}

#[test]
fn the_idle_check_is_early_at_most_once_a_period() {
    with_server::<_, SERVER>(Shape::SMALL, IDLE, Scripted::echo(), |rig| {
        let client = rig.connected();
        let before = rig.event_loop.counters().deadlines;
        for _ in 0..rounds(100) {
            rig.send(client, b"x");
            rig.pass(Duration::from_secs(1));
        }
        let checks = rig.event_loop.counters().deadlines - before;
        assert!(checks <= rounds(100) / 10 + 1, "{checks} checks, where a period has ten messages");
        assert_eq!(rig.socket(client).modifies, 0);
    });
}

#[test]
fn readiness_without_bytes_is_no_progress() {
    with_server::<_, SERVER>(Shape::SMALL, IDLE, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.pass(Duration::from_secs(9));
        let readiness = selkie_core::Readiness::READABLE;
        rig.event_loop.platform.made_up.push(selkie_core::Event { token, readiness });
        rig.settle();
        assert_eq!(rig.server.counters().reads_spurious, 1);
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.closed_for(CloseReason::Idle), 1);
    });
}

#[test]
fn a_stalled_peer_is_aborted_in_time_and_any_byte_starts_anew() {
    with_server::<_, SERVER>(Shape::SMALL, STALL, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"0123456789");
        rig.pass(Duration::from_secs(9));
        rig.give_room(client, 1);
        rig.pass(just_before(Duration::from_secs(10)));
        assert_eq!(rig.closed(client), None);
        rig.pass(TICK);
        assert_eq!(rig.closed(client), Some(Close::Abort));
        assert_eq!(rig.closed_for(CloseReason::Stalled), 1);
    });
}

#[test]
fn a_peer_without_pending_output_never_stalls() {
    with_server::<_, SERVER>(Shape::SMALL, STALL, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"x");
        rig.pass(Duration::from_secs(9));
        rig.give_room(client, usize::MAX);
        rig.pass(Duration::from_secs(100));
        assert_eq!(rig.closed(client), None);
        assert_eq!(
            rig.event_loop.turn(rig.now, &mut rig.server),
            Ok(None),
            "and there is no deadline left"
        );
    });
}

#[test]
fn a_stalled_peer_that_keeps_sending_is_closed_all_the_same() {
    with_server::<_, SERVER>(Shape::SMALL, STALL, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        for _ in 0..10 {
            rig.send(client, b"more");
            rig.pass(Duration::from_secs(1));
        }
        assert_eq!(rig.closed_for(CloseReason::Stalled), 1);
    });
}

#[test]
fn a_closing_peer_that_takes_nothing_stalls_too() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(|peer| {
        peer.send(b"farewell").unwrap();
        peer.close();
    });
    with_server::<_, SERVER>(Shape::SMALL, STALL, service, |rig| {
        let client = rig.connect();
        rig.give_room(client, 0);
        rig.pass(Duration::from_secs(10));
        assert_eq!(rig.closed(client), Some(Close::Abort));
        assert_eq!(rig.closed_for(CloseReason::Stalled), 1);
    });
}

#[test]
fn a_services_deadline_comes_once_and_in_time() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(|peer| peer.set_timer(Duration::from_millis(500)));
    with_server::<_, SERVER>(Shape::SMALL, IDLE, service, |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        let expired = |call: &Call| *call == Call::TimerExpired(token);
        rig.pass(just_before(Duration::from_millis(500)));
        assert_eq!(rig.server.service().count(expired), 0);
        rig.pass(TICK);
        assert_eq!(rig.server.service().count(expired), 1);
        rig.pass(Duration::from_secs(5));
        assert_eq!(rig.server.service().count(expired), 1);
    });
}

#[test]
fn a_services_deadline_moves_both_ways_and_can_be_cancelled() {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, bytes| {
        match bytes[0] {
            b'c' => peer.cancel_timer(),
            seconds => peer.set_timer(Duration::from_secs(u64::from(seconds - b'0'))),
        }
        bytes.len()
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        let expired = |call: &Call| *call == Call::TimerExpired(token);
        for request in [b"5", b"9", b"7"] {
            rig.send(client, request);
            rig.settle();
        }
        rig.pass(just_before(Duration::from_secs(7)));
        assert_eq!(rig.server.service().count(expired), 0, "later replaces earlier");
        rig.pass(TICK);
        assert_eq!(rig.server.service().count(expired), 1);
        rig.send(client, b"9");
        rig.settle();
        rig.send(client, b"2");
        rig.pass(Duration::from_secs(2));
        assert_eq!(rig.server.service().count(expired), 2, "earlier replaces later");
        rig.send(client, b"3");
        rig.settle();
        rig.send(client, b"c");
        rig.pass(Duration::from_secs(60));
        assert_eq!(rig.server.service().count(expired), 2);
    });
}

#[test]
fn a_deadline_never_reaches_the_next_tenant_of_its_slot() {
    let mut service = Scripted::sink();
    let mut opened = 0;
    service.on_opened = Box::new(move |peer| {
        opened += 1;
        if opened == 1 {
            peer.set_timer(Duration::from_secs(5));
        }
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let first = rig.connected();
        let old = rig.token(first);
        rig.end(first);
        rig.settle();
        let second = rig.connected();
        assert_eq!(rig.token(second).index(), old.index(), "the slot is the same");
        rig.pass(Duration::from_secs(60));
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::TimerExpired(_))), 0);
        assert_eq!(rig.closed(second), None);
    });
}

#[test]
fn expiries_are_bounded_a_turn() {
    let shape = Shape { slots: 30, events: 4, ..Shape::SMALL };
    with_server::<_, SERVER>(shape, IDLE, Scripted::echo(), |rig| {
        for _ in 0..20 {
            rig.connect();
        }
        rig.settle();
        rig.now = rig.now + Duration::from_secs(10);
        let due = rig.turn();
        assert_eq!(rig.server.open_connections(), 16, "as many as the batch holds");
        assert!(due.is_some_and(|due| due <= rig.now), "and the rest at once");
        rig.settle();
        assert_eq!(rig.closed_for(CloseReason::Idle), 20);
    });
}
