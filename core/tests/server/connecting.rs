//! Connections that a service asks for: they stand, fail, take too long, or are given up.

use core::cell::RefCell;
use core::net::SocketAddr;
use core::time::Duration;
use std::rc::Rc;

use selkie_core::memory::{StaticLoop, StaticServer};
use selkie_core::peers::Origin;
use selkie_core::platform::Close;
use selkie_core::{
    CloseReason, Error, ErrorKind, EventLoop, Instant, Peer, SendError, Server, Service, Token,
};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, just_before, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::{Handle, Toy};

/// A scripted service that connects.
struct Dialer(Scripted);

impl Service for Dialer {
    type Session = ();

    const CONNECTS: bool = true;

    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut ()) {
        self.0.opened(peer, session);
    }

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut (), bytes: &[u8]) -> usize {
        self.0.received(peer, session, bytes)
    }

    fn draining(&mut self, peer: &mut Peer<'_>, session: &mut ()) {
        self.0.draining(peer, session);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut (), reason: CloseReason) {
        self.0.closed(peer, session, reason);
    }
}

type Answers = Rc<RefCell<Vec<Result<Token, Error>>>>;

fn upstream() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 80))
}

/// Returns a service that connects for each message, and the answers that it gets.
fn dialing(address: SocketAddr) -> (Scripted, Answers) {
    let answers = Answers::default();
    let log = Rc::clone(&answers);
    let mut service = Scripted::echo();
    service.on_received = Box::new(move |peer, bytes| {
        if bytes == b"dial" {
            log.borrow_mut().push(peer.connect(address));
        }
        bytes.len()
    });
    (service, answers)
}

/// Makes a client ask for a connection. Returns the tokens of both, and the attempt.
fn dialed<const KIND: u8>(
    rig: &mut Rig<'_, Dialer, KIND>,
    answers: &Answers,
) -> (Token, Token, Handle) {
    let client = rig.connected();
    rig.send(client, b"dial");
    rig.settle();
    let token = answers.borrow_mut().pop().expect("the service has asked").expect("a token");
    let attempt = *rig.event_loop.platform.attempts.last().expect("the platform was asked");
    (rig.token(client), token, attempt)
}

on_all! {
    a_connection_is_opened_when_it_stands an_attempt_that_fails_is_closed_without_being_opened
    an_attempt_that_takes_too_long_times_out an_attempt_that_stands_at_the_last_look_is_opened
    what_can_be_told_at_once_is_an_error_and_no_callback an_attempt_can_be_given_up
    accepting_leaves_a_share_of_the_slots a_server_connects_by_itself
    an_attempt_outlives_its_opener another_is_tried_when_one_has_failed
    a_drain_waits_for_an_attempt_until_its_deadline
    a_connection_that_was_released_gives_its_share_back
    a_client_is_served_also_if_all_slots_are_reserved
    a_server_that_has_drained_begins_no_attempt a_server_that_only_connects_ends_its_loop
}

fn a_connection_is_opened_when_it_stands<const KIND: u8>() {
    let (mut service, answers) = dialing(upstream());
    let known = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&known);
    service.on_opened = Box::new(move |peer| {
        let facts = (peer.token(), peer.listener(), peer.opened_by(), peer.remote_address());
        log.borrow_mut().push(facts);
        if let Some(opener) = peer.opened_by() {
            peer.send(b"hello").unwrap();
            peer.send_to(opener, b"open").unwrap();
        }
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
        let listener = rig.token(rig.listener);
        let (opener, token, upstream_end) = dialed(rig, &answers);
        assert_eq!(known.borrow_mut().pop(), Some((opener, Some(listener), None, None)));
        assert!(known.borrow().is_empty(), "it is not established yet");
        assert_eq!(rig.server.open_connections(), 2);
        rig.socket(upstream_end).attempt = Ok(());
        rig.settle();
        let facts = (token, None, Some(opener), Some(upstream()));
        assert_eq!(known.borrow().as_slice(), [facts]);
        assert_eq!(rig.take(upstream_end), b"hello");
        rig.send(upstream_end, b"answer");
        rig.settle();
        rig.end(upstream_end);
        rig.settle();
        let calls = &rig.server.service().0.calls;
        assert!(calls.contains(&Call::Received(token, b"answer".to_vec())), "{calls:?}");
        assert_eq!(rig.server.service().0.reason(token), Some(CloseReason::Finished));
        assert_eq!(rig.server.counters().connects, 1);
        assert_eq!(rig.server.counters().accepted, 1);
    });
}

fn an_attempt_that_fails_is_closed_without_being_opened<const KIND: u8>() {
    let failures = [
        (ErrorKind::ConnectionRefused, CloseReason::Refused),
        (ErrorKind::TimedOut, CloseReason::TimedOut),
        (ErrorKind::Unreachable, CloseReason::Unreachable),
        (ErrorKind::PermissionDenied, CloseReason::Denied),
        (ErrorKind::ConnectionReset, CloseReason::Reset),
        (ErrorKind::Other, CloseReason::Failed),
    ];
    for (kind, reason) in failures {
        let (mut service, answers) = dialing(upstream());
        let origins = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&origins);
        service.on_closed = Box::new(move |peer| log.borrow_mut().push(peer.opened_by()));
        with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
            let (opener, token, attempt) = dialed(rig, &answers);
            rig.socket(attempt).attempt = Err(kind);
            rig.settle();
            let service = &rig.server.service().0;
            assert_eq!(service.reason(token), Some(reason));
            assert!(!service.calls.contains(&Call::Opened(token)));
            assert_eq!(origins.borrow().as_slice(), [Some(opener)]);
            assert_eq!(rig.closed(attempt), Some(Close::Abort));
            assert_eq!(rig.closed_for(reason), 1);
        });
    }
}

const TIMEOUT: Duration = Duration::from_secs(3);

fn an_attempt_that_takes_too_long_times_out<const KIND: u8>() {
    let (service, answers) = dialing(upstream());
    let config = UNLIMITED.connect_timeout(Some(TIMEOUT));
    with_server::<_, KIND>(Shape::SMALL, config, Dialer(service), |rig| {
        let (_, token, attempt) = dialed(rig, &answers);
        rig.pass(just_before(TIMEOUT));
        assert_eq!(rig.server.service().0.reason(token), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.server.service().0.reason(token), Some(CloseReason::TimedOut));
        assert_eq!(rig.closed(attempt), Some(Close::Abort));
    });
    let (service, answers) = dialing(upstream());
    let config = UNLIMITED.connect_timeout(None);
    with_server::<_, KIND>(Shape::SMALL, config, Dialer(service), |rig| {
        let (_, token, _) = dialed(rig, &answers);
        rig.pass(Duration::from_secs(3600));
        assert_eq!(rig.server.service().0.reason(token), None, "the platform gives up, or never");
    });
}

fn an_attempt_that_stands_at_the_last_look_is_opened<const KIND: u8>() {
    let (service, answers) = dialing(upstream());
    let config = UNLIMITED.connect_timeout(Some(TIMEOUT));
    with_server::<_, KIND>(Shape::SMALL, config, Dialer(service), |rig| {
        let (_, token, attempt) = dialed(rig, &answers);
        rig.event_loop.platform.is_silent = true;
        rig.socket(attempt).attempt = Ok(());
        rig.now = rig.now + TIMEOUT;
        rig.turn();
        assert!(rig.server.service().0.calls.contains(&Call::Opened(token)));
        rig.event_loop.platform.is_silent = false;
        rig.settle();
        rig.pass(TIMEOUT);
        assert_eq!(rig.server.service().0.reason(token), None, "the timeout is over");
    });
}

fn what_can_be_told_at_once_is_an_error_and_no_callback<const KIND: u8>() {
    let (service, answers) = dialing(upstream());
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
        let client = rig.connected();
        let kinds = [ErrorKind::Unreachable, ErrorKind::ConnectionRefused, ErrorKind::Full];
        rig.event_loop.platform.connect_errors.extend(kinds);
        for kind in kinds {
            rig.send(client, b"dial");
            rig.settle();
            assert_eq!(answers.borrow_mut().pop(), Some(Err(kind.into())));
        }
        rig.event_loop.platform.register_errors.push_back(ErrorKind::OutOfMemory);
        rig.send(client, b"dial");
        rig.settle();
        assert_eq!(answers.borrow_mut().pop(), Some(Err(ErrorKind::OutOfMemory.into())));
        let attempt = rig.event_loop.platform.attempts[0];
        assert_eq!(rig.closed(attempt), Some(Close::Abort), "the source is not lost");
        assert_eq!(rig.server.open_connections(), 1);
        assert_eq!(rig.server.counters().connects, 0);
        assert_eq!(rig.server.service().0.calls.len(), 5, "opened, and four messages");
    });
    for (connects, port) in [(true, 0), (false, 80)] {
        let (service, answers) = dialing(SocketAddr::from(([10, 0, 0, 1], port)));
        let unsupported = Some(Err(Error::new(ErrorKind::Unsupported)));
        if connects {
            with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
                let client = rig.connected();
                rig.send(client, b"dial");
                rig.settle();
            });
        } else {
            with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
                let client = rig.connected();
                rig.send(client, b"dial");
                rig.settle();
            });
        }
        assert_eq!(answers.borrow_mut().pop(), unsupported, "no such address, or no such service");
    }
}

fn an_attempt_can_be_given_up<const KIND: u8>() {
    let ways: [fn(&mut Peer<'_>, Token); 2] =
        [|peer, token| peer.close_other(token), |peer, token| peer.abort_other(token)];
    for (act, reason) in ways.into_iter().zip([CloseReason::Closed, CloseReason::Aborted]) {
        let (mut service, answers) = dialing(upstream());
        let mut dial = service.on_received;
        let tokens = Rc::clone(&answers);
        let sent = Rc::new(RefCell::new(None));
        let log = Rc::clone(&sent);
        service.on_received = Box::new(move |peer, bytes| {
            if bytes == b"give up" {
                let token = tokens.borrow()[0].unwrap();
                *log.borrow_mut() = Some((peer.send_to(token, b"x"), peer.room_of(token)));
                act(peer, token);
            }
            dial(peer, bytes)
        });
        with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
            let client = rig.connected();
            for message in [&b"dial"[..], b"give up"] {
                rig.send(client, message);
                rig.settle();
            }
            let token = answers.borrow()[0].unwrap();
            assert_eq!(*sent.borrow(), Some((Err(SendError::Closed), 0)), "it is not established");
            assert_eq!(rig.server.service().0.reason(token), Some(reason));
            assert!(!rig.server.service().0.calls.contains(&Call::Opened(token)));
            let attempt = rig.event_loop.platform.attempts[0];
            assert_eq!(rig.closed(attempt), Some(Close::Abort));
        });
    }
}

fn accepting_leaves_a_share_of_the_slots<const KIND: u8>() {
    // Six slots: the listener, and by default three that are kept, so two clients.
    for (config, clients) in [(UNLIMITED, 2), (UNLIMITED.connects_reserved(1), 4)] {
        let (service, answers) = dialing(upstream());
        with_server::<_, KIND>(Shape::SMALL, config, Dialer(service), |rig| {
            let handles: Vec<_> = (0..6).map(|_| rig.connect()).collect();
            rig.settle();
            assert_eq!(rig.server.open_connections(), clients);
            for _ in clients..5 {
                rig.send(handles[0], b"dial");
                rig.settle();
                assert!(answers.borrow_mut().pop().unwrap().is_ok());
                assert_eq!(rig.server.counters().accepted, clients as u64);
            }
            rig.send(handles[0], b"dial");
            rig.settle();
            assert_eq!(answers.borrow_mut().pop(), Some(Err(ErrorKind::Full.into())));
            // A slot that a client frees is a client's again, and no attempt's that ends.
            rig.end(handles[1]);
            rig.settle();
            assert_eq!(rig.server.counters().accepted, clients as u64 + 1);
            let attempt = rig.event_loop.platform.attempts[0];
            rig.socket(attempt).attempt = Err(ErrorKind::ConnectionRefused);
            rig.settle();
            assert_eq!(rig.server.counters().accepted, clients as u64 + 1);
        });
    }
}

fn a_client_is_served_also_if_all_slots_are_reserved<const KIND: u8>() {
    let limit = |max| UNLIMITED.connections_max(max);
    // Six slots: the listener, and by default half of what may be served that is kept.
    let cases = [
        (UNLIMITED.connects_reserved(6), 1),
        (UNLIMITED.connects_reserved(usize::MAX), 1),
        (limit(1), 1),
        (limit(2), 1),
        (limit(3), 2),
        (limit(2).connects_reserved(9), 1),
    ];
    for (config, clients) in cases {
        let (service, _) = dialing(upstream());
        with_server::<_, KIND>(Shape::SMALL, config, Dialer(service), |rig| {
            let handles: Vec<_> = (0..4).map(|_| rig.connect()).collect();
            rig.settle();
            assert_eq!(rig.server.open_connections(), clients);
            rig.end(handles[0]);
            rig.settle();
            assert_eq!(rig.server.counters().accepted, clients as u64 + 1);
        });
    }
}

fn a_server_that_has_drained_begins_no_attempt<const KIND: u8>() {
    let answers = Answers::default();
    let log = Rc::clone(&answers);
    let mut service = Scripted::echo();
    service.on_closed = Box::new(move |peer| log.borrow_mut().push(peer.connect(upstream())));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
        rig.connected();
        let deadline = rig.event_loop.context().now() + Duration::from_secs(1);
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        rig.settle();
        assert!(rig.server.is_drained() && rig.event_loop.is_stopped());
        assert_eq!(answers.borrow().as_slice(), [Err(ErrorKind::Full.into())]);
        assert_eq!(rig.event_loop.platform.attempts.len(), 0);
    });
}

fn a_server_that_only_connects_ends_its_loop<const KIND: u8>() {
    let mut event_loop = EventLoop::new(Toy::<KIND>::new(4), StaticLoop::<4, 8>::new());
    let memory = StaticServer::<Handle, (), 4, 8, 128, 16>::new();
    let mut server = Server::new(Dialer(Scripted::echo()), UNLIMITED, memory);
    let mut context = event_loop.context();
    server.with_all(&mut context, |_, peers| peers.connect(upstream())).unwrap();
    server.drain(&mut context, Instant::from_millis(1000));
    for millis in [500, 1000, 1001] {
        event_loop.turn(Instant::from_millis(millis), &mut server).unwrap();
        assert_eq!(event_loop.is_stopped(), server.is_drained());
    }
    assert!(server.is_drained());
}

fn a_server_connects_by_itself<const KIND: u8>() {
    let origins = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&origins);
    let mut service = Scripted::echo();
    service.on_opened = Box::new(move |peer| log.borrow_mut().push(peer.origin()));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
        let token = rig.server.connect(&mut rig.event_loop.context(), &upstream()).unwrap();
        let attempt = rig.event_loop.platform.attempts[0];
        rig.socket(attempt).attempt = Ok(());
        rig.settle();
        assert_eq!(origins.borrow().as_slice(), [Origin::Connected { by: None }]);
        rig.send(attempt, b"x");
        rig.settle();
        assert_eq!(rig.take(attempt), b"x");
        assert!(rig.server.owns(&rig.event_loop.context(), token));
    });
}

fn an_attempt_outlives_its_opener<const KIND: u8>() {
    let (service, answers) = dialing(upstream());
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
        let client = rig.connected();
        rig.send(client, b"dial");
        rig.settle();
        let opener = rig.token(client);
        rig.end(client);
        rig.settle();
        assert_eq!(rig.server.service().0.reason(opener), Some(CloseReason::Finished));
        let token = answers.borrow()[0].unwrap();
        let attempt = rig.event_loop.platform.attempts[0];
        rig.socket(attempt).attempt = Ok(());
        rig.settle();
        assert!(rig.server.service().0.calls.contains(&Call::Opened(token)));
    });
}

fn another_is_tried_when_one_has_failed<const KIND: u8>() {
    let (mut service, answers) = dialing(upstream());
    let retries = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&retries);
    service.on_closed = Box::new(move |peer| {
        let client = peer.opened_by().expect("only attempts are closed");
        let attempt = peer.other(client).connect(upstream()).unwrap();
        // The slot may be the same, and is not touched under the old name.
        peer.abort();
        assert_eq!(peer.opened_by(), Some(client));
        assert_ne!(peer.token(), attempt);
        log.borrow_mut().push((client, attempt));
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
        let (opener, _, attempt) = dialed(rig, &answers);
        rig.socket(attempt).attempt = Err(ErrorKind::ConnectionRefused);
        rig.settle();
        let (client, second) = retries.borrow()[0];
        assert_eq!(client, opener);
        let attempt = rig.event_loop.platform.attempts[1];
        rig.socket(attempt).attempt = Ok(());
        rig.settle();
        assert!(rig.server.service().0.calls.contains(&Call::Opened(second)));
        rig.send(attempt, b"x");
        rig.settle();
        assert_eq!(rig.server.service().0.reason(second), None);
    });
}

fn a_drain_waits_for_an_attempt_until_its_deadline<const KIND: u8>() {
    for succeeds in [true, false] {
        let (service, answers) = dialing(upstream());
        with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
            let (_, token, attempt) = dialed(rig, &answers);
            let deadline = rig.now + TIMEOUT;
            rig.server.drain(&mut rig.event_loop.context_at(rig.now), deadline);
            rig.pass(just_before(TIMEOUT));
            assert_eq!(rig.server.service().0.reason(token), None);
            assert!(!rig.server.is_drained());
            if succeeds {
                rig.socket(attempt).attempt = Ok(());
                rig.settle();
                assert_eq!(rig.server.service().0.reason(token), Some(CloseReason::Drained));
            } else {
                rig.pass(Duration::from_nanos(1));
                assert_eq!(rig.server.service().0.reason(token), Some(CloseReason::Expelled));
            }
            assert!(rig.server.is_drained());
        });
    }
}

fn a_connection_that_was_released_gives_its_share_back<const KIND: u8>() {
    let (service, answers) = dialing(upstream());
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Dialer(service), |rig| {
        let (_, token, attempt) = dialed(rig, &answers);
        rig.socket(attempt).attempt = Ok(());
        rig.settle();
        let context = &mut rig.event_loop.context();
        rig.server.release(context, token, &mut [0; 16]).unwrap();
        // Three of six slots are kept again, and one is the listener's.
        let clients = [(); 2].map(|()| rig.connect());
        rig.settle();
        assert_eq!(rig.server.open_connections(), 2);
        assert!(rig.socket(clients[1]).watched.is_none());
    });
}
