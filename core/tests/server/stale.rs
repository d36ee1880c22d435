//! Tokens of connections that are gone, and tokens that never named one: the present tenant of the
//! slot notices nothing.

use std::cell::Cell;
use std::rc::Rc;

use selkie_core::{Event, Readiness, SendError, Token};

use crate::rig::{Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::SERVER;

/// Returns a service that leaves its input, except for "act": then it tries all that it can do to
/// the target.
fn acting(target: &Rc<Cell<Token>>) -> Scripted {
    let target = Rc::clone(target);
    let mut service = Scripted::echo();
    service.on_received = Box::new(move |peer, bytes| {
        if bytes != b"act" {
            return 0;
        }
        let other = target.get();
        assert_eq!(peer.send_to(other, b"for another"), Err(SendError::Closed));
        peer.resume_reading_of(other);
        peer.close_other(other);
        peer.abort_other(other);
        bytes.len()
    });
    service
}

#[test]
fn nothing_is_done_to_the_next_tenant_of_a_slot() {
    let target = Rc::new(Cell::new(Token::from_u64(0)));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, acting(&target), |rig| {
        let (gone, speaker) = (rig.connected(), rig.connected());
        target.set(rig.token(gone));
        rig.end(gone);
        rig.settle();
        let tenant = rig.connected();
        let token = rig.token(tenant);
        assert_eq!(token.index(), target.get().index());
        rig.send(tenant, b"left");
        rig.settle();
        rig.send(speaker, b"act");
        let late =
            Event { token: target.get(), readiness: Readiness::READABLE | Readiness::WRITABLE };
        rig.event_loop.platform.made_up.push(late);
        rig.settle();
        assert_eq!(rig.closed(tenant), None);
        assert_eq!(rig.take(tenant), b"");
        assert_eq!(
            rig.server
                .service()
                .count(|call| matches!(call, Call::Received(to, _) if *to == token)),
            1
        );
        assert_eq!(rig.event_loop.counters().deadlines, 0, "no connection was scheduled");
    });
}

#[test]
fn nothing_is_done_to_what_is_no_connection() {
    let target = Rc::new(Cell::new(Token::from_u64(0)));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, acting(&target), |rig| {
        let (speaker, listener) = (rig.connected(), rig.listener);
        let listening = rig.token(listener);
        for token in [Token::from_u64(0), Token::new(99, 1), Token::new(4, 1), listening] {
            target.set(token);
            rig.send(speaker, b"act");
            rig.settle();
        }
        assert_eq!(rig.closed(listener), None);
        assert_eq!(rig.event_loop.counters().deadlines, 0);
    });
}

#[test]
fn a_server_does_not_own_the_token_of_an_earlier_tenant_of_a_slot() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        assert!(rig.server.owns(&rig.event_loop.context(), token));
        rig.end(client);
        rig.settle();
        let next = rig.connected();
        assert_eq!(rig.token(next).index(), token.index());
        assert!(!rig.server.owns(&rig.event_loop.context(), token));
    });
}
