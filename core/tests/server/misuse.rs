//! Services that are wrong: in each case a stated outcome, and no other connection is late.

use core::cell::Cell;
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, Config, Instant, Token};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::Handle;

on_all! {
    each_callback_that_panics_costs_its_own_connection_only
    a_panic_when_told_of_a_drain_costs_its_own_connection_only
    timers_of_zero_in_each_call_delay_no_other
    who_closes_all_others_in_each_call_closes_each_once
    a_service_that_claims_more_than_it_was_offered_has_taken_that
    a_service_that_answers_nothing_has_its_silent_peers_closed_as_idle
    a_service_that_sends_without_end_is_told_that_there_is_no_room
}

/// Has one callback of a service panic for the marked connection, once.
type Callback = fn(&mut Scripted, Rc<Cell<Token>>);

/// The token of the first connection, behind the listener.
const FIRST: Token = Token::new(1, 1);

/// A token that no connection has.
const NO_TOKEN: Token = Token::new(9, 9);

/// Panics if the call is about the marked connection, which is not marked any more then.
fn panic_if_marked(marked: &Cell<Token>, token: Token) {
    if marked.get() == token {
        marked.set(NO_TOKEN);
        panic!("as the test wants");
    }
}

const CALLBACKS: [Callback; 6] = [
    |service, marked| {
        service.on_opened = Box::new(move |peer| panic_if_marked(&marked, peer.token()));
    },
    |service, marked| {
        service.on_received = Box::new(move |peer, bytes| {
            panic_if_marked(&marked, peer.token());
            peer.send_some(bytes)
        });
    },
    |service, marked| {
        service.on_received = Box::new(|peer, bytes| {
            peer.request_writable();
            peer.send_some(bytes)
        });
        service.on_writable = Box::new(move |peer| panic_if_marked(&marked, peer.token()));
    },
    |service, marked| {
        service.on_received = Box::new(|peer, bytes| {
            peer.set_timer(Duration::ZERO);
            peer.send_some(bytes)
        });
        service.on_timer_expired = Box::new(move |peer| panic_if_marked(&marked, peer.token()));
    },
    |service, marked| {
        service.on_read_closed = Some(Box::new(move |peer| {
            panic_if_marked(&marked, peer.token());
            peer.close();
        }));
    },
    |service, marked| {
        service.on_closed = Box::new(move |peer| panic_if_marked(&marked, peer.token()));
    },
];

/// Makes turns until nothing is left to do. Returns the number of those that panicked.
fn settle<const KIND: u8>(rig: &mut Rig<'_, Scripted, KIND>) -> usize {
    let mut panics = 0;
    while catch_unwind(AssertUnwindSafe(|| rig.settle())).is_err() {
        panics += 1;
        assert!(panics < 3, "it panics once");
    }
    panics
}

fn echoes<const KIND: u8>(rig: &mut Rig<'_, Scripted, KIND>, client: Handle) {
    rig.send(client, b"hello");
    rig.settle();
    assert_eq!(rig.take(client), b"hello");
}

fn each_callback_that_panics_costs_its_own_connection_only<const KIND: u8>() {
    for (number, callback) in CALLBACKS.into_iter().enumerate() {
        let mut service = Scripted::echo();
        callback(&mut service, Rc::new(Cell::new(FIRST)));
        with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
            let bad = rig.connect();
            let mut panics = settle(rig);
            let good = rig.connected();
            rig.send(bad, b"x");
            panics += settle(rig);
            rig.end(bad);
            panics += settle(rig);
            assert_eq!(panics, 1);
            assert!(rig.closed(bad).is_some());
            // The last is the callback of a connection that is closed already.
            let failed = u64::from(number + 1 < CALLBACKS.len());
            assert_eq!(rig.closed_for(CloseReason::Failed), failed);
            assert_eq!(rig.closed(good), None);
            echoes(rig, good);
            // Slots and buffers are back, and the listener accepts.
            for _ in 0..4 {
                let late = rig.connected();
                echoes(rig, late);
            }
        });
    }
}

fn a_panic_when_told_of_a_drain_costs_its_own_connection_only<const KIND: u8>() {
    let marked = Cell::new(FIRST);
    let mut service = Scripted::echo();
    service.on_draining = Some(Box::new(move |peer| {
        panic_if_marked(&marked, peer.token());
        peer.close_when_finished();
    }));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (bad, good) = (rig.connected(), rig.connected());
        let deadline = rig.now + Duration::from_secs(60);
        rig.send(good, b"last");
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        assert_eq!(settle(rig), 1);
        assert_eq!(rig.take(good), b"last");
        assert_eq!(
            [rig.closed(bad), rig.closed(good)],
            [Some(Close::Abort), Some(Close::Graceful)]
        );
        assert_eq!(
            [CloseReason::Failed, CloseReason::Drained].map(|why| rig.closed_for(why)),
            [1, 1]
        );
        assert!(rig.server.is_drained());
    });
}

fn timers_of_zero_in_each_call_delay_no_other<const KIND: u8>() {
    let mut service = Scripted::echo();
    service.on_opened = Box::new(|peer| peer.set_timer(Duration::ZERO));
    service.on_timer_expired = Box::new(|peer| peer.set_timer(Duration::ZERO));
    let shape = Shape { events: 1, ..Shape::SMALL };
    with_server::<_, KIND>(shape, UNLIMITED, service, |rig| {
        let clients = [(); 4].map(|()| rig.connect());
        for _ in 0..20 {
            rig.turn();
        }
        for client in clients {
            rig.send(client, b"hello");
        }
        // One event and one deadline a turn.
        for _ in 0..20 {
            rig.turn();
        }
        for client in clients {
            assert_eq!(rig.take(client), b"hello");
            let token = rig.token(client);
            let times = rig.server.service().count(|call| *call == Call::TimerExpired(token));
            assert!((5..=15).contains(&times), "{times} of 40 turns are for one of four");
        }
        let deadline = Instant::ZERO;
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        rig.settle();
    });
}

fn who_closes_all_others_in_each_call_closes_each_once<const KIND: u8>() {
    let roster: Rc<Cell<Vec<Token>>> = Rc::default();
    let mut service = Scripted::echo();
    let known = Rc::clone(&roster);
    service.on_opened = Box::new(move |peer| {
        let mut all = known.take();
        all.push(peer.token());
        known.set(all);
    });
    service.on_received = Box::new(move |peer, bytes| {
        let (all, own) = (roster.take(), peer.token());
        for &other in all.iter().filter(|&&other| other != own) {
            peer.close_other(other);
            peer.abort_other(other);
        }
        roster.set(all);
        peer.send_some(bytes)
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let clients = [(); 4].map(|()| rig.connected());
        let tokens = clients.map(|client| rig.token(client));
        for _ in 0..3 {
            echoes(rig, clients[3]);
        }
        for (client, token) in clients[..3].iter().zip(tokens) {
            assert!(rig.closed(*client).is_some());
            // Closed once, as `reason` checks.
            assert!(rig.server.service().reason(token).is_some());
        }
        assert_eq!(rig.closed(clients[3]), None);
        // Who has the slots now has other tokens.
        let late = rig.connected();
        echoes(rig, clients[3]);
        assert!(rig.closed(late).is_some(), "it is one of the others");
    });
}

fn a_service_that_claims_more_than_it_was_offered_has_taken_that<const KIND: u8>() {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, bytes| {
        peer.send_some(bytes);
        usize::MAX
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        for _ in 0..3 {
            echoes(rig, client);
        }
    });
}

fn a_service_that_answers_nothing_has_its_silent_peers_closed_as_idle<const KIND: u8>() {
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(2)));
    with_server::<_, KIND>(Shape::SMALL, config, Scripted::sink(), |rig| {
        let client = rig.connected();
        for _ in 0..5 {
            rig.send(client, b"is anybody there?");
            rig.pass(Duration::from_secs(1));
        }
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.closed_for(CloseReason::Idle), 1);
    });
}

fn a_service_that_sends_without_end_is_told_that_there_is_no_room<const KIND: u8>() {
    const STALL: Config = UNLIMITED.stall_timeout(Some(Duration::from_secs(2)));
    let sent = Rc::new(Cell::new(0));
    let count = Rc::clone(&sent);
    let mut service = Scripted::echo();
    service.on_opened = Box::new(move |peer| {
        // More than ever fits is refused, and so bounded.
        while count.get() < 1000 && peer.send(b"12345678").is_ok() {
            count.set(count.get() + 8);
        }
    });
    with_server::<_, KIND>(Shape::SMALL, STALL, service, |rig| {
        let flooded = rig.connect();
        rig.give_room(flooded, 8);
        rig.settle();
        assert!(sent.get() <= 8 + 16, "{} bytes were taken", sent.get());
        rig.pass(Duration::from_secs(2));
        assert_eq!(rig.closed_for(CloseReason::Stalled), 1);
        let next = rig.connect();
        rig.settle();
        rig.take(next);
        echoes(rig, next);
    });
}
