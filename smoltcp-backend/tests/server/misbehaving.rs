//! Clients that vanish, take nothing, or leave without reading, and what the server makes of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use selkie_core::{CloseReason, Config, Peer, Service};

use crate::clients::{Outcome, TestBench};

const SECOND: Duration = Duration::from_secs(1);
/// The time after which the default limits have ended a connection whose peer has vanished.
const GONE: Duration = Duration::from_secs(75 + 15 + 5);
/// No limit but the network's own.
const PATIENT: Config = Config::DEFAULT.idle_timeout(None).stall_timeout(None);
/// Without keep-alive, only the server's limits apply.
const NO_PROBES: selkie_smoltcp::Config =
    selkie_smoltcp::Config { keep_alive: None, ..selkie_smoltcp::Config::DEFAULT };

/// The reasons for which connections were closed.
type Reasons = Rc<RefCell<Vec<CloseReason>>>;

/// Takes all input, and acknowledges each piece.
struct Sink(Rc<Cell<usize>>);

impl Service for Sink {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        self.0.set(self.0.get() + bytes.len());
        let _ = peer.send(b".");
        bytes.len()
    }
}

/// Pushes a message each second.
struct Pusher(Reasons);

impl Service for Pusher {
    type Session = ();

    fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        peer.set_timer(SECOND);
    }

    fn received(&mut self, _: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        bytes.len()
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        let _ = peer.send(&[1; 64]);
        peer.set_timer(SECOND);
    }

    fn closed(&mut self, _: &mut Peer<'_>, (): &mut (), reason: CloseReason) {
        self.0.borrow_mut().push(reason);
    }
}

#[test]
fn input_that_was_received_before_a_reset_is_served_although_no_answer_can_be_sent() {
    let count = Rc::new(Cell::new(0));
    let limits = selkie_smoltcp::Config::DEFAULT;
    let mut bench = TestBench::with(Sink(count.clone()), 1, 4_096, PATIENT, limits);
    let client = bench.connect();
    bench.rounds(5);
    bench.send(client, &[7; 3_500]);
    bench.remote.poll(bench.now);
    bench.remote.reset(client);
    bench.remote.poll(bench.now);
    bench.rounds(20);
    assert_eq!(count.get(), 3_500);
    assert_eq!(bench.server.open_connections(), 0);
}

#[test]
fn clients_that_vanish_make_room_for_others() {
    let mut bench =
        TestBench::with(selkie_services::Echo, 4, 1_024, PATIENT, selkie_smoltcp::Config::DEFAULT);
    for _ in 0..4 {
        let client = bench.connect();
        bench.send(client, b"hello");
        assert_eq!(bench.receive(client, 5), b"hello");
    }
    bench.replace_remote();
    bench.vanish_for(GONE);
    assert_eq!(bench.server.open_connections(), 0);
    for _ in 0..4 {
        let client = bench.connect();
        bench.send(client, b"hello");
        assert_eq!(bench.receive(client, 5), b"hello");
    }
}

#[test]
fn silent_clients_stay_while_their_hosts_answer() {
    let mut bench =
        TestBench::with(selkie_services::Echo, 4, 1_024, PATIENT, selkie_smoltcp::Config::DEFAULT);
    let clients: Vec<_> = (0..4).map(|_| bench.connect()).collect();
    let turns = bench.sleep_for(300 * SECOND);
    assert!(turns < 4 * 20 * 4, "{turns} turns are more than the probes need");
    for client in clients {
        bench.send(client, b"hello");
        assert_eq!(bench.receive(client, 5), b"hello");
    }
}

#[test]
fn a_client_that_vanishes_is_stalled_although_the_service_pushes() {
    let reasons = Reasons::default();
    let config = PATIENT.stall_timeout(Some(10 * SECOND));
    let mut bench = TestBench::with(Pusher(reasons.clone()), 1, 1_024, config, NO_PROBES);
    bench.connect();
    bench.rounds(10);
    bench.vanish_for(9 * SECOND);
    assert_eq!(*reasons.borrow(), [], "it has had no output for 10 seconds yet");
    bench.vanish_for(4 * SECOND);
    assert_eq!(*reasons.borrow(), [CloseReason::Stalled]);
}

#[test]
fn a_client_that_takes_nothing_is_stalled_and_one_that_takes_little_is_not() {
    let reasons = Reasons::default();
    let config = PATIENT.stall_timeout(Some(10 * SECOND));
    let mut bench = TestBench::with(Pusher(reasons.clone()), 2, 256, config, NO_PROBES);
    let (stalled, reader) = (bench.connect(), bench.connect());
    // The client's own buffer takes 8 KiB, 128 messages.
    for _ in 0..200 {
        bench.sleep_for(SECOND);
        let _ = bench.remote.read(reader, &mut [0; 64]);
    }
    assert_eq!(*reasons.borrow(), [CloseReason::Stalled]);
    assert!(!bench.remote.socket(stalled).is_active());
    assert!(bench.remote.socket(reader).is_active());
}

#[test]
fn a_client_that_does_not_read_costs_no_turns() {
    let mut bench =
        TestBench::with(selkie_services::Echo, 1, 1_024, PATIENT, selkie_smoltcp::Config::DEFAULT);
    let client = bench.connect();
    for _ in 0..2_000 {
        let _ = bench.remote.write(client, &[7; 700]);
        bench.sleep_for(Duration::from_millis(1));
    }
    bench.sleep_for(60 * SECOND);
    let turns = bench.sleep_for(60 * SECOND);
    assert!(turns < 20, "{turns} turns in a minute, in which nothing can be sent");
    // It reads after all, and gets the rest.
    let mut received = Vec::new();
    let outcome = bench.until(5_000, |bench| {
        bench.read_into(client, &mut received);
        (received.len() > 16 * 1_024).then_some(Outcome::Ended)
    });
    assert_eq!(outcome, Some(Outcome::Ended), "{} bytes", received.len());
}
