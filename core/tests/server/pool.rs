//! Fewer blocks than connections: fairness, no deadlock, and every block comes back.

use core::time::Duration;

use selkie_core::{CloseReason, Peer, SendError};

use crate::rig::{Shape, UNLIMITED, rounds, with_server};
use crate::scripted::{Scripted, lines};
use crate::toy::SERVER;

const SCARCE: Shape = Shape { slots: 10, blocks: 2, ..Shape::SMALL };

#[test]
fn a_block_that_comes_back_serves_everyone_who_waits() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::echo(), |rig| {
        let clients: Vec<_> = (0..5).map(|_| rig.connected()).collect();
        rig.give_room(clients[0], 0);
        rig.send(clients[0], b"pending");
        rig.settle();
        for &client in &clients[1..] {
            rig.send(client, b"hello");
        }
        rig.settle();
        assert_eq!(rig.server.counters().buffer_waits, 4, "one block is not enough to read safely");
        rig.give_room(clients[0], usize::MAX);
        rig.settle();
        for &client in &clients[1..] {
            assert_eq!(rig.take(client), b"hello");
        }
        assert_eq!(rig.server.blocks_borrowed(), 0);
    });
}

#[test]
fn who_needs_one_block_is_not_kept_from_it_by_who_needs_two() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::lines(), |rig| {
        // In the order of slots, the one that needs two comes first.
        let (needs_two, pending, holds) = (rig.connected(), rig.connected(), rig.connected());
        rig.send(holds, b"a piece");
        rig.settle();
        rig.give_room(pending, 0);
        rig.send(pending, b"x\n");
        rig.settle();
        rig.send(needs_two, b"two\n");
        rig.send(holds, b" more\n");
        rig.settle();
        rig.give_room(pending, usize::MAX);
        rig.settle();
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.take(holds), b"a piece more\n");
        rig.settle();
        assert_eq!(rig.take(needs_two), b"two\n");
        assert_eq!(rig.take(pending), b"x\n");
    });
}

#[test]
fn a_connection_that_waits_for_a_buffer_is_not_watched() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::echo(), |rig| {
        let (pending, waiter) = (rig.connected(), rig.connected());
        rig.give_room(pending, 0);
        rig.send(pending, &[0; 100]);
        rig.settle();
        rig.send(waiter, b"x");
        rig.settle();
        let turns = rig.event_loop.counters().turns;
        rig.settle();
        assert_eq!(rig.event_loop.counters().turns, turns + 1, "no spinning");
        rig.end(pending);
        rig.socket(pending).write_error = Some(selkie_core::ErrorKind::BrokenPipe);
        rig.settle();
        assert_eq!(rig.take(waiter), b"x", "the block of a connection that broke comes back too");
    });
}

#[test]
fn a_connection_that_waited_for_a_buffer_hears_of_its_end_once_served() {
    with_server::<_, SERVER>(SCARCE, UNLIMITED, Scripted::echo(), |rig| {
        let (pending, waiter) = (rig.connected(), rig.connected());
        rig.give_room(pending, 0);
        rig.send(pending, b"pending");
        rig.settle();
        rig.send(waiter, b"x");
        rig.end(waiter);
        rig.settle();
        rig.give_room(pending, 100);
        rig.settle();
        assert_eq!(rig.take(waiter), b"x");
        assert!(rig.closed(waiter).is_some());
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

#[test]
fn a_connection_that_waits_for_a_buffer_is_not_idle() {
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(10)));
    with_server::<_, SERVER>(SCARCE, config, Scripted::echo(), |rig| {
        let (pending, waiter) = (rig.connected(), rig.connected());
        rig.give_room(pending, 0);
        rig.send(pending, b"pending");
        rig.settle();
        rig.send(waiter, b"x");
        rig.pass(Duration::from_secs(9));
        rig.give_room(pending, 1);
        rig.pass(Duration::from_secs(9));
        assert_eq!(rig.closed(waiter), None);
        rig.give_room(pending, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(waiter), b"x");
    });
}

#[test]
fn who_holds_a_buffer_longest_gives_it_up_after_the_grace() {
    let config = UNLIMITED.buffer_grace(Duration::from_secs(1));
    with_server::<_, SERVER>(SCARCE, config, Scripted::echo(), |rig| {
        let (first, second, waits) = (rig.connected(), rig.connected(), rig.connected());
        for client in [first, second] {
            rig.give_room(client, 0);
            rig.send(client, b"pending");
            rig.settle();
        }
        rig.send(waits, b"x");
        rig.pass(Duration::from_millis(999));
        assert_eq!(rig.closed(first), None);
        rig.pass(Duration::from_millis(3001));
        assert_eq!(rig.take(waits), b"x", "the waiting is bounded");
        assert!(rig.closed_for(CloseReason::BufferNeeded) >= 1);
        assert!(rig.closed(first).is_some());
        assert_eq!(rig.closed(waits), None);
    });
}

/// Returns a service that sends news to all that have said hello, whenever another client speaks.
fn broadcasting() -> Scripted {
    let mut service = Scripted::lines();
    let mut all = Vec::new();
    service.on_received = Box::new(move |peer: &mut Peer<'_>, bytes: &[u8]| {
        if bytes == b"hello\n" {
            all.push(peer.token());
            return bytes.len();
        }
        for &other in &all {
            let sent = peer.send_to(other, b"news");
            assert!(matches!(sent, Ok(()) | Err(SendError::Full)));
        }
        lines(peer, bytes)
    });
    service
}

#[test]
fn sending_to_others_leaves_the_blocks_that_the_speaker_may_need() {
    let service = broadcasting();
    with_server::<_, SERVER>(
        Shape { slots: 10, blocks: 4, ..Shape::SMALL },
        UNLIMITED,
        service,
        |rig| {
            let targets: Vec<_> = (0..6).map(|_| rig.connected()).collect();
            for &target in &targets {
                rig.send(target, b"hello\n");
            }
            rig.settle();
            for &target in &targets {
                rig.give_room(target, 0);
            }
            let speaker = rig.connected();
            rig.give_room(speaker, 0);
            rig.send(speaker, b"line\npiece");
            rig.settle();
            assert_eq!(
                rig.closed(speaker),
                None,
                "the speaker is not broken by what it sends to others"
            );
            rig.give_room(speaker, usize::MAX);
            for &target in &targets {
                rig.give_room(target, usize::MAX);
            }
            rig.settle();
            assert_eq!(rig.take(speaker), b"line\n", "its own bytes are kept meanwhile");
            rig.send(speaker, b" of news\n");
            rig.settle();
            assert_eq!(rig.take(speaker), b"piece of news\n");
        },
    );
}

#[test]
fn many_share_a_few_blocks_fairly() {
    with_server::<_, SERVER>(Shape { blocks: 3, ..SCARCE }, UNLIMITED, Scripted::echo(), |rig| {
        let clients: Vec<_> = (0..9).map(|_| rig.connected()).collect();
        let mut received = vec![0; clients.len()];
        for _ in 0..rounds(400) {
            for &client in &clients {
                rig.send(client, b"a line of text\n");
                rig.give_room(client, 4);
            }
            rig.settle();
            for (count, &client) in received.iter_mut().zip(&clients) {
                *count += rig.take(client).len();
            }
        }
        let (least, most) = (received.iter().min().unwrap(), received.iter().max().unwrap());
        assert!(*least * 2 >= *most, "{received:?}");
    });
}
