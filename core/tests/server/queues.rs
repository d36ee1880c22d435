//! Queues for a block and for a slot, and the end of the grace of those who wait.

use core::time::Duration;
use std::cell::Cell;
use std::rc::Rc;

use selkie_core::{CloseReason, Config, ErrorKind, Peer, Service, Token};

use crate::rig::{Rig, Shape, UNLIMITED, just_before, with_server};
use crate::scripted::{Call, Scripted, lines};
use crate::toy::{Handle, SERVER};

const SCARCE: Shape = Shape { slots: 10, blocks: 2, ..Shape::SMALL };
const GRACE: Config = UNLIMITED.buffer_grace(Duration::from_secs(2));
const SECOND: Duration = Duration::from_secs(1);

/// Makes a client borrow a block for output that it does not take.
fn stall(rig: &mut Rig<'_, Scripted, SERVER>, client: Handle) {
    rig.give_room(client, 0);
    rig.send(client, b"pending");
    rig.settle();
}

/// Makes a client of a service of lines borrow two blocks, one in each direction.
fn hold_both(rig: &mut Rig<'_, Scripted, SERVER>, client: Handle) {
    rig.give_room(client, 0);
    rig.send(client, b"line\npiece");
    rig.settle();
    assert_eq!(rig.server.blocks_borrowed(), 2);
}

#[test]
fn a_connection_that_closes_gives_those_who_hold_blocks_no_longer_grace() {
    with_server::<_, SERVER>(SCARCE, GRACE, Scripted::lines(), |rig| {
        let [holder, waiter, other] = [(); 3].map(|()| rig.connected());
        hold_both(rig, holder);
        rig.send(waiter, b"x\n");
        rig.settle();
        rig.pass(SECOND);
        let token = rig.token(other);
        rig.server.with(&mut rig.event_loop.context(), token, |_, peer, ()| peer.abort());
        rig.pass(just_before(SECOND));
        assert!(rig.closed(other).is_some());
        assert_eq!(rig.closed(holder), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::BufferNeeded), 1);
        assert_eq!(rig.take(waiter), b"x\n");
    });
}

#[test]
fn the_next_in_line_for_input_waits_for_a_whole_grace_again() {
    let shape = Shape { blocks: 3, ..SCARCE };
    let mut service = Scripted::lines();
    // To answer would take one more block.
    service.on_received = Box::new(|peer, bytes| match bytes {
        b"piece\n" => bytes.len(),
        _ => lines(peer, bytes),
    });
    with_server::<_, SERVER>(shape, GRACE, service, |rig| {
        let [holder, brief, first, second] = [(); 4].map(|()| rig.connected());
        hold_both(rig, holder);
        for client in [brief, first, second] {
            rig.send(client, b"piece");
            rig.settle();
        }
        rig.pass(SECOND);
        // The first in line gets the block, and keeps it.
        rig.send(brief, b"\n");
        rig.settle();
        assert!(rig.socket(first).incoming.is_empty());
        assert!(!rig.socket(second).incoming.is_empty());
        rig.pass(just_before(SECOND * 2));
        assert_eq!(rig.closed(holder), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::BufferNeeded), 1);
        assert!(rig.closed(holder).is_some());
    });
}

#[test]
fn the_last_block_is_not_borrowed_for_input_when_output_has_drained() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::lines(), |rig| {
        let [drained, one, other] = [(); 3].map(|()| rig.connected());
        rig.give_room(drained, 0);
        rig.send(drained, b"line\n");
        rig.settle();
        rig.give_room(drained, usize::MAX);
        rig.settle();
        rig.send(one, b"piece");
        rig.send(other, b"piece");
        rig.settle();
        assert_eq!(rig.server.blocks_borrowed(), 1, "one is left to send from");
        assert_eq!(rig.server.counters().buffer_waits, 1);
    });
}

#[test]
fn a_timer_costs_a_paused_connection_not_its_place_in_line() {
    let mut service = Scripted::lines();
    service.on_opened = Box::new(|peer| {
        if peer.token().index() == 3 {
            peer.set_timer(SECOND);
            peer.pause_reading();
        }
        if peer.token().index() > 2 {
            peer.request_writable();
        }
    });
    service.on_writable = Box::new(|peer| {
        if peer.token().index() > 2 {
            peer.send(b"at last").unwrap();
        }
    });
    with_server::<_, SERVER>(SCARCE, UNLIMITED, service, |rig| {
        let held = [(); 2].map(|()| rig.connected());
        for client in held {
            rig.give_room(client, 0);
            rig.send(client, b"line\n");
            rig.settle();
        }
        let [first, second] = [(); 2].map(|()| {
            let client = rig.connect();
            rig.give_room(client, 0);
            rig.settle();
            client
        });
        rig.pass(SECOND * 2);
        rig.give_room(held[0], usize::MAX);
        rig.settle();
        for client in [first, second] {
            rig.give_room(client, 1);
        }
        rig.settle();
        assert_eq!([first, second].map(|client| rig.take(client)), [b"a".to_vec(), Vec::new()]);
    });
}

#[test]
fn who_is_called_and_does_not_send_keeps_its_place_for_one_more_turn() {
    // A relay: what the first client sends goes to the second.
    let ends = Rc::new(Cell::new([Token::new(2, 1), Token::new(3, 1)]));
    let mut service = Scripted::echo();
    let known = Rc::clone(&ends);
    service.on_received = Box::new(move |peer, bytes| {
        let [from, to] = known.get();
        if peer.token() != from {
            return peer.send_some(bytes);
        }
        let count = peer.send_some_to(to, bytes);
        if count < bytes.len() {
            peer.request_writable_of(to);
        }
        count
    });
    service.on_writable = Box::new(move |peer| {
        let [from, to] = ends.get();
        if peer.token() == to {
            peer.resume_reading_of(from);
        }
    });
    let shape = Shape { blocks: 3, ..SCARCE };
    with_server::<_, SERVER>(shape, UNLIMITED, service, |rig| {
        let [held, from, to, other, last] = [(); 5].map(|()| rig.connected());
        stall(rig, held);
        stall(rig, last);
        rig.give_room(to, 0);
        rig.send(from, b"relayed");
        rig.settle();
        rig.give_room(other, 0);
        rig.send(other, b"y");
        rig.settle();
        let writes = rig.socket(to).writes;
        rig.give_room(held, usize::MAX);
        rig.settle();
        assert!(rig.socket(to).writes > writes, "the block is for the relay");
        rig.give_room(to, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(to), b"relayed");
    });
}

#[test]
fn a_listener_that_is_taken_out_leaves_its_turn_to_the_next() {
    let config = UNLIMITED.connections_max(1);
    with_server::<_, SERVER>(Shape::SMALL, config, Scripted::echo(), |rig| {
        let first = rig.token(rig.listener);
        let second = rig.event_loop.platform.listener();
        rig.server.listen(&mut rig.event_loop.context(), second).unwrap();
        let served = rig.connected();
        rig.connect();
        let late = rig.event_loop.platform.stream();
        rig.socket(second).backlog.push_back(late);
        rig.settle();
        let token = rig.token(served);
        rig.server.with(&mut rig.event_loop.context(), token, |_, peer, ()| peer.abort());
        // The slot is free, and the first listener in line is to accept in the next turn.
        rig.server.unlisten(&mut rig.event_loop.context(), first).unwrap();
        rig.send(late, b"x");
        rig.settle();
        assert_eq!(rig.take(late), b"x");
        rig.others = 0;
    });
}

/// Fills a server, and returns when its next turn is due.
fn due_when_full<S: Service>(rig: &mut Rig<'_, S, SERVER>) -> Option<selkie_core::Instant> {
    while rig.event_loop.live_tokens() < Shape::SMALL.slots {
        rig.connected();
    }
    rig.connect();
    rig.settle();
    rig.turn()
}

#[test]
fn a_listener_that_waits_for_its_own_connections_is_not_tried_by_time() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        assert_eq!(due_when_full(rig), None);
        assert_eq!(rig.server.service().count(|call| matches!(call, Call::Opened(_))), 5);
    });
}

/// Echoes, and has a clock.
struct Ticking;

impl Service for Ticking {
    type Session = ();

    const TICK: Option<Duration> = Some(Duration::from_secs(3600));

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        peer.send_some(bytes)
    }
}

#[test]
fn the_slot_of_the_servers_clock_is_its_own() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Ticking, |rig| {
        rig.others = 1;
        let start = rig.event_loop.context().now();
        let due = due_when_full(rig).expect("the clock ticks");
        assert!(due >= start + SECOND * 3599, "nothing is tried before");
    });
}

#[test]
fn who_waits_has_a_whole_grace_however_long_blocks_were_held_before() {
    with_server::<_, SERVER>(SCARCE, GRACE, Scripted::lines(), |rig| {
        let [holder, first, second] = [(); 3].map(|()| rig.connected());
        rig.pass(SECOND * 20);
        rig.send(first, b"x");
        rig.settle();
        hold_in_line(rig, holder);
        rig.pass(SECOND * 20);
        assert_eq!(rig.closed_for(CloseReason::BufferNeeded), 0, "no client waits");
        rig.send(second, b"y");
        rig.pass(just_before(SECOND * 2));
        assert_eq!(rig.closed_for(CloseReason::BufferNeeded), 0);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::BufferNeeded), 1);
    });
}

/// Makes a client borrow the last block for input that its service leaves.
fn hold_in_line(rig: &mut Rig<'_, Scripted, SERVER>, client: Handle) {
    // The last block is borrowed for input only while another contains output.
    rig.give_room(client, 0);
    let token = rig.token(client);
    rig.server.with(&mut rig.event_loop.context(), token, |_, peer, ()| peer.send(b"pending"));
    rig.settle();
    assert_eq!(rig.server.blocks_borrowed(), 2);
}

#[test]
fn who_waits_for_a_block_is_told_of_a_drain_when_it_was_read() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::lines(), |rig| {
        let [holder, waiter] = [(); 2].map(|()| rig.connected());
        let token = rig.token(waiter);
        hold_both(rig, holder);
        rig.send(waiter, b"x\n");
        rig.settle();
        let deadline = rig.now + SECOND * 60;
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        // Also when half of the time is over, after which services are told in any case.
        rig.pass(SECOND * 40);
        let told = Call::Draining(token);
        assert_eq!(rig.server.service().count(|call| *call == told), 0);
        rig.give_room(holder, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(waiter), b"x\n");
        assert_eq!(rig.server.service().count(|call| *call == told), 1);
    });
}

#[test]
fn who_is_paused_while_it_waits_is_not_read_and_the_next_is() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::lines(), |rig| {
        let [holder, paused, next] = [(); 3].map(|()| rig.connected());
        let [caller, token] = [rig.token(holder), rig.token(paused)];
        hold_both(rig, holder);
        for client in [paused, next] {
            rig.send(client, b"x\n");
            rig.settle();
        }
        rig.server.with(&mut rig.event_loop.context(), caller, |_, peer, ()| {
            peer.pause_reading_of(token);
        });
        rig.settle();
        rig.give_room(holder, usize::MAX);
        rig.send(holder, b"\n");
        rig.settle();
        assert_eq!(rig.take(next), b"x\n");
        assert_eq!(rig.socket(paused).incoming.len(), 2);
        rig.server.with(&mut rig.event_loop.context(), caller, |_, peer, ()| {
            peer.resume_reading_of(token);
        });
        rig.settle();
        assert_eq!(rig.take(paused), b"x\n");
    });
}

#[test]
fn only_a_listener_is_taken_out_as_one() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let (connection, listener) = (rig.token(client), rig.token(rig.listener));
        for token in [connection, Token::new(99, 1), Token::new(0, 7)] {
            let refused = rig.server.unlisten(&mut rig.event_loop.context(), token);
            assert_eq!(refused, Err(ErrorKind::Stale.into()));
        }
        let source = rig.server.unlisten(&mut rig.event_loop.context(), listener);
        assert_eq!(source, Ok(rig.listener));
        assert_eq!(rig.server.listeners(), 0);
        rig.send(client, b"still served");
        rig.settle();
        assert_eq!(rig.take(client), b"still served");
        assert!(!rig.server.is_draining());
        let deadline = rig.now + SECOND;
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        assert!(rig.server.is_draining());
    });
}
