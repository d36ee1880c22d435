//! Sizes and times at their edges: an error that names the numbers, or a server that works.

use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};

use selkie_core::memory::{ServerMemory, ServerStorage, StaticLoop, StaticServer, WithLimits};
use selkie_core::{CloseReason, Config, EventLoop, Instant, Server, Service};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, with_server};
use crate::scripted::Scripted;
use crate::toy::{Handle, PLATFORM, SERVER, Toy};

/// Returns what a panic said.
fn message(act: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(act)).expect_err("it is refused");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn memory<const SLOTS: usize>() -> StaticServer<Handle, (), SLOTS, 4, 64, 16> {
    StaticServer::new()
}

#[test]
fn a_loop_with_more_slots_than_its_platform_takes_names_both_numbers() {
    let text = message(|| {
        let _ = EventLoop::new(Toy::<SERVER>::new(4), StaticLoop::<1025, 8>::new());
    });
    assert!(text.contains("1025") && text.contains(" 4 "), "{text}");
    let text = message(|| {
        let memory = StaticLoop::<9, 8>::new();
        let _ = EventLoop::new_at(Toy::<PLATFORM>::new(8), memory, Instant::ZERO);
    });
    assert!(text.contains('9') && text.contains('8'), "{text}");
}

#[test]
fn a_server_with_fewer_slots_than_its_loop_names_both_numbers() {
    let text = message(|| {
        let mut event_loop = EventLoop::new(Toy::<SERVER>::new(1025), StaticLoop::<1025, 8>::new());
        let mut server = Server::new(Scripted::echo(), UNLIMITED, memory::<2>());
        let listener = event_loop.platform.listener();
        let _ = server.listen(&mut event_loop.context(), listener);
    });
    assert!(text.contains("1025") && text.contains(" 2:"), "{text}");
}

#[test]
fn a_loop_of_one_slot_says_that_a_listener_leaves_none() {
    let text = message(|| {
        let mut event_loop = EventLoop::new(Toy::<SERVER>::new(1), StaticLoop::<1, 8>::new());
        let mut server = Server::new(Scripted::echo(), UNLIMITED, memory::<1>());
        let listener = event_loop.platform.listener();
        let _ = server.listen(&mut event_loop.context(), listener);
    });
    assert!(text.contains("1 slots") && text.contains("1 listeners"), "{text}");
}

#[test]
fn a_loop_of_one_slot_serves_one_adopted_connection() {
    let mut event_loop = EventLoop::new(Toy::<SERVER>::new(1), StaticLoop::<1, 8>::new());
    let mut server = Server::new(Scripted::echo(), UNLIMITED, memory::<1>());
    let stream = event_loop.platform.stream();
    server.adopt(&mut event_loop.context(), stream).unwrap();
    event_loop.platform.socket(stream).incoming.extend(b"hello");
    event_loop.run_once(&mut server).unwrap();
    assert_eq!(event_loop.platform.socket(stream).outgoing, b"hello");
}

#[test]
fn tables_of_different_lengths_are_refused() {
    fn refuse(change: impl FnOnce(&mut ServerStorage<'_, Handle, ()>)) -> String {
        let mut memory = memory::<3>();
        message(|| {
            let mut storage = memory.storage();
            change(&mut storage);
            let _ = Server::<Toy<SERVER>, _, _>::new(Scripted::echo(), UNLIMITED, storage);
        })
    }
    assert!(refuse(|tables| tables.sessions = &mut []).contains("sessions"));
    assert!(refuse(|tables| tables.blocks = &mut []).contains("0 blocks in 64 bytes"));
    assert!(refuse(|tables| tables.bytes = &mut []).contains("4 blocks in 0 bytes"));
}

/// Serves one client that sends `hello`.
fn serve_one<const KIND: u8>(rig: &mut Rig<'_, impl Service, KIND>) {
    let client = rig.connected();
    rig.send(client, b"hello");
    rig.settle();
    assert_eq!(rig.take(client), b"hello");
    rig.end(client);
    rig.settle();
    assert!(rig.closed(client).is_some());
}

on_all! {
    a_server_that_may_accept_nothing_in_a_turn_accepts_one
    a_server_that_may_serve_no_client_serves_one
    the_smallest_sizes_work
    the_largest_sizes_and_times_work
    times_of_zero_have_their_outcomes
}

fn a_server_that_may_accept_nothing_in_a_turn_accepts_one<const KIND: u8>() {
    let config = UNLIMITED.accepts_per_turn(0);
    with_server::<_, KIND>(Shape::SMALL, config, Scripted::echo(), |rig| {
        rig.connect();
        rig.connect();
        rig.turn();
        assert_eq!(rig.server.open_connections(), 1);
        rig.turn();
        assert_eq!(rig.server.open_connections(), 2);
    });
}

fn a_server_that_may_serve_no_client_serves_one<const KIND: u8>() {
    let config = UNLIMITED.connections_max(0);
    with_server::<_, KIND>(Shape::SMALL, config, Scripted::echo(), |rig| {
        let first = rig.connected();
        let second = rig.connected();
        assert_eq!(rig.server.open_connections(), 1);
        rig.send(second, b"hello");
        rig.end(first);
        rig.settle();
        assert_eq!(rig.take(second), b"hello");
    });
}

fn the_smallest_sizes_work<const KIND: u8>() {
    let shape = Shape { slots: 2, events: 1, blocks: 2, block_size: 1, scratch: 1 };
    with_server::<_, KIND>(shape, UNLIMITED, Scripted::echo(), |rig| {
        serve_one(rig);
        let client = rig.connected();
        rig.give_room(client, 1);
        rig.send(client, b"abc");
        for _ in 0..3 {
            rig.settle();
            rig.give_room(client, 1);
        }
        rig.settle();
        assert_eq!(rig.take(client), b"abc");
    });
}

fn the_largest_sizes_and_times_work<const KIND: u8>() {
    let longest = Some(Duration::MAX);
    let config = Config::DEFAULT
        .connections_max(usize::MAX)
        .accepts_per_turn(usize::MAX)
        .drain_accepts(usize::MAX)
        .idle_timeout(longest)
        .stall_timeout(longest)
        .input_timeout(longest)
        .buffer_grace(Duration::MAX)
        .linger(Duration::MAX)
        .accept_retry(Duration::MAX);
    // More blocks than fit 16 bits.
    let shape = Shape { slots: 3, events: 8, blocks: 65_537, block_size: 2, scratch: 1 };
    with_server::<_, KIND>(shape, config, Scripted::echo(), |rig| {
        serve_one(rig);
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"abc");
        rig.pass(Duration::from_secs(1 << 30));
        assert_eq!(rig.closed(client), None, "nothing ever times out");
        rig.give_room(client, usize::MAX);
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.take(client), b"abc");
        rig.server.drain(&mut rig.event_loop.context(), Instant::MAX);
        rig.end(client);
        rig.settle();
        assert!(rig.server.is_drained());
    });
}

fn times_of_zero_have_their_outcomes<const KIND: u8>() {
    let zero = Some(Duration::ZERO);
    let config = Config::DEFAULT
        .idle_timeout(zero)
        .stall_timeout(zero)
        .input_timeout(zero)
        .buffer_grace(Duration::ZERO)
        .linger(Duration::ZERO)
        .accept_retry(Duration::ZERO);
    with_server::<_, KIND>(Shape::SMALL, config, Scripted::echo(), |rig| {
        // What has arrived is answered first: a timeout is judged after a look.
        let client = rig.connect();
        rig.send(client, b"hello");
        rig.settle();
        rig.pass(Duration::from_millis(1));
        assert_eq!(rig.take(client), b"hello");
        assert_eq!(rig.closed_for(CloseReason::Idle), 1);
        // A listener that cannot accept is tried again in each turn, and the loop sleeps on.
        let listener = rig.listener;
        rig.socket(listener).accept_errors.push_back(selkie_core::ErrorKind::OutOfDescriptors);
        rig.connect();
        rig.settle();
        assert_eq!(rig.server.counters().accepted, 2);
        rig.server.drain(&mut rig.event_loop.context(), Instant::ZERO);
        rig.settle();
        assert!(rig.server.is_drained());
    });
}

#[test]
fn memory_with_limits_has_an_entry_for_each_slot() {
    type Static = StaticServer<Handle, (), 4, 4, 64, 16>;
    let mut memory = WithLimits::<Static, 4>::new(Static::new());
    let storage = ServerMemory::<Handle, ()>::storage(&mut memory);
    assert_eq!((storage.connections.len(), storage.limits.len()), (4, 4));
}
