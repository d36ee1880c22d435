//! Devices whose queue is full, and links that go down and up.

use std::time::Duration;

use selkie_core::platform::Transport;
use selkie_smoltcp::Config;

use crate::link::Link;

#[test]
fn a_device_whose_queue_is_full_delays_frames_and_loses_none() {
    let mut link = Link::new(1, 1024, Config::DEFAULT);
    let (stream, peer) = link.connect();
    // Full from the start; then one frame is taken out of it at a time.
    link.local.device().set_room(0);
    link.remote.write(peer, b"question").unwrap();
    link.talk();
    assert_eq!(link.local.read(stream, &mut [0; 8]), Err(selkie_core::Error::WOULD_BLOCK));
    assert_eq!(link.local.write(stream, &[7; 1024]), Ok(1024));
    link.talk();
    assert_eq!(link.wire.waiting(), 0, "nothing fits the queue");
    link.local.device().set_room(1);
    link.talk();
    let mut bytes = [0; 2048];
    assert_eq!(link.remote.read(peer, &mut bytes), Ok(1024));
    assert_eq!(link.local.read(stream, &mut bytes), Ok(8));
    assert_eq!(bytes[..8], *b"question");
}

#[test]
fn a_link_that_goes_down_and_up_keeps_its_connections_and_loses_no_byte() {
    let mut link = Link::new(2, 1024, Config::DEFAULT);
    let (stream, peer) = link.connect();
    assert_eq!(link.local.write(stream, b"before and during"), Ok(17));
    // For ten seconds nothing arrives anywhere.
    link.pass_alone(Duration::from_secs(10));
    link.local.device().lose();
    link.remote.write(peer, b"the other way").unwrap();
    for _ in 0..100 {
        link.pass(Duration::from_millis(100));
    }
    let mut bytes = [0; 64];
    assert_eq!(link.remote.read(peer, &mut bytes), Ok(17));
    assert_eq!(bytes[..17], *b"before and during");
    assert_eq!(link.local.read(stream, &mut bytes), Ok(13));
    assert_eq!(link.local.check(stream), Ok(()));
}

#[test]
fn frames_that_a_device_drops_for_lack_of_room_are_sent_again() {
    let mut link = Link::new(1, 1024, Config::DEFAULT);
    let (stream, peer) = link.connect();
    let message: Vec<u8> = (0..20_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let (mut sent, mut received) = (0, Vec::new());
    // Ten minutes at most: each lost frame costs the peer a timeout.
    for turn in 0..60_000 {
        sent += link.remote.write(peer, &message[sent..]).unwrap_or(0);
        link.remote.poll(link.now);
        if turn % 4 == 0 {
            link.local.device().lose();
        }
        link.pass(Duration::from_millis(10));
        let mut bytes = [0; 512];
        while let Ok(count @ 1..) = link.local.read(stream, &mut bytes) {
            received.extend_from_slice(&bytes[..count]);
        }
        if received.len() == message.len() {
            break;
        }
    }
    assert!(received == message, "{} bytes arrive, or others", received.len());
}
