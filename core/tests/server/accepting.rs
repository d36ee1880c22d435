//! Listeners: capacity, descriptors, connections that are gone.

use core::time::Duration;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, ErrorKind, Interest};

use crate::rig::{Rig, Shape, UNLIMITED, rounds, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::SERVER;

fn armed(rig: &mut Rig<'_, Scripted, SERVER>) -> bool {
    let listener = rig.listener;
    rig.socket(listener).watched.expect("the listener is registered").1 == Interest::READABLE
}

#[test]
fn at_capacity_the_listener_is_disarmed_and_the_others_wait() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let clients: Vec<_> = (0..7).map(|_| rig.connect()).collect();
        rig.settle();
        assert_eq!(rig.server.open_connections(), 5, "six slots, of which the listener has one");
        assert!(!armed(rig));
        assert_eq!(rig.server.counters().accept_pauses, 1);
        let turns = rig.event_loop.counters().turns;
        rig.settle();
        assert_eq!(rig.event_loop.counters().turns, turns + 1, "a full server does not spin");
        assert_eq!(rig.socket(clients[5]).reads, 0);

        rig.send(clients[6], b"I waited");
        rig.end(clients[0]);
        rig.settle();
        assert_eq!(rig.server.open_connections(), 5, "the next one took the place");
        rig.end(clients[1]);
        rig.settle();
        assert_eq!(rig.take(clients[6]), b"I waited");
        assert!(armed(rig) || rig.server.open_connections() == 5);
        for client in [2, 3, 4, 5, 6] {
            rig.end(clients[client]);
        }
        rig.settle();
        assert!(armed(rig));
        assert_eq!(rig.server.open_connections(), 0);
        assert_eq!(rig.closed_for(CloseReason::Finished), 7);
    });
}

#[test]
fn connections_max_is_a_limit_of_its_own() {
    let config = UNLIMITED.connections_max(2);
    with_server::<_, SERVER>(Shape::SMALL, config, Scripted::echo(), |rig| {
        let clients: Vec<_> = (0..4).map(|_| rig.connect()).collect();
        rig.settle();
        assert_eq!(rig.server.open_connections(), 2);
        rig.end(clients[0]);
        rig.end(clients[1]);
        rig.settle();
        assert_eq!(rig.server.open_connections(), 2);
        assert_eq!(rig.server.counters().open_max, 2);
        assert_eq!(rig.server.counters().accepted, 4);
    });
}

#[test]
fn accepts_are_bounded_a_turn() {
    let config = UNLIMITED.accepts_per_turn(2);
    with_server::<_, SERVER>(Shape::SMALL, config, Scripted::echo(), |rig| {
        for _ in 0..4 {
            rig.connect();
        }
        rig.turn();
        assert_eq!(rig.server.open_connections(), 2);
        rig.turn();
        assert_eq!(rig.server.open_connections(), 4);
    });
}

#[test]
fn without_descriptors_the_listener_rests_until_the_retry() {
    for kind in [ErrorKind::OutOfDescriptors, ErrorKind::OutOfMemory, ErrorKind::Other] {
        with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
            let served = rig.connected();
            let listener = rig.listener;
            rig.socket(listener).accept_errors.extend([kind, kind]);
            let waiting = rig.connect();
            let turns = rig.event_loop.counters().turns;
            rig.settle();
            assert!(rig.event_loop.counters().turns <= turns + 2, "no spinning");
            assert!(!armed(rig));
            rig.send(served, b"still here");
            rig.pass(Duration::from_millis(99));
            assert_eq!(rig.take(served), b"still here");
            assert_eq!(rig.server.counters().accept_failures, 1, "not tried again before its time");
            rig.pass(Duration::from_millis(1));
            assert_eq!(rig.server.counters().accept_failures, 2);
            rig.send(waiting, b"at last");
            rig.pass(Duration::from_millis(100));
            assert_eq!(rig.take(waiting), b"at last");
            assert!(armed(rig));
        });
    }
}

#[test]
fn a_freed_descriptor_arms_the_listener_at_once() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let served = rig.connected();
        let listener = rig.listener;
        rig.socket(listener).accept_errors.push_back(ErrorKind::OutOfDescriptors);
        rig.connect();
        rig.settle();
        assert!(!armed(rig));
        rig.end(served);
        rig.settle();
        assert!(armed(rig));
        assert_eq!(rig.server.counters().accepted, 2);
        rig.pass(Duration::from_secs(1));
        let modifies = rig.socket(listener).modifies;
        assert_eq!(modifies, 2, "the retry that is not needed any more does nothing");
    });
}

#[test]
fn connections_that_were_gone_before_are_skipped() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let listener = rig.listener;
        rig.socket(listener).accept_errors.extend([ErrorKind::ConnectionAborted; 3]);
        let client = rig.connect();
        rig.turn();
        assert_eq!(rig.server.counters().aborted_early, 3);
        assert_eq!(rig.server.counters().accept_failures, 0);
        assert!(rig.socket(client).watched.is_some(), "accepted in the same turn");
    });
}

#[test]
fn a_connection_that_cannot_be_registered_is_refused() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        rig.event_loop.platform.register_errors.push_back(ErrorKind::OutOfMemory);
        let (refused, served) = (rig.connect(), rig.connect());
        rig.settle();
        assert_eq!(rig.closed(refused), Some(Close::Abort));
        assert_eq!(rig.server.counters().refused, 1);
        assert_eq!(rig.server.counters().accepted, 1);
        assert!(rig.socket(served).watched.is_some());
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::Opened(_))), 1);
    });
}

#[test]
fn a_source_that_was_connected_already_is_served() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let console = rig.event_loop.platform.stream();
        let token = rig.server.adopt(&mut rig.event_loop.context(), console).unwrap();
        assert!(rig.server.owns(&rig.event_loop.context(), token));
        rig.send(console, b"hello");
        rig.settle();
        assert_eq!(rig.take(console), b"hello");
        rig.end(console);
        rig.settle();
        assert_eq!(rig.server.service().reason(token), Some(CloseReason::Finished));
        assert!(!rig.server.owns(&rig.event_loop.context(), token));
    });
}

#[test]
fn a_full_loop_gives_an_adopted_source_back() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        for _ in 0..5 {
            rig.connect();
        }
        rig.settle();
        let console = rig.event_loop.platform.stream();
        let refused = rig.server.adopt(&mut rig.event_loop.context(), console);
        assert_eq!(refused.map_err(selkie_core::Error::kind), Err(ErrorKind::Full));
        assert_eq!(rig.closed(console), None, "it is still the caller's");
    });
}

#[test]
fn two_listeners_rest_and_wake_together() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let second = rig.event_loop.platform.listener();
        rig.server.listen(&mut rig.event_loop.context(), second).unwrap();
        let clients: Vec<_> = (0..5).map(|_| rig.connect()).collect();
        let late = rig.event_loop.platform.stream();
        rig.socket(second).backlog.push_back(late);
        rig.settle();
        assert_eq!(rig.server.open_connections(), 4);
        for client in clients {
            rig.end(client);
            rig.settle();
        }
        rig.settle();
        rig.send(late, b"x");
        rig.settle();
        assert_eq!(rig.take(late), b"x");
        assert_eq!(rig.socket(second).watched.unwrap().1, Interest::READABLE);
        assert!(armed(rig));
    });
}

#[test]
fn churn_gives_every_slot_back() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        for round in 0..rounds(50) {
            let clients: Vec<_> = (0..5).map(|_| rig.connected()).collect();
            for &client in &clients {
                rig.send(client, b"hello");
                rig.end(client);
            }
            rig.settle();
            for client in clients {
                assert_eq!(rig.take(client), b"hello", "round {round}");
                assert_eq!(rig.closed(client), Some(Close::Graceful));
            }
        }
        assert_eq!(rig.server.counters().accepted, 5 * rounds(50));
        assert_eq!(rig.closed_for(CloseReason::Finished), 5 * rounds(50));
    });
}

#[test]
fn what_closing_a_refused_connection_fails_with_is_counted() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        rig.event_loop.platform.register_errors.push_back(ErrorKind::OutOfMemory);
        let refused = rig.connect();
        rig.socket(refused).close_error = Some(ErrorKind::Other);
        rig.settle();
        assert_eq!((rig.server.counters().refused, rig.server.counters().close_failures), (1, 1));
    });
}

#[test]
fn the_listener_rests_while_adopted_sources_fill_the_server() {
    let config = UNLIMITED.connections_max(1);
    with_server::<_, SERVER>(Shape::SMALL, config, Scripted::echo(), |rig| {
        let accepted = rig.connected();
        let console = rig.event_loop.platform.stream();
        rig.server.adopt(&mut rig.event_loop.context(), console).unwrap();
        let waiting = rig.connect();
        rig.settle();
        rig.end(accepted);
        rig.settle();
        assert_eq!(rig.server.counters().accept_pauses, 1, "it was not armed in vain");
        rig.end(console);
        rig.settle();
        assert!(rig.socket(waiting).watched.is_some());
    });
}

#[test]
fn a_listener_that_could_not_be_armed_is_tried_again() {
    let config = UNLIMITED.connections_max(1);
    with_server::<_, SERVER>(Shape::SMALL, config, Scripted::echo(), |rig| {
        let (served, waiting) = (rig.connected(), rig.connect());
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.server.counters().accept_pauses, 1, "it rests until something is freed");
        let listener = rig.listener;
        rig.socket(listener).modify_error = Some(ErrorKind::OutOfMemory);
        rig.end(served);
        rig.settle();
        assert!(!armed(rig));
        rig.pass(Duration::from_millis(100));
        assert!(rig.socket(waiting).watched.is_some());
    });
}
