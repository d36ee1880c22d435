//! Replies that are longer than a buffer, requests behind them, relays, and sends that do not fit.

use core::time::Duration;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use selkie_core::platform::{Capabilities, Close};
use selkie_core::{CloseReason, Peer, SendError, Token};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::{Handle, READS_ON, SERVER};

/// The length of a reply, which is many times that of a buffer.
const REPLY: usize = 500;

/// Answers each byte of input with a long reply, one after the other: what has come meanwhile is
/// left.
fn replying() -> Scripted {
    let left = Rc::new(Cell::new(0));
    let go_on = {
        let left = Rc::clone(&left);
        move |peer: &mut Peer<'_>| {
            let sent = peer.send_some(&vec![b'.'; left.get()]);
            left.set(left.get() - sent);
            if left.get() > 0 {
                peer.request_writable();
            }
        }
    };
    let writable = go_on.clone();
    let received = move |peer: &mut Peer<'_>, bytes: &[u8]| {
        if left.get() > 0 || bytes.is_empty() {
            return 0;
        }
        left.set(REPLY);
        go_on(peer);
        1
    };
    Scripted {
        on_received: Box::new(received),
        on_writable: Box::new(writable),
        ..Scripted::echo()
    }
}

/// Lets the client take a few bytes at a time, until nothing more comes.
fn take_slowly<const KIND: u8>(rig: &mut Rig<'_, Scripted, KIND>, client: Handle) -> usize {
    let mut count = 0;
    for _ in 0..2_000 {
        rig.give_room(client, 7);
        rig.pass(Duration::from_secs(2));
        count += rig.take(client).len();
    }
    count
}

on_all! {
    a_request_behind_a_long_reply_is_served_when_that_is_done
    a_long_reply_that_a_drain_meets_in_the_middle_is_finished
    a_relay_carries_both_directions_at_once
}

fn a_request_behind_a_long_reply_is_served_when_that_is_done<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, replying(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 7);
        rig.send(client, b"a");
        rig.settle();
        rig.send(client, b"bc");
        assert_eq!(take_slowly(rig, client), 3 * REPLY);
    });
}

fn a_long_reply_that_a_drain_meets_in_the_middle_is_finished<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, replying(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 7);
        rig.send(client, b"a");
        rig.settle();
        let deadline = rig.now + Duration::from_secs(10_000);
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        assert_eq!(take_slowly(rig, client), REPLY);
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Drained), 1);
    });
}

/// Sends what comes from one of two peers to the other, as far as there is room.
fn relay() -> Scripted {
    let pair = Rc::new(RefCell::new(Vec::<Token>::new()));
    let (opened, counterpart) = (Rc::clone(&pair), pair);
    let mut service = Scripted::echo();
    service.on_opened = Box::new(move |peer| opened.borrow_mut().push(peer.token()));
    let other = Rc::clone(&counterpart);
    service.on_received = Box::new(move |peer, bytes| {
        let counterpart = other.borrow().iter().copied().find(|one| *one != peer.token());
        counterpart.map_or(0, |counterpart| peer.send_some_to(counterpart, bytes))
    });
    service.on_writable = Box::new(move |peer| {
        let own = peer.token();
        for other in counterpart.borrow().iter().filter(|one| **one != own) {
            peer.resume_reading_of(*other);
        }
    });
    service
}

fn a_relay_carries_both_directions_at_once<const KIND: u8>() {
    // With two buffers for each connection, and with as few as there may be.
    for blocks in [12, 2] {
        let shape = Shape { blocks, ..Shape::SMALL };
        with_server::<_, KIND>(shape, UNLIMITED, relay(), |rig| {
            let clients = [rig.connected(), rig.connected()];
            let mut counts = [0; 2];
            for client in clients {
                rig.give_room(client, 0);
                rig.send(client, &[b'x'; 300]);
            }
            rig.settle();
            for _ in 0..400 {
                for (client, count) in clients.into_iter().zip(&mut counts) {
                    rig.give_room(client, 7);
                    rig.pass(Duration::from_secs(1));
                    *count += rig.take(client).len();
                }
            }
            assert_eq!(counts, [300; 2], "with {blocks} blocks");
        });
    }
}

#[test]
fn a_send_that_can_never_fit_is_told_from_one_that_does_not_fit_now() {
    fn check<const KIND: u8>() {
        let outcomes = Rc::new(RefCell::new(Vec::new()));
        let mut service = Scripted::sink();
        let told = Rc::clone(&outcomes);
        service.on_received = Box::new(move |peer, bytes| {
            told.borrow_mut().extend([17, 10, 10].map(|count| peer.send(&vec![b'.'; count])));
            bytes.len()
        });
        with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
            let client = rig.connected();
            rig.give_room(client, 0);
            rig.send(client, b"x");
            rig.settle();
            let expected = [Err(SendError::TooLong), Ok(()), Err(SendError::Full)];
            assert_eq!(*outcomes.borrow(), expected);
        });
    }
    check::<SERVER>();
    check::<READS_ON>();
}

#[test]
fn a_peer_that_is_gone_after_its_end_is_noticed_although_the_service_goes_on() {
    for capability in [Capabilities::HANGUP, Capabilities::CHECK] {
        let mut service = Scripted::sink();
        service.on_read_closed = Some(Box::new(|_| ()));
        with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
            rig.event_loop.platform.capabilities = capability;
            let client = rig.connected();
            rig.end(client);
            rig.pass(Duration::from_secs(3600));
            assert_eq!(rig.closed(client), None, "a live peer is never closed");
            rig.socket(client).hung_up = true;
            rig.pass(Duration::from_secs(6));
            assert_eq!(rig.closed_for(CloseReason::Reset), 1);
        });
    }
}

#[test]
fn who_waits_is_served_after_everybody_has_filled_the_input_buffer_and_left() {
    let config = UNLIMITED.input_timeout(Some(Duration::from_secs(3)));
    let shape = Shape { slots: 5, ..Shape::SMALL };
    with_server::<_, SERVER>(shape, config, Scripted::lines(), |rig| {
        let inside = [(); 4].map(|()| rig.connected());
        for client in inside {
            rig.send(client, &[b'x'; 40]);
        }
        let outside = rig.connect();
        rig.send(outside, b"a line\n");
        // By waits, which would end with an error if there were nothing to wait for.
        while rig.server.counters().accepted < 5 {
            rig.event_loop.run_once(&mut rig.server).unwrap();
        }
        while rig.socket(outside).outgoing.is_empty() {
            rig.event_loop.run_once(&mut rig.server).unwrap();
        }
        assert_eq!(rig.take(outside), b"a line\n");
        assert!(rig.closed_for(CloseReason::InputNotTaken) > 0);
    });
}

#[test]
fn what_is_left_at_the_end_is_counted_and_offered_when_the_service_asks() {
    let is_ready = Rc::new(Cell::new(false));
    let mut service = Scripted::sink();
    let (ready, armed) = (Rc::clone(&is_ready), Cell::new(false));
    service.on_received = Box::new(move |peer, bytes| {
        if !ready.get() {
            if !armed.replace(true) {
                peer.set_timer(Duration::from_secs(1));
            }
            return 0;
        }
        let _ = peer.send(b"done");
        bytes.len()
    });
    let ready = Rc::clone(&is_ready);
    service.on_timer_expired = Box::new(move |_| ready.set(true));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"a job");
        rig.settle();
        rig.end(client);
        rig.settle();
        let told = |call: &Call| matches!(call, Call::ReadClosed(_, 5));
        assert_eq!(rig.server.service().count(told), 1, "{:?}", rig.server.service().calls);
        rig.pass(Duration::from_secs(2));
        assert_eq!(rig.take(client), b"done", "{:?}", rig.server.service().calls);
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}
