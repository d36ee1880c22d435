//! Requests of a service about peers other than the one that it was called for.

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, SendError, Token};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::{PLATFORM, SERVER};

type Roster = Rc<RefCell<Vec<Token>>>;

/// Returns a service that knows its peers, and does `act` to the first one when any other sends.
fn acting(act: impl Fn(&mut selkie_core::Peer<'_>, Token, &[u8]) + 'static) -> (Scripted, Roster) {
    let roster = Roster::default();
    let mut service = Scripted::echo();
    let peers = Rc::clone(&roster);
    service.on_opened = Box::new(move |peer| peers.borrow_mut().push(peer.token()));
    let peers = Rc::clone(&roster);
    service.on_received = Box::new(move |peer, bytes| {
        let first = peers.borrow()[0];
        if peer.token() != first {
            act(peer, first, bytes);
        }
        bytes.len()
    });
    (service, roster)
}

on_all! { bytes_reach_another_peer sending_to_another_is_all_or_nothing }

fn bytes_reach_another_peer<const KIND: u8>() {
    let (service, _) = acting(|peer, first, bytes| peer.send_to(first, bytes).unwrap());
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (target, speaker) = (rig.connected(), rig.connected());
        rig.send(speaker, b"hello");
        rig.settle();
        assert_eq!(rig.take(target), b"hello");
        rig.give_room(target, 5);
        rig.send(speaker, b"hello");
        rig.settle();
        rig.give_room(target, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(target), b"hello");
    });
}

fn sending_to_another_is_all_or_nothing<const KIND: u8>() {
    let results = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&results);
    let (service, _) =
        acting(move |peer, first, bytes| log.borrow_mut().push(peer.send_to(first, bytes)));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (target, speaker) = (rig.connected(), rig.connected());
        rig.give_room(target, if KIND == PLATFORM { 16 } else { 0 });
        for message in [b"0123456789", b"abcdefghij"] {
            rig.send(speaker, message);
            rig.settle();
        }
        assert_eq!(*results.borrow(), [Ok(()), Err(SendError::Full)]);
        rig.give_room(target, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(target), b"0123456789", "none of what did not fit");
        rig.send(speaker, b"again");
        rig.settle();
        assert_eq!(rig.take(target), b"again");
    });
}

#[test]
fn sending_to_a_peer_that_is_gone_says_so() {
    let results = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&results);
    let (service, _) =
        acting(move |peer, first, bytes| log.borrow_mut().push(peer.send_to(first, bytes)));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (target, speaker) = (rig.connected(), rig.connected());
        let slot = rig.token(target).index();
        rig.end(target);
        rig.settle();
        let heir = rig.connected();
        assert_eq!(rig.token(heir).index(), slot);
        rig.send(speaker, b"hello");
        rig.settle();
        assert_eq!(*results.borrow(), [Err(SendError::Closed)]);
        assert_eq!(rig.take(heir), b"", "the heir of the slot gets nothing of it");
    });
}

#[test]
fn a_write_that_breaks_another_peer_closes_that_one() {
    let results = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&results);
    let (service, roster) =
        acting(move |peer, first, bytes| log.borrow_mut().push(peer.send_to(first, bytes)));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (target, speaker) = (rig.connected(), rig.connected());
        rig.socket(target).write_error = Some(selkie_core::ErrorKind::BrokenPipe);
        rig.send(speaker, b"hello");
        rig.settle();
        assert_eq!(*results.borrow(), [Err(SendError::Closed)]);
        assert_eq!(rig.closed(target), Some(Close::Abort));
        let first = roster.borrow()[0];
        assert_eq!(rig.server.service().reason(first), Some(CloseReason::Reset));
        assert_eq!(rig.closed(speaker), None);
    });
}

#[test]
fn an_interest_that_cannot_be_changed_for_another_peer_closes_that_one() {
    let (service, roster) = acting(|peer, first, bytes| peer.send_to(first, bytes).unwrap());
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (target, speaker) = (rig.connected(), rig.connected());
        rig.give_room(target, 0);
        rig.socket(target).modify_error = Some(selkie_core::ErrorKind::OutOfMemory);
        rig.send(speaker, b"hello");
        rig.settle();
        let first = roster.borrow()[0];
        assert_eq!(rig.server.service().reason(first), Some(CloseReason::Failed));
        assert_eq!(rig.closed(speaker), None);
    });
}

#[test]
fn another_peer_is_closed_after_its_pending_output() {
    let (service, roster) = acting(|peer, first, bytes| {
        peer.send_to(first, bytes).unwrap();
        peer.close_other(first);
        assert_eq!(peer.send_to(first, b"more"), Err(SendError::Closed));
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (target, speaker) = (rig.connected(), rig.connected());
        rig.give_room(target, 2);
        rig.send(speaker, b"farewell");
        rig.settle();
        assert_eq!(rig.closed(target), None);
        rig.give_room(target, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(target), b"farewell");
        assert_eq!(rig.closed(target), Some(Close::Graceful));
        let first = roster.borrow()[0];
        assert_eq!(rig.server.service().reason(first), Some(CloseReason::Closed));
    });
}

#[test]
fn another_peer_is_aborted_in_the_same_turn() {
    let (service, roster) = acting(|peer, first, _| peer.abort_other(first));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (target, speaker) = (rig.connected(), rig.connected());
        rig.send(speaker, b"x");
        rig.turn();
        assert_eq!(rig.closed(target), Some(Close::Abort));
        let first = roster.borrow()[0];
        assert_eq!(rig.server.service().reason(first), Some(CloseReason::Aborted));
    });
}

#[test]
fn the_closing_of_one_peer_can_be_told_to_another() {
    let roster = Roster::default();
    let mut service = Scripted::echo();
    let peers = Rc::clone(&roster);
    service.on_opened = Box::new(move |peer| peers.borrow_mut().push(peer.token()));
    let peers = Rc::clone(&roster);
    service.on_closed = Box::new(move |peer| {
        assert_eq!(
            peer.send(b"x"),
            Err(SendError::Closed),
            "nothing reaches the peer that is gone"
        );
        peer.close();
        peer.abort();
        peer.set_timer(Duration::from_secs(1));
        peer.request_writable();
        let gone = peer.token();
        for &other in peers.borrow().iter().filter(|other| **other != gone) {
            let _ = peer.send_to(other, b"left");
        }
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (leaver, first, second) = (rig.connected(), rig.connected(), rig.connected());
        rig.end(leaver);
        rig.pass(Duration::from_secs(2));
        assert_eq!((rig.take(first), rig.take(second)), (b"left".to_vec(), b"left".to_vec()));
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::TimerExpired(_))), 0);
    });
}

#[test]
fn peers_that_abort_one_another_in_closed_all_go_once() {
    let roster = Roster::default();
    let mut service = Scripted::echo();
    let peers = Rc::clone(&roster);
    service.on_opened = Box::new(move |peer| peers.borrow_mut().push(peer.token()));
    let peers = Rc::clone(&roster);
    service.on_closed = Box::new(move |peer| {
        for &other in peers.borrow().iter() {
            peer.abort_other(other);
        }
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let clients = [rig.connected(), rig.connected(), rig.connected()];
        rig.end(clients[1]);
        rig.settle();
        assert_eq!(rig.server.open_connections(), 0);
        for token in roster.borrow().iter() {
            assert!(rig.server.service().reason(*token).is_some());
        }
    });
}
