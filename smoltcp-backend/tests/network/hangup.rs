//! Peers that are gone, while nothing is read or written.

use selkie_core::platform::{Capabilities, Selector, Transport};
use selkie_core::{ErrorKind, Interest, Readiness};
use selkie_smoltcp::Config;

use crate::link::Link;

#[test]
fn a_reset_is_reported_where_only_hang_ups_are_watched() {
    let mut link = Link::new(1, 256, Config::DEFAULT);
    let (stream, peer) = link.connect();
    assert!(link.local.capabilities().contains(Capabilities::HANGUP | Capabilities::ERROR));
    link.watch(stream, Interest::HANGUP);
    link.remote.write(peer, b"to be read later").unwrap();
    link.talk();
    assert_eq!(link.readiness(), Readiness::NONE, "input is no hang-up");
    assert_eq!(link.local.check(stream), Ok(()));
    link.remote.reset(peer);
    link.talk();
    assert!(link.readiness().contains(Readiness::ERROR | Readiness::CLOSED));
    assert_eq!(link.local.check(stream), Err(ErrorKind::ConnectionReset.into()));
}

#[test]
fn a_reset_after_the_peers_fin_is_noticed() {
    let mut link = Link::new(1, 256, Config::DEFAULT);
    let (stream, peer) = link.connect();
    link.watch(stream, Interest::HANGUP);
    link.remote.socket(peer).close();
    link.talk();
    assert_eq!(link.local.read(stream, &mut [0; 8]), Ok(0));
    assert_eq!(link.readiness(), Readiness::NONE, "one direction is still open");
    assert_eq!(link.local.check(stream), Ok(()));
    link.remote.reset(peer);
    link.talk();
    assert!(link.readiness().contains(Readiness::ERROR | Readiness::CLOSED));
    assert_eq!(link.local.check(stream), Err(ErrorKind::ConnectionReset.into()));
}

#[test]
fn an_orderly_end_of_both_directions_is_closed_and_no_error() {
    let mut link = Link::new(1, 256, Config::DEFAULT);
    let (stream, peer) = link.connect();
    link.watch(stream, Interest::HANGUP);
    link.remote.socket(peer).close();
    link.talk();
    link.local.shutdown_write(stream).unwrap();
    link.talk();
    assert_eq!(link.readiness(), Readiness::CLOSED);
    assert_eq!(link.local.check(stream), Ok(()));
    assert_eq!(link.local.read(stream, &mut [0; 8]), Ok(0));
}

#[test]
fn input_that_arrived_before_a_reset_is_read_after_a_write_has_failed() {
    let mut link = Link::new(1, 4_096, Config::DEFAULT);
    let (stream, peer) = link.connect();
    assert_eq!(link.remote.write(peer, &[7; 3_500]), Ok(3_500));
    link.talk();
    link.remote.reset(peer);
    link.talk();
    let failed = link.local.write(stream, b"an acknowledgement");
    assert_eq!(failed, Err(ErrorKind::ConnectionReset.into()));
    let mut buffer = [0; 1_000];
    let mut total = 0;
    let end = loop {
        match link.local.read(stream, &mut buffer) {
            Ok(count) => total += count,
            Err(error) => break error,
        }
    };
    assert_eq!((total, end.kind()), (3_500, ErrorKind::ConnectionReset));
}

#[test]
fn nothing_is_reported_without_an_interest() {
    let mut link = Link::new(1, 256, Config::DEFAULT);
    let (stream, peer) = link.connect();
    link.watch(stream, Interest::NONE);
    link.remote.reset(peer);
    link.talk();
    assert_eq!(link.readiness(), Readiness::NONE);
}
