//! Calls of the service from outside its callbacks, and by its clock.

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use selkie_core::peers::Peers;
use selkie_core::{CloseReason, ErrorKind, Peer, SendError, Service, Token};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, just_before, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::PLATFORM;

on_all! {
    what_is_sent_from_outside_is_flushed a_stale_token_calls_nothing
    large_pieces_of_one_call_are_written_at_once_and_in_order
    what_is_asked_for_from_outside_is_done all_peers_are_reached parts_are_sent_as_one
    parts_go_whole_or_not_at_all a_connection_is_released_with_its_unread_input
    nothing_changes_where_a_connection_cannot_be_released
}

fn a_connection_is_released_with_its_unread_input<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::lines(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.send(client, b"upgrade");
        rig.settle();
        let mut unread = [0; 7];
        let context = &mut rig.event_loop.context();
        let (source, (), count) = rig.server.release(context, token, &mut unread).unwrap();
        assert_eq!(source, client);
        if KIND == PLATFORM {
            assert_eq!((count, rig.socket(client).left), (0, 0), "it stays in the platform");
        } else {
            assert_eq!(&unread[..count], b"upgrade");
        }
        assert_eq!(rig.server.open_connections(), 0);
        assert_eq!(rig.server.blocks_borrowed(), 0);
        assert_eq!(rig.closed(client), None, "it stays open");
        assert!(rig.socket(client).watched.is_none());
        assert_eq!(rig.server.service().reason(token), None, "the service is not told");
        let token = rig.server.adopt(&mut rig.event_loop.context(), source).unwrap();
        rig.send(client, b"\n");
        rig.settle();
        assert_eq!(rig.server.service().reason(token), None);
    });
}

fn nothing_changes_where_a_connection_cannot_be_released<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::lines(), |rig| {
        let client = rig.connected();
        let (token, listener) = (rig.token(client), rig.token(rig.listener));
        let release = |rig: &mut Rig<'_, Scripted, KIND>, token, unread: &mut [u8]| {
            let released = rig.server.release(&mut rig.event_loop.context(), token, unread);
            released.map(|(_, (), count)| count)
        };
        for other in [listener, Token::new(99, 1), Token::new(1, 9)] {
            assert_eq!(release(rig, other, &mut [0; 16]), Err(ErrorKind::Stale.into()));
        }
        if KIND == PLATFORM {
            return;
        }
        rig.send(client, b"piece");
        rig.settle();
        assert_eq!(release(rig, token, &mut [0; 4]), Err(ErrorKind::InvalidInput.into()));
        rig.give_room(client, 0);
        rig.server.with(&mut rig.event_loop.context(), token, |_, peer, ()| peer.send(b"x"));
        assert_eq!(release(rig, token, &mut [0; 16]), Err(ErrorKind::WouldBlock.into()));
        assert_eq!(rig.server.open_connections(), 1);
        rig.give_room(client, 1);
        rig.settle();
        assert_eq!(release(rig, token, &mut [0; 16]), Ok(5));
    });
}

fn what_is_sent_from_outside_is_flushed<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        let writes = rig.socket(client).writes;
        let answer = rig.server.with(&mut rig.event_loop.context(), token, |_, peer, ()| {
            for _ in 0..4 {
                peer.send(b"ab").unwrap();
            }
            peer.token()
        });
        assert_eq!(answer, Some(token));
        assert_eq!(rig.take(client), b"abababab");
        if KIND != PLATFORM {
            assert_eq!(rig.socket(client).writes - writes, 2, "the later ones are gathered");
        }
        assert_eq!(rig.server.blocks_borrowed(), 0);
    });
}

fn large_pieces_of_one_call_are_written_at_once_and_in_order<const KIND: u8>() {
    let shape = Shape { block_size: 8192, ..Shape::SMALL };
    with_server::<_, KIND>(shape, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        let all = [[b'a'; 4096], [b'b'; 4096], [b'c'; 4096]].concat();
        // Of the second time, the second piece goes in part, and the third waits behind it.
        for room in [usize::MAX, 5000] {
            if KIND != PLATFORM {
                rig.give_room(client, room);
            }
            let writes = rig.socket(client).writes;
            rig.server.with(&mut rig.event_loop.context(), token, |_, peer, ()| {
                all.chunks(4096).for_each(|piece| peer.send(piece).unwrap());
            });
            if KIND != PLATFORM && room == usize::MAX {
                assert_eq!(rig.socket(client).writes - writes, 3);
                assert_eq!(rig.server.counters().blocks_max, 0, "nothing was copied");
            }
            rig.give_room(client, usize::MAX);
            rig.settle();
            assert_eq!(rig.take(client), all);
        }
    });
}

fn a_stale_token_calls_nothing<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        let listener = rig.token(rig.listener);
        rig.end(client);
        rig.settle();
        let heir = rig.connected();
        assert_eq!(rig.token(heir).index(), token.index(), "the slot is used again");
        for token in [token, listener, Token::new(99, 1)] {
            let called =
                rig.server.with(&mut rig.event_loop.context(), token, |_, peer, ()| peer.token());
            assert_eq!(called, None);
        }
    });
}

fn what_is_asked_for_from_outside_is_done<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::lines(), |rig| {
        let (leaver, waiter) = (rig.connected(), rig.connected());
        let (leaving, waiting) = (rig.token(leaver), rig.token(waiter));
        rig.send(waiter, b"piece");
        rig.settle();
        rig.server.with(&mut rig.event_loop.context(), leaving, |_, peer, ()| peer.close());
        rig.settle();
        assert_eq!(rig.server.service().reason(leaving), Some(CloseReason::Closed));
        let offers = |rig: &Rig<'_, Scripted, KIND>| {
            let offered = Call::Received(waiting, b"piece".to_vec());
            rig.server.service().count(|call| *call == offered)
        };
        let before = offers(rig);
        let context = &mut rig.event_loop.context_at(rig.now);
        rig.server.with(context, waiting, |_, peer, ()| {
            peer.resume_reading();
            peer.set_timer(Duration::from_secs(1));
        });
        rig.settle();
        assert_eq!(offers(rig), before + 1, "it is offered again");
        rig.pass(Duration::from_secs(1));
        assert!(rig.server.service().calls.contains(&Call::TimerExpired(waiting)));
    });
}

fn all_peers_are_reached<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let clients = [rig.connected(), rig.connected(), rig.connected()];
        let tokens = clients.map(|client| rig.token(client));
        rig.give_room(clients[1], if KIND == PLATFORM { 5 } else { 2 });
        let sent = rig.server.with_all(&mut rig.event_loop.context(), |_, peers| {
            let sent = tokens.map(|token| peers.send_to(token, b"hello"));
            peers.peer(tokens[2]).close();
            sent
        });
        assert_eq!(sent, [Ok(()); 3]);
        rig.give_room(clients[1], usize::MAX);
        rig.settle();
        assert_eq!(clients.map(|client| rig.take(client)), [b"hello"; 3].map(|b| b.to_vec()));
        assert_eq!(rig.server.service().reason(tokens[2]), Some(CloseReason::Closed));
        let gone = rig.server.with_all(&mut rig.event_loop.context(), |_, peers| {
            (peers.send_to(tokens[2], b"x"), peers.peer(tokens[2]).room())
        });
        assert_eq!(gone, (Err(SendError::Closed), 0));
    });
}

fn parts_are_sent_as_one<const KIND: u8>() {
    let mut service = Scripted::echo();
    service.on_received = Box::new(|peer, bytes| {
        peer.send_parts(&[b"<", b"", bytes, b">"]).unwrap();
        peer.send_parts(&[b"(", bytes, b")"]).unwrap();
        bytes.len()
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"abc");
        rig.settle();
        assert_eq!(rig.take(client), b"<abc>(abc)");
        if KIND != PLATFORM {
            assert_eq!(rig.socket(client).writes, 2, "each is one write");
            for room in 0..10 {
                rig.give_room(client, room);
                rig.send(client, b"abc");
                rig.settle();
                assert_eq!(rig.take(client), b"<abc>(abc)"[..room]);
                rig.give_room(client, usize::MAX);
                rig.settle();
                assert_eq!(rig.take(client), b"<abc>(abc)"[room..]);
            }
        }
    });
}

fn parts_go_whole_or_not_at_all<const KIND: u8>() {
    let results = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&results);
    let mut service = Scripted::echo();
    service.on_received = Box::new(move |peer, bytes| {
        let sizes: [&[u8]; 3] = [&[b'x'; 16], &[b'y'; 15], &[b'z'; 17]];
        for part in sizes {
            log.borrow_mut().push(peer.send_parts(&[part, b"!"]));
        }
        log.borrow_mut().push(peer.send_parts(&[]));
        bytes.len()
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 16);
        rig.send(client, b"x");
        rig.settle();
        // The toy platform's own buffer once had room for more.
        let never = if KIND == PLATFORM { SendError::Full } else { SendError::TooLong };
        assert_eq!(results.borrow().as_slice(), [Err(never), Ok(()), Err(never), Ok(())]);
        assert_eq!(rig.take(client), b"yyyyyyyyyyyyyyy!");
    });
}

/// A service that is called by its clock.
#[derive(Default)]
struct Ticker {
    clients: Vec<Token>,
    ticks: usize,
}

impl Service for Ticker {
    type Session = ();

    const TICK: Option<Duration> = Some(Duration::from_secs(1));

    fn tick(&mut self, peers: &mut Peers<'_>) {
        self.ticks += 1;
        for client in &self.clients {
            let _ = peers.send_to(*client, b"tick");
        }
    }

    fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        self.clients.push(peer.token());
    }

    fn received(&mut self, _: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        bytes.len()
    }
}

#[test]
fn a_service_with_a_clock_is_called_at_each_interval() {
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, Ticker::default(), |rig| {
        rig.others = 1;
        let second = Duration::from_secs(1);
        let client = rig.connected();
        // The deadline of another handler is no tick.
        rig.others = 2;
        let mut context = rig.event_loop.context();
        let other = context.issue().expect("there is a slot");
        context.set_timer(other, rig.now + second / 2).expect("it is live");
        let start = rig.server.service().ticks;
        rig.take(client);
        rig.pass(second);
        assert_eq!(rig.server.service().ticks, start + 1);
        rig.pass(just_before(second));
        assert_eq!(rig.server.service().ticks, start + 1);
        rig.pass(second * 9);
        assert_eq!(rig.server.service().ticks, start + 10);
        assert_eq!(rig.take(client), b"tick".repeat(10));
        // A drained server gives the slot of its clock back.
        rig.server.drain(&mut rig.event_loop.context_at(rig.now), rig.now + second);
        rig.settle();
        assert!(rig.server.is_drained());
        let ticks = rig.server.service().ticks;
        rig.others = 1;
        rig.now = rig.now + second;
        rig.turn();
        assert_eq!(rig.server.service().ticks, ticks);
        assert_eq!(rig.event_loop.live_tokens(), 1, "that of the other handler");
    });
}

#[test]
fn the_parts_of_one_send_are_one_write() {
    let mut service = Scripted::echo();
    service.on_received = Box::new(|peer, bytes| {
        peer.send_parts(&[b"<", bytes, b">"]).unwrap();
        bytes.len()
    });
    with_server::<_, { crate::toy::SERVER }>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"abc");
        rig.settle();
        assert_eq!(rig.take(client), b"<abc>");
        assert_eq!(rig.socket(client).writes, 1);
    });
}
