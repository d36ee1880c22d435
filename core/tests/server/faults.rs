//! Streams that break, calls that fail, events that come late.

use core::time::Duration;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, Config, ErrorKind, Event, Peer, Readiness, Token};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted, close};
use crate::toy::SERVER;

const LINGERING: Config = UNLIMITED.linger(Duration::from_secs(2));

on_all! { a_reset_while_idle_closes a_failing_read_closes a_failing_write_closes }

fn a_reset_while_idle_closes<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, LINGERING, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.socket(client).read_error = Some(ErrorKind::ConnectionReset);
        rig.settle();
        assert_eq!(rig.closed(client), Some(Close::Abort));
        assert_eq!(rig.server.service().reason(token), Some(CloseReason::Reset));
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::ReadClosed(..))), 0);
    });
}

fn a_failing_read_closes<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, LINGERING, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.send(client, b"the last words are served");
        rig.socket(client).read_error = Some(ErrorKind::TimedOut);
        rig.settle();
        assert_eq!(rig.take(client), b"the last words are served");
        assert_eq!(rig.closed_for(CloseReason::Failed), 1);
    });
}

fn a_failing_write_closes<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, LINGERING, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.socket(client).write_error = Some(ErrorKind::BrokenPipe);
        rig.send(client, b"x");
        rig.settle();
        assert_eq!(rig.closed(client), Some(Close::Abort));
        assert_eq!(rig.closed_for(CloseReason::Reset), 1);
    });
}

#[test]
fn a_reset_with_pending_output_closes() {
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, Scripted::echo(), |rig| {
        for ended in [false, true] {
            let client = rig.connected();
            rig.give_room(client, 0);
            rig.send(client, &[0; 100]);
            rig.socket(client).peer_ended = ended;
            rig.settle();
            rig.socket(client).write_error = Some(ErrorKind::ConnectionReset);
            rig.settle();
            assert_eq!(rig.closed(client), Some(Close::Abort));
        }
        assert_eq!(rig.closed_for(CloseReason::Reset), 2);
    });
}

#[test]
fn a_reset_while_lingering_closes() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(close);
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, service, |rig| {
        let client = rig.connected();
        rig.socket(client).read_error = Some(ErrorKind::ConnectionReset);
        rig.settle();
        assert!(rig.closed(client).is_some());
        assert_eq!(rig.closed_for(CloseReason::Closed), 1, "it was closed before it was reset");
    });
}

#[test]
fn a_reset_while_closing_closes() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(|peer| {
        peer.send(b"farewell").unwrap();
        peer.close();
    });
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, service, |rig| {
        let client = rig.connect();
        rig.give_room(client, 0);
        rig.settle();
        rig.socket(client).write_error = Some(ErrorKind::ConnectionReset);
        rig.settle();
        assert_eq!(rig.closed(client), Some(Close::Abort));
    });
}

#[test]
fn a_failing_end_of_the_stream_closes() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(close);
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, service, |rig| {
        let client = rig.connect();
        rig.socket(client).shutdown_error = Some(ErrorKind::NotConnected);
        rig.settle();
        assert!(rig.closed(client).is_some());
    });
}

#[test]
fn a_peer_that_is_gone_before_our_end_of_the_stream_counts_as_reset() {
    fn shut_down(peer: &mut Peer<'_>) {
        peer.shutdown_write();
    }
    let mut service = Scripted::sink();
    service.on_opened = Box::new(shut_down);
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, service, |rig| {
        let client = rig.connect();
        rig.socket(client).shutdown_error = Some(ErrorKind::NotConnected);
        rig.settle();
        assert!(rig.closed(client).is_some());
        assert_eq!(rig.closed_for(CloseReason::Reset), 1);
    });
}

#[test]
fn a_platform_that_cannot_change_an_interest_costs_that_connection_only() {
    with_server::<_, SERVER>(Shape::SMALL, LINGERING, Scripted::echo(), |rig| {
        let (broken, other) = (rig.connected(), rig.connected());
        rig.socket(broken).modify_error = Some(ErrorKind::OutOfMemory);
        rig.give_room(broken, 0);
        rig.send(broken, b"x");
        rig.send(other, b"y");
        rig.settle();
        assert_eq!(rig.closed(broken), Some(Close::Abort));
        assert_eq!(rig.closed_for(CloseReason::Failed), 1);
        assert_eq!(rig.take(other), b"y");
    });
}

#[test]
fn a_close_that_fails_is_counted_and_nothing_else() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.socket(client).close_error = Some(ErrorKind::Other);
        rig.end(client);
        rig.settle();
        assert_eq!(rig.server.counters().close_failures, 1);
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

#[test]
fn an_event_for_an_earlier_tenant_is_dropped_and_counted() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let first = rig.connected();
        let old = rig.token(first);
        rig.end(first);
        rig.settle();
        let second = rig.connected();
        let reads = rig.socket(second).reads;
        let stale = Event { token: old, readiness: Readiness::READABLE };
        let never = Event { token: Token::new(900, 1), readiness: Readiness::WRITABLE };
        rig.event_loop.platform.made_up.extend([stale, never]);
        rig.settle();
        assert_eq!(rig.event_loop.counters().events_stale, 2);
        assert_eq!(rig.socket(second).reads, reads);
    });
}

#[test]
fn an_event_for_a_peer_that_was_aborted_in_the_same_batch_does_no_harm() {
    let mut service = Scripted::echo();
    let mut tokens = Vec::new();
    service.on_received = Box::new(move |peer, bytes| {
        let token = peer.token();
        if bytes == b"hello" {
            tokens.push(token);
        } else {
            for other in tokens.iter().filter(|other| **other != token) {
                peer.abort_other(*other);
            }
        }
        bytes.len()
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let clients = [rig.connected(), rig.connected(), rig.connected()];
        for client in clients {
            rig.send(client, b"hello");
        }
        rig.settle();
        for client in clients {
            rig.send(client, b"I abort you all");
        }
        rig.settle();
        assert_eq!(rig.closed_for(CloseReason::Aborted), 3 - rig.server.open_connections() as u64);
        assert!(rig.server.open_connections() <= 1);
    });
}

#[test]
fn every_readiness_in_every_state_is_harmless() {
    let all = [
        Readiness::READABLE,
        Readiness::WRITABLE,
        Readiness::PRIORITY,
        Readiness::READ_CLOSED.with_implied(),
        Readiness::ERROR.with_implied(),
        Readiness::CLOSED.with_implied(),
    ];
    for readiness in all {
        with_server::<_, SERVER>(Shape::SMALL, LINGERING, Scripted::lines(), |rig| {
            let [idle, pending, held, ended, closing] = core::array::from_fn(|_| rig.connected());
            rig.give_room(pending, 0);
            rig.send(pending, b"a line\n");
            rig.send(held, b"a piece");
            rig.give_room(ended, 0);
            rig.send(ended, b"another line\n");
            rig.end(ended);
            rig.give_room(closing, 0);
            rig.send(closing, b"pending\n");
            rig.settle();
            let open = rig.server.open_connections();
            for client in [idle, pending, held, ended, closing, rig.listener] {
                let token = rig.token(client);
                rig.event_loop.platform.made_up.push(Event { token, readiness });
            }
            rig.settle();
            assert_eq!(
                rig.server.open_connections(),
                open,
                "{readiness:?} closes no connection by itself"
            );
            rig.give_room(pending, 100);
            rig.give_room(ended, 100);
            rig.send(held, b" of it\n");
            rig.settle();
            assert_eq!(rig.take(pending), b"a line\n");
            assert_eq!(rig.take(held), b"a piece of it\n");
            assert_eq!(rig.take(ended), b"another line\n");
        });
    }
}
