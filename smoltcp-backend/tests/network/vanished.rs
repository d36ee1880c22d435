//! Peers that vanish without a word, and peers that are only silent.

use std::time::Duration;

use selkie_core::ErrorKind;
use selkie_core::platform::{Close, Selector, Transport};
use selkie_smoltcp::Config;
use smoltcp::wire::{IpEndpoint, Ipv4Address, Ipv4Cidr};

use crate::link::Link;

/// A second address for the network under test.
const MOVED: Ipv4Address = Ipv4Address::new(10, 0, 0, 9);
const SECOND: Duration = Duration::from_secs(1);
/// The time after which a vanished peer must be gone: after the last answer, the limit passes, and
/// then the time in which a reset would be sent.
const GONE: Duration = Duration::from_secs(75 + 15 + 5);

/// Keep-alive in times that a test waits for, with data probed as often.
const QUICK: Config = Config {
    keep_alive: Some(Duration::from_secs(2)),
    keep_alive_timeout: Duration::from_secs(8),
    ..Config::DEFAULT
};

#[test]
fn peers_that_vanish_are_noticed_and_give_their_sockets_back() {
    let mut link = Link::new(4, 256, Config::DEFAULT);
    let clients: Vec<_> = (0..4).map(|_| link.connect()).collect();
    link.replace_remote();
    link.pass_alone(GONE);
    for &(stream, _) in &clients {
        let timed_out = Err(ErrorKind::TimedOut.into());
        assert_eq!(link.local.check(stream), timed_out);
        assert_eq!(link.local.read(stream, &mut [0; 8]).map(drop), timed_out);
        link.local.close(stream, Close::Abort).unwrap();
    }
    link.pass_alone(5 * SECOND);
    for _ in 0..4 {
        link.connect();
    }
}

#[test]
fn connections_that_vanish_in_the_backlog_give_their_sockets_back() {
    let mut link = Link::new(2, 256, Config::DEFAULT);
    for _ in 0..2 {
        link.begin_to_connect();
    }
    link.replace_remote();
    assert_eq!(link.local.waiting(), 2);
    link.pass_alone(GONE);
    assert_eq!(link.local.waiting(), 0);
    for _ in 0..2 {
        link.connect();
    }
}

#[test]
fn half_open_connections_of_hosts_that_vanish_give_their_sockets_back() {
    // So long that the host's hardware address is forgotten before: no reset can be sent.
    let half_open_timeout = 70 * SECOND;
    let mut link = Link::new(2, 256, Config { half_open_timeout, ..Config::DEFAULT });
    let (stream, _) = link.connect();
    link.local.close(stream, Close::Abort).unwrap();
    link.talk();
    for _ in 0..2 {
        link.begin_to_connect_unanswered();
    }
    link.replace_remote();
    link.pass_alone(half_open_timeout + 5 * SECOND);
    for _ in 0..2 {
        link.connect();
    }
}

#[test]
fn an_address_that_is_taken_away_ends_its_connections_and_no_listener() {
    let mut link = Link::new(2, 256, Config::DEFAULT);
    let (stream, _) = link.connect();
    let interface = link.local.interface();
    interface.update_ip_addrs(|list| {
        list.clear();
        list.push(Ipv4Cidr::new(MOVED, 24).into()).unwrap();
    });
    link.talk();
    assert!(link.local.check(stream).is_err());
    link.local.close(stream, Close::Abort).unwrap();
    // A host asks for one hardware address a second.
    link.pass(2 * SECOND);
    let peer = link.remote.connect(IpEndpoint::new(MOVED.into(), 7));
    link.talk();
    let stream = link.local.accept(link.listener).expect("the listener has every address");
    link.remote.write(peer, b"moved").unwrap();
    link.talk();
    assert_eq!(link.local.read(stream, &mut [0; 8]), Ok(5));
}

#[test]
fn a_peer_that_vanishes_before_it_took_all_output_is_noticed() {
    let mut link = Link::new(1, 256, Config::DEFAULT);
    let (stream, peer) = link.connect();
    link.remote.forget(peer);
    for _ in 0..100 {
        // A service that pushes does so as long as there is room.
        let _ = link.local.write(stream, &[1; 16]);
        link.pass_alone(SECOND);
    }
    assert_eq!(link.local.check(stream), Err(ErrorKind::TimedOut.into()));
}

#[test]
fn silent_peers_that_answer_probes_stay() {
    let mut link = Link::new(4, 256, QUICK);
    let clients: Vec<_> = (0..4).map(|_| link.connect()).collect();
    for _ in 0..6_000 {
        link.pass(SECOND / 10);
    }
    for &(stream, peer) in &clients {
        assert_eq!(link.local.check(stream), Ok(()));
        link.remote.write(peer, b"still there").unwrap();
        link.talk();
        assert_eq!(link.local.read(stream, &mut [0; 64]), Ok(11));
    }
}

#[test]
fn a_live_peer_that_does_not_read_for_minutes_stays() {
    let mut link = Link::new(1, 16 * 1_024, Config::DEFAULT);
    let (stream, peer) = link.connect();
    // More than the peer's buffer takes: its window closes.
    assert_eq!(link.local.write(stream, &[3; 12_000]), Ok(12_000));
    for _ in 0..3_000 {
        link.pass(SECOND / 5);
    }
    assert_eq!(link.local.check(stream), Ok(()));
    let (mut buffer, mut total) = ([0; 2_000], 0);
    for _ in 0..1_000 {
        total += link.remote.read(peer, &mut buffer).unwrap_or(0);
        link.pass(SECOND / 5);
    }
    assert_eq!(total, 12_000);
}

#[test]
fn a_live_peer_is_probed_after_a_pause_of_the_loop_before_it_is_judged() {
    let mut link = Link::new(1, 256, QUICK);
    let (stream, _) = link.connect();
    link.now = link.now + 600 * SECOND;
    for _ in 0..200 {
        link.pass(SECOND / 10);
    }
    assert_eq!(link.local.check(stream), Ok(()));
}

#[test]
fn a_probe_is_a_deadline_of_the_loop() {
    let mut link = Link::new(1, 256, QUICK);
    let (_, _) = link.connect();
    link.talk();
    let next = link.local.next_deadline(link.now).expect("a probe is due");
    let left = next.saturating_since(link.now);
    assert!(left > SECOND && left <= 2 * SECOND, "{left:?}");
}
