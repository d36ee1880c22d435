//! Connections that wait for a block: their order, and that none and nothing is left behind.

use core::time::Duration;

use selkie_core::Peer;

use crate::rig::{Rig, Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::{Handle, PLATFORM, SERVER};

const SCARCE: Shape = Shape { slots: 10, blocks: 2, ..Shape::SMALL };

/// Requests a call when the peer takes bytes, and does nothing else.
fn ask_to_write(peer: &mut Peer<'_>) {
    peer.request_writable();
}

/// Makes a client borrow one block, for output that it does not take.
fn stall(rig: &mut Rig<'_, Scripted, SERVER>, client: Handle) {
    rig.give_room(client, 0);
    rig.send(client, b"pending");
    rig.settle();
    assert_eq!(rig.server.blocks_borrowed(), 1);
}

/// Checks that a client with pending output is read from again, once no one waits any more.
fn check_that_no_client_waits(rig: &mut Rig<'_, Scripted, SERVER>, client: Handle) {
    stall(rig, client);
    rig.send(client, b" more");
    rig.settle();
    assert!(rig.socket(client).incoming.is_empty(), "others are not waited for");
    rig.give_room(client, usize::MAX);
    rig.settle();
    assert!(rig.take(client).ends_with(b"pending more"));
}

#[test]
fn who_was_served_is_not_waited_for() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::echo(), |rig| {
        let (pending, waiter) = (rig.connected(), rig.connected());
        stall(rig, pending);
        rig.send(waiter, b"x");
        rig.settle();
        assert_eq!(rig.server.counters().buffer_waits, 1);
        rig.give_room(pending, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(waiter), b"x");
        check_that_no_client_waits(rig, pending);
    });
}

#[test]
fn a_newcomer_does_not_overtake() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::echo(), |rig| {
        let (pending, waiter, newcomer) = (rig.connected(), rig.connected(), rig.connected());
        stall(rig, pending);
        rig.send(waiter, b"x");
        rig.settle();
        // In one batch the block comes back, and the newcomer, who would keep one, has something to
        // be read.
        rig.give_room(newcomer, 0);
        rig.send(newcomer, b"y");
        rig.give_room(pending, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(waiter), b"x");
        rig.give_room(newcomer, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(newcomer), b"y");
    });
}

#[test]
fn those_who_wait_are_served_in_turn() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::echo(), |rig| {
        let (pending, one, two, three) =
            (rig.connected(), rig.connected(), rig.connected(), rig.connected());
        stall(rig, pending);
        for client in [one, two, three] {
            rig.give_room(client, 0);
            rig.send(client, &[b'x'; 48]);
        }
        rig.settle();
        rig.give_room(pending, usize::MAX);
        rig.settle();
        assert_eq!(rig.socket(one).writes, 1);
        // Each keeps the block until its peer takes the bytes, and has more to be read then.
        for (served, next) in [(one, two), (two, three), (three, one)] {
            let writes = rig.socket(next).writes;
            rig.settle();
            assert_eq!(rig.socket(next).writes, writes, "it has no block to send from");
            rig.give_room(served, 16);
            rig.settle();
            assert!(rig.socket(next).writes > writes);
        }
    });
}

#[test]
fn who_waits_is_not_read_when_it_is_looked_after() {
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(10)));
    with_server::<_, SERVER>(SCARCE, config, Scripted::echo(), |rig| {
        let (pending, waiter) = (rig.connected(), rig.connected());
        rig.pass(Duration::from_secs(5));
        rig.send(waiter, b"x");
        rig.settle();
        rig.give_room(pending, 0);
        rig.send(pending, &[0; 100]);
        rig.settle();
        assert_eq!(rig.server.blocks_borrowed(), 2);
        rig.send(waiter, b"y");
        rig.pass(Duration::from_secs(6));
        assert_eq!(
            rig.socket(waiter).incoming.len(),
            1,
            "it may have been idle, but there is no block"
        );
        assert_eq!(rig.closed(waiter), None);
    });
}

#[test]
fn a_full_input_buffer_is_offered_and_not_read_into() {
    let mut service = Scripted::lines();
    service.on_opened = Box::new(|peer| peer.set_timer(Duration::from_secs(1)));
    service.on_timer_expired = Box::new(ask_to_write);
    with_server::<_, SERVER>(Shape { blocks: 3, ..SCARCE }, UNLIMITED, service, |rig| {
        let (full, has_both) = (rig.connected(), rig.connected());
        rig.send(full, &[b'x'; 20]);
        rig.settle();
        rig.give_room(has_both, 0);
        rig.send(has_both, b"line\npiece");
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.server.counters().buffer_waits, 1, "to write takes a block");
        rig.give_room(has_both, usize::MAX);
        rig.settle();
        assert_eq!(rig.socket(full).incoming.len(), 4);
        assert_eq!(rig.closed(full), None);
    });
}

#[test]
fn who_wants_to_write_waits_for_a_block() {
    let mut service = Scripted::lines();
    service.on_opened = Box::new(ask_to_write);
    with_server::<_, SERVER>(SCARCE, UNLIMITED, service, |rig| {
        let has_both = rig.connected();
        rig.give_room(has_both, 0);
        rig.send(has_both, b"line\npiece");
        rig.settle();
        assert_eq!(rig.server.blocks_borrowed(), 2);
        let writer = rig.connected();
        let told = Call::Writable(rig.token(writer));
        assert_eq!(
            rig.server.service().count(|call| *call == told),
            0,
            "there is no block for what it would send"
        );
        rig.give_room(has_both, usize::MAX);
        rig.settle();
        assert_eq!(rig.server.blocks_borrowed(), 1);
        assert_eq!(
            rig.server.service().count(|call| *call == told),
            1,
            "one block is enough to write"
        );
    });
}

#[test]
fn where_the_platform_keeps_what_waits_no_block_is_needed() {
    let shape = Shape { blocks: 0, ..SCARCE };
    with_server::<_, PLATFORM>(shape, UNLIMITED, Scripted::lines(), |rig| {
        let client = rig.connected();
        for piece in [&b"a "[..], b"b\n", b"c"] {
            rig.send(client, piece);
            rig.settle();
        }
        assert_eq!(rig.take(client), b"a b\n");
        assert_eq!(rig.socket(client).incoming.len(), 1, "what is left stays where it is");
    });
}
