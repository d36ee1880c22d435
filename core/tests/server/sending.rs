//! The output of a service: how much at once, in which order, and in how many writes.

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use selkie_core::layers::{Ending, PeerOps};
use selkie_core::memory::Entry;
use selkie_core::peers::Origin;
use selkie_core::{Instant, Peer, SendError, Token};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::{Handle, PLATFORM, SERVER};

/// Returns a service that calls `act` with each peer that sends anything, and takes what was sent.
fn acting(mut act: impl FnMut(&mut Peer<'_>) + 'static) -> Scripted {
    let mut service = Scripted::sink();
    service.on_received = Box::new(move |peer, bytes| {
        act(peer);
        bytes.len()
    });
    service
}

/// Calls `act` for a client from outside.
fn with<const KIND: u8, R>(
    rig: &mut Rig<'_, Scripted, KIND>,
    client: Handle,
    act: impl FnOnce(&mut Peer<'_>) -> R,
) -> R {
    let token = rig.token(client);
    let context = &mut rig.event_loop.context();
    rig.server.with(context, token, |_, peer, ()| act(peer)).expect("the client is connected")
}

on_all! { another_peer_is_called_when_that_was_asked_for the_time_is_the_same_for_all }

fn another_peer_is_called_when_that_was_asked_for<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let (one, other) = (rig.connected(), rig.connected());
        let token = rig.token(other);
        with(rig, one, |peer| peer.request_writable_of(token));
        rig.settle();
        assert_eq!(rig.server.service().count(|call| *call == Call::Writable(token)), 1);
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::Writable(_))), 1);
    });
}

fn the_time_is_the_same_for_all<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.event_loop.platform.clock = Instant::from_millis(9000);
        let times = rig.server.with_all(&mut rig.event_loop.context(), |_, peers| {
            [peers.now(), peers.peer(token).now()]
        });
        assert_eq!(times, [Instant::from_millis(9000); 2]);
    });
}

#[test]
fn more_than_a_block_is_sent_as_far_as_the_platform_takes_it() {
    for (room, expected) in [(usize::MAX, 40), (10, 26), (0, 16)] {
        with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
            let client = rig.connected();
            rig.give_room(client, room);
            let all: Vec<u8> = (0..40).collect();
            assert_eq!(with(rig, client, |peer| peer.send_some(&all)), expected);
            rig.give_room(client, usize::MAX);
            rig.settle();
            assert_eq!(rig.take(client), all[..expected]);
        });
    }
}

#[test]
fn a_long_piece_that_was_taken_whole_leaves_nothing_to_wait_for() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        with(rig, client, |peer| assert_eq!(peer.send_some(&[b'x'; 40]), 40));
        rig.settle();
        assert_eq!(rig.server.service().count(|call| *call == Call::Writable(token)), 0);
        // It was the first send of its call, so the next is gathered.
        let writes = rig.socket(client).writes;
        with(rig, client, |peer| {
            assert_eq!(peer.send_some(&[b'x'; 40]), 40);
            peer.send(b"a").unwrap();
            peer.send(b"b").unwrap();
        });
        assert_eq!(rig.socket(client).writes, writes + 2);
    });
}

#[test]
fn as_much_as_a_block_is_full_and_a_byte_more_is_too_long() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        with(rig, client, |peer| {
            peer.send(b"x").unwrap();
            assert_eq!(peer.send(&[b'x'; 16]), Err(SendError::Full));
            assert_eq!(peer.send(&[b'x'; 17]), Err(SendError::TooLong));
        });
    });
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connect();
        rig.give_room(client, 20);
        rig.settle();
        with(rig, client, |peer| {
            peer.send(b"x").unwrap();
            assert_eq!(peer.send(&[b'x'; 20]), Err(SendError::Full));
            assert_eq!(peer.send(&[b'x'; 21]), Err(SendError::TooLong));
        });
    });
}

#[test]
fn what_was_gathered_makes_room_for_what_follows() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        with(rig, client, |peer| {
            peer.send(&[b'a'; 8]).unwrap();
            peer.send(&[b'b'; 12]).unwrap();
            peer.send(&[b'c'; 10]).unwrap();
            assert_eq!(peer.send_some(&[b'd'; 10]), 10);
            peer.send_parts(&[&[b'e'; 5], &[b'f'; 6]]).unwrap();
        });
        let all = [&[b'a'; 8][..], &[b'b'; 12], &[b'c'; 10], &[b'd'; 10], &[b'e'; 5], &[b'f'; 6]];
        assert_eq!(rig.take(client), all.concat());
    });
}

#[test]
fn gathered_bytes_that_the_platform_does_not_take_make_no_room() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 8);
        with(rig, client, |peer| {
            peer.send(&[b'a'; 8]).unwrap();
            peer.send(&[b'b'; 12]).unwrap();
            assert_eq!(peer.send(&[b'c'; 5]), Err(SendError::Full));
            assert_eq!(peer.send_some(&[b'd'; 5]), 4);
        });
    });
}

#[test]
fn nothing_is_written_while_the_peer_takes_nothing() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 4);
        let writes = rig.socket(client).writes;
        with(rig, client, |peer| {
            peer.send(&[b'a'; 8]).unwrap();
            peer.send(&[b'b'; 8]).unwrap();
            assert_eq!((peer.room(), peer.send(b"123456789")), (4, Err(SendError::Full)));
            peer.send(b"1234").unwrap();
            assert_eq!((peer.room(), peer.send(b"1")), (0, Err(SendError::Full)));
        });
        assert_eq!(rig.socket(client).writes, writes + 1, "the first write found the end of room");
        rig.settle();
        assert_eq!(rig.socket(client).writes, writes + 1);
    });
}

#[test]
fn parts_do_not_overtake_what_is_pending() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 1);
        // The peer takes bytes right after the first write.
        rig.socket(client).refill = Some(100);
        with(rig, client, |peer| {
            peer.send(b"ab").unwrap();
            peer.send_parts(&[b"c", b"d"]).unwrap();
        });
        rig.settle();
        assert_eq!(rig.take(client), b"abcd");
    });
}

#[test]
fn parts_behind_another_send_are_gathered() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let writes = rig.socket(client).writes;
        with(rig, client, |peer| {
            peer.send(b"a").unwrap();
            peer.send_parts(&[b"b", b"c"]).unwrap();
            peer.send_parts(&[b"d", b"e"]).unwrap();
        });
        assert_eq!(rig.socket(client).writes, writes + 2);
        with(rig, client, |peer| {
            peer.send_parts(&[b"f", b"g"]).unwrap();
            peer.send(b"h").unwrap();
            peer.send_parts(&[b"", b""]).unwrap();
            peer.send(b"i").unwrap();
        });
        assert_eq!(rig.socket(client).writes, writes + 4);
        assert_eq!(rig.take(client), b"abcdefghi");
        with(rig, client, |peer| peer.send_parts(&[b"", b""]).unwrap());
        assert_eq!(rig.socket(client).writes, writes + 4, "there is nothing to write");
    });
}

#[test]
fn sends_to_others_in_parts_gather_nothing_of_ones_own() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let (one, other) = (rig.connected(), rig.connected());
        let token = rig.token(other);
        with(rig, one, |peer| {
            peer.other(token).send_parts(&[b"a", b"b"]).unwrap();
            assert_eq!(peer.other(token).send_some(&[b'c'; 40]), 40);
            peer.send(b"d").unwrap();
            assert_eq!(peer.counters().bytes_out, 43, "the first of its own goes at once");
        });
    });
}

#[test]
fn the_room_of_each_peer_is_told_on_the_fast_path() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&log);
    let other = Token::new(2, 1);
    let service = acting(move |peer| {
        seen.borrow_mut().push((peer.room_of(other), peer.room(), peer.received_max()));
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (one, other) = (rig.connected(), rig.connected());
        rig.give_room(other, 0);
        with(rig, other, |peer| peer.send(b"1234567").unwrap());
        rig.send(one, b"x");
        rig.settle();
        assert_eq!(*log.borrow(), [(9, 16, 16)]);
    });
}

#[test]
fn the_address_of_a_peer_is_known_on_the_fast_path() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&log);
    let service = acting(move |peer| seen.borrow_mut().push(peer.remote_address()));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        let address = Some(([10, 0, 0, 7], 7).into());
        rig.socket(client).remote = address;
        rig.send(client, b"x");
        rig.settle();
        assert_eq!(*log.borrow(), [address]);
    });
}

/// A layer's peer with a little room, which has the other operations from their defaults.
struct Narrow(usize, Vec<u8>);

impl PeerOps for Narrow {
    fn send(&mut self, _: Token, bytes: &[u8]) -> Result<(), SendError> {
        self.1.extend(bytes);
        Ok(())
    }

    fn send_some(&mut self, _: Token, _: &[u8]) -> usize {
        0
    }

    fn room(&mut self, _: Token) -> usize {
        self.0
    }

    fn received_max(&self) -> usize {
        0
    }

    fn now(&mut self) -> Instant {
        Instant::ZERO
    }

    fn set_timer(&mut self, _: Token, _: Option<Instant>) {}
    fn request_writable(&mut self, _: Token) {}
    fn set_reading(&mut self, _: Token, _: bool) {}
    fn shutdown_write(&mut self, _: Token) {}
    fn close(&mut self, _: Token, _: Ending) {}
}

#[test]
fn a_layer_sends_parts_one_after_another_if_there_is_room_for_all() {
    let mut ops = Narrow(4, Vec::new());
    let mut peer = Peer::new(Token::new(1, 1), &mut ops);
    assert_eq!(peer.send_parts(&[b"ab", b"cde"]), Err(SendError::Full));
    assert_eq!(peer.send_parts(&[b"ab", b"cd"]), Ok(()));
    assert_eq!(peer.send_parts(&[b"a"]), Ok(()));
    assert_eq!(ops.1, b"abcda");
}

#[test]
fn a_peer_that_takes_less_than_it_is_sent_has_its_time_from_the_last_byte() {
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(2)));
    with_server::<_, SERVER>(Shape::SMALL, config, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        with(rig, client, |peer| peer.send(b"0123456789").unwrap());
        for _ in 0..5 {
            rig.pass(Duration::from_secs(1));
            rig.give_room(client, 1);
            rig.settle();
        }
        assert_eq!(rig.closed(client), None, "each byte that it takes is progress");
    });
}

#[test]
fn sends_that_fit_are_gathered_whole() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let writes = rig.socket(client).writes;
        with(rig, client, |peer| {
            for piece in [&b"a"[..], &[b'b'; 8], &[b'c'; 8]] {
                assert_eq!(peer.send_some(piece), piece.len());
            }
        });
        assert_eq!(rig.socket(client).writes, writes + 2, "a full block is not flushed early");
    });
}

#[test]
fn on_the_fast_path_each_peer_has_its_own_timer() {
    let mut service = acting(|peer| {
        peer.other(Token::new(2, 1)).set_timer(Duration::from_secs(1));
    });
    service.on_timer_expired = Box::new(|_| ());
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let (one, other) = (rig.connected(), rig.connected());
        let tokens = [one, other].map(|client| rig.token(client));
        rig.send(one, b"x");
        rig.pass(Duration::from_secs(2));
        let expired = tokens
            .map(|token| rig.server.service().count(|call| *call == Call::TimerExpired(token)));
        assert_eq!(expired, [0, 1]);
    });
}

#[test]
fn on_the_fast_path_a_stream_can_be_ended() {
    let service = acting(|peer| {
        peer.send(b"bye").unwrap();
        peer.shutdown_write();
    });
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"x");
        rig.settle();
        assert_eq!(rig.take(client), b"bye");
        assert!(rig.socket(client).write_ended);
        assert_eq!(rig.closed(client), None);
    });
}

#[test]
fn another_peer_without_room_in_the_platform_is_called_when_there_is_some() {
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let (one, other) = (rig.connected(), rig.connected());
        let token = rig.token(other);
        rig.give_room(other, 0);
        with(rig, one, |peer| assert_eq!(peer.send_to(token, b"x"), Err(SendError::Full)));
        rig.settle();
        rig.give_room(other, 10);
        rig.settle();
        assert_eq!(rig.server.service().count(|call| *call == Call::Writable(token)), 1);
    });
}

#[test]
fn a_refused_send_to_another_asks_for_no_call_of_ones_own() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let (one, other) = (rig.connected(), rig.connected());
        let token = rig.token(other);
        with(rig, one, |peer| {
            assert_eq!(peer.send_to(token, &[b'x'; 17]), Err(SendError::TooLong));
        });
        rig.send(other, b"x");
        rig.settle();
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::Writable(_))), 0);
    });
}

#[test]
fn the_origin_of_a_connection_that_never_was_is_unknown() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let (client, gone) = (rig.connected(), rig.connected());
        let listener = rig.token(rig.listener);
        let token = rig.token(gone);
        rig.end(gone);
        rig.settle();
        let origins = with(rig, client, |peer| {
            [peer.origin(), peer.other(token).origin(), peer.other(Token::new(4, 9)).origin()]
        });
        let accepted = Origin::Accepted(listener);
        assert_eq!(origins, [accepted, accepted, Origin::Adopted]);
    });
}

#[test]
fn an_entry_is_vacant_until_it_is_taken() {
    assert!(Entry::<u8>::Vacant.is_vacant());
    assert!(!Entry::Taken(1).is_vacant());
}
