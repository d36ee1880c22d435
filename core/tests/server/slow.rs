//! Callbacks that take time, and a process that is stopped.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use selkie_core::memory::{StaticLoop, StaticServer};
use selkie_core::{CloseReason, Config, EventLoop, Instant, Peer, Server, Service};

use crate::on_all;
use crate::rig::UNLIMITED;
use crate::toy::{Handle, SERVER, Toy};

const SLOTS: usize = 5;

/// Echoes; for the message `slow` it sleeps before it answers, for `late` afterwards, and
/// for `twice` it answers twice before.
struct Echo {
    sleeps: Duration,
    slept: Rc<Cell<Duration>>,
    closed: Vec<CloseReason>,
}

impl Service for Echo {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        if bytes == b"slow" {
            self.slept.set(self.slept.get() + self.sleeps);
        }
        if bytes == b"twice" {
            peer.send_some(bytes);
        }
        let taken = peer.send_some(bytes);
        if bytes == b"late" || bytes == b"twice" {
            self.slept.set(self.slept.get() + self.sleeps);
        }
        taken
    }

    fn closed(&mut self, _: &mut Peer<'_>, (): &mut (), reason: CloseReason) {
        self.closed.push(reason);
    }
}

type Memory = StaticServer<Handle, (), SLOTS, 10, 160, 16>;

/// A loop that owns the platform's clock, its server, and the server's clients.
struct Bench<const KIND: u8> {
    event_loop: EventLoop<Toy<KIND>, StaticLoop<SLOTS, 8>>,
    server: Server<Toy<KIND>, Echo, Memory>,
    clients: [Handle; 3],
}

impl<const KIND: u8> Bench<KIND> {
    fn new(config: Config, sleeps: Duration) -> Self {
        let mut event_loop = EventLoop::new(Toy::<KIND>::new(SLOTS), StaticLoop::new());
        event_loop.platform.clock = Instant::from_millis(1000);
        let slept = event_loop.platform.slept.clone();
        let service = Echo { sleeps, slept, closed: Vec::new() };
        let mut server = Server::new(service, config, Memory::new());
        let clients = [(); 3].map(|()| {
            let client = event_loop.platform.stream();
            server.adopt(&mut event_loop.context(), client).unwrap();
            client
        });
        Self { event_loop, server, clients }
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        self.event_loop.platform.socket(self.clients[client]).incoming.extend(bytes);
    }

    fn answer(&mut self, client: usize) -> &[u8] {
        &self.event_loop.platform.socket(self.clients[client]).outgoing
    }

    /// Makes one round. Returns the time after it.
    fn round(&mut self) -> Instant {
        self.event_loop.run_once(&mut self.server).unwrap();
        self.event_loop.context().now()
    }

    fn closed(&self) -> &[CloseReason] {
        &self.server.service().closed
    }
}

const IDLE: Duration = Duration::from_secs(2);

fn idle_after_two_seconds() -> Config {
    UNLIMITED.idle_timeout(Some(IDLE))
}

on_all! {
    an_adopted_connection_has_all_its_idle_time_however_late_it_is_adopted
    a_drain_from_outside_has_all_its_time_however_long_the_pause_before
    a_client_whose_callback_took_longer_than_the_idle_time_is_not_idle
    an_answer_at_the_end_of_a_slow_callback_is_progress
    who_sent_during_a_callback_of_another_is_served_before_it_is_judged
    a_client_that_is_silent_for_the_idle_time_is_closed_although_callbacks_are_slow
}

fn an_adopted_connection_has_all_its_idle_time_however_late_it_is_adopted<const KIND: u8>() {
    let mut bench = Bench::<KIND>::new(UNLIMITED, Duration::ZERO);
    // Before the first turn, and after one.
    for pause in [3 * IDLE, 5 * IDLE] {
        let platform = &mut bench.event_loop.platform;
        platform.clock = platform.clock + pause;
        let adopted_at = platform.clock;
        let stream = platform.stream();
        let config = idle_after_two_seconds();
        let service = Echo { sleeps: IDLE, slept: platform.slept.clone(), closed: Vec::new() };
        let mut server = Server::new(service, config, Memory::new());
        let token = server.adopt(&mut bench.event_loop.context(), stream).unwrap();
        while server.service().closed.is_empty() {
            bench.event_loop.run_once(&mut server).unwrap();
        }
        assert!(!bench.event_loop.context().contains(token));
        assert_eq!(bench.event_loop.context().now(), adopted_at + IDLE);
    }
}

fn a_drain_from_outside_has_all_its_time_however_long_the_pause_before<const KIND: u8>() {
    const GRACE: Duration = Duration::from_secs(5);
    let mut bench = Bench::<KIND>::new(UNLIMITED, Duration::ZERO);
    bench.event_loop.platform.socket(bench.clients[0]).room = 2;
    bench.send(0, b"hello");
    bench.round();
    bench.event_loop.platform.clock = bench.event_loop.platform.clock + 3 * GRACE;
    let mut context = bench.event_loop.context();
    let began = context.now();
    bench.server.drain(&mut context, began + GRACE);
    while bench.event_loop.context().now() < began + GRACE {
        assert_eq!(bench.event_loop.platform.socket(bench.clients[0]).closed, None);
        bench.round();
    }
    while !bench.server.is_drained() {
        assert_eq!(bench.round(), began + GRACE);
    }
    assert_eq!(bench.closed().last(), Some(&CloseReason::Expelled));
}

fn a_client_whose_callback_took_longer_than_the_idle_time_is_not_idle<const KIND: u8>() {
    for message in [b"slow", b"late"] {
        let mut bench = Bench::<KIND>::new(idle_after_two_seconds(), 3 * IDLE);
        bench.send(0, message);
        bench.round();
        bench.send(0, b"more");
        let now = bench.round();
        assert_eq!(bench.answer(0), [message, &b"more"[..]].concat());
        // The others have said nothing for all that time.
        assert_eq!(bench.closed(), [CloseReason::Idle; 2]);
        bench.send(0, b"again");
        assert_eq!(bench.round(), now, "no time has passed since");
        assert_eq!(bench.answer(0).len(), 13);
    }
}

fn an_answer_at_the_end_of_a_slow_callback_is_progress<const KIND: u8>() {
    let mut bench = Bench::<KIND>::new(idle_after_two_seconds(), 3 * IDLE);
    bench.send(0, b"slow");
    let answered = bench.round();
    let mut last = answered;
    while bench.closed().len() < 3 {
        last = bench.round();
    }
    assert!(last >= answered + IDLE, "it is idle since it was answered");
}

#[test]
fn a_stall_counts_from_the_first_try_to_send() {
    let mut bench = Bench::<SERVER>::new(UNLIMITED.stall_timeout(Some(IDLE)), 3 * IDLE);
    bench.event_loop.platform.socket(bench.clients[0]).room = b"twice".len();
    bench.send(0, b"twice");
    let tried = bench.round();
    let mut last = tried;
    while bench.closed().is_empty() {
        last = bench.round();
    }
    assert_eq!(bench.closed(), [CloseReason::Stalled]);
    assert!(last >= tried + IDLE, "nothing could be taken while the callback slept");
}

fn who_sent_during_a_callback_of_another_is_served_before_it_is_judged<const KIND: u8>() {
    for message in [b"slow", b"late"] {
        let mut bench = Bench::<KIND>::new(idle_after_two_seconds(), 3 * IDLE);
        bench.send(0, message);
        bench.round();
        bench.send(1, b"hello");
        bench.round();
        assert_eq!(bench.answer(1), b"hello");
        let client = bench.clients[1];
        assert_eq!(bench.event_loop.platform.socket(client).closed, None);
    }
}

fn a_client_that_is_silent_for_the_idle_time_is_closed_although_callbacks_are_slow<
    const KIND: u8,
>() {
    let mut bench = Bench::<KIND>::new(idle_after_two_seconds(), IDLE / 2);
    let end = bench.event_loop.context().now() + 3 * IDLE;
    while bench.event_loop.context().now() < end {
        bench.send(0, b"slow");
        bench.round();
    }
    assert_eq!(bench.closed(), [CloseReason::Idle; 2]);
    let began = bench.event_loop.context().now();
    while bench.closed().len() < 3 {
        assert!(bench.round() <= began + IDLE, "in time");
    }
}
