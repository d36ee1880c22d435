//! Output: gathered writes, room that returns, and peers that take nothing.

use std::time::Duration;

use selkie_core::platform::Transport;
use selkie_core::{Error, Interest, Readiness};
use selkie_smoltcp::Config;

use crate::link::Link;

#[test]
fn several_buffers_are_written_as_one_while_there_is_room() {
    let mut link = Link::new(1, 10, Config::DEFAULT);
    let (stream, peer) = link.connect();
    assert_eq!(link.local.write_vectored(stream, &[b"abc", b"", b"def"]), Ok(6));
    assert_eq!(link.local.write_vectored(stream, &[b"", b"ghijkl", b"mno"]), Ok(4));
    assert_eq!(link.local.write_vectored(stream, &[b"", b"m"]), Err(Error::WOULD_BLOCK));
    assert_eq!(link.local.write_vectored(stream, &[b"", b""]), Ok(0));
    link.talk();
    let mut buffer = [0; 32];
    assert_eq!(link.remote.read(peer, &mut buffer), Ok(10));
    assert_eq!(&buffer[..10], b"abcdefghij");
}

#[test]
fn a_source_whose_room_was_declined_is_writable_when_it_has_more() {
    let mut link = Link::new(1, 1_024, Config::DEFAULT);
    let (stream, peer) = link.connect();
    link.watch(stream, Interest::WRITABLE);
    assert_eq!(link.readiness(), Readiness::WRITABLE);
    // The peer's buffer takes 8 KiB, and then the peer takes nothing more.
    while link.local.write(stream, &[5; 600]).is_ok() {
        link.talk();
    }
    link.remote.read(peer, &mut [0; 100]).unwrap();
    link.talk();
    link.local.write(stream, &[5; 1]).unwrap_or(0);
    link.talk();
    let room = link.local.write_room(stream);
    for _ in 0..1_000 {
        let readiness = link.readiness();
        assert_eq!(readiness, Readiness::NONE, "the {room} bytes of room were declined");
        link.pass(Duration::from_millis(10));
    }
    while link.remote.read(peer, &mut [0; 4_096]).is_ok() {}
    link.talk();
    assert_eq!(link.readiness(), Readiness::WRITABLE);
    assert!(link.local.write_room(stream) > room);
}

#[test]
fn a_source_whose_room_was_not_asked_for_stays_writable() {
    let mut link = Link::new(1, 1_024, Config::DEFAULT);
    let (stream, _) = link.connect();
    link.watch(stream, Interest::WRITABLE);
    link.local.write(stream, &[5; 600]).unwrap();
    for _ in 0..10 {
        assert_eq!(link.readiness(), Readiness::WRITABLE);
    }
    assert_eq!(link.local.write_room(stream), 424);
    assert_eq!(link.readiness(), Readiness::NONE);
    link.local.write(stream, &[5; 100]).unwrap();
    assert_eq!(link.readiness(), Readiness::WRITABLE, "a write was made, so there may be another");
}

#[test]
fn output_that_the_peer_does_not_acknowledge_has_an_age() {
    let mut link = Link::new(1, 1_024, Config::DEFAULT);
    let (stream, peer) = link.connect();
    assert_eq!(link.local.unacknowledged_since(stream), None);
    link.local.write(stream, b"taken").unwrap();
    assert!(link.local.unacknowledged_since(stream).is_some());
    link.talk();
    assert_eq!(link.local.unacknowledged_since(stream), None, "it was acknowledged");

    while link.local.write(stream, &[5; 600]).is_ok() {
        link.talk();
    }
    let since = link.local.unacknowledged_since(stream).expect("the peer takes nothing");
    for _ in 0..100 {
        link.pass(Duration::from_millis(500));
    }
    assert_eq!(link.local.unacknowledged_since(stream), Some(since), "it still takes nothing");
    link.remote.read(peer, &mut [0; 4_096]).unwrap();
    link.talk();
    let later = link.local.unacknowledged_since(stream);
    assert!(later.is_none_or(|later| later > since), "it took something");
}
