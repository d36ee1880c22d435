//! Peers and networks that mean harm, against few sockets.

use std::time::Duration;

use selkie_core::ErrorKind;
use selkie_core::platform::{Selector, Transport};
use selkie_smoltcp::Config;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Ipv4Address,
};

use crate::link::Link;
use crate::world::LOCAL;

/// Returns a frame of ARP from a host that is made up.
fn arp(operation: ArpOperation, host: u16) -> Vec<u8> {
    let [high, low] = host.to_be_bytes();
    let source = EthernetAddress([0x02, 0, 0, 1, high, low]);
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: source,
        source_protocol_addr: Ipv4Address::new(10, 0, 0, low.max(10)),
        target_hardware_addr: EthernetAddress::BROADCAST,
        target_protocol_addr: LOCAL,
    };
    let mut bytes = vec![0; 14 + repr.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    frame.set_dst_addr(EthernetAddress::BROADCAST);
    frame.set_src_addr(source);
    frame.set_ethertype(EthernetProtocol::Arp);
    repr.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    bytes
}

#[test]
fn a_storm_of_arp_delays_a_client_and_loses_none() {
    let mut link = Link::new(1, 1024, Config::DEFAULT);
    let (stream, peer) = link.connect();
    let (mut written, mut received) = (0_u32, 0_u32);
    for turn in 0..5_000_u16 {
        for frame in 0..10 {
            let operation =
                if frame % 2 == 0 { ArpOperation::Request } else { ArpOperation::Reply };
            link.wire.inject(arp(operation, turn.wrapping_mul(10).wrapping_add(frame)));
        }
        if written == received && link.local.write(stream, &written.to_le_bytes()).is_ok() {
            written += 1;
        }
        link.pass(Duration::from_millis(10));
        let mut bytes = [0; 4];
        if link.remote.read(peer, &mut bytes) == Ok(4) {
            assert_eq!(bytes, received.to_le_bytes());
            received += 1;
        }
    }
    assert!(received > 10, "{received} answers arrive in 50 s of a storm");
    assert_eq!(link.local.check(stream), Ok(()));
}

#[test]
fn a_flood_of_connections_disturbs_no_client_and_ends_with_itself() {
    let mut link = Link::new(3, 1024, Config::DEFAULT);
    let (stream, peer) = link.connect();
    for host in 10..210 {
        link.begin_to_connect_from_nowhere(Ipv4Address::new(10, 0, 0, host));
        link.remote.write(peer, b"?").unwrap();
        link.talk();
        assert_eq!(link.local.read(stream, &mut [0; 8]), Ok(1));
    }
    // Those that were made up have five seconds each.
    for _ in 0..100 {
        link.pass(Duration::from_millis(100));
    }
    let (another, peer) = link.connect();
    link.remote.write(peer, b"!").unwrap();
    link.talk();
    assert_eq!(link.local.read(another, &mut [0; 8]), Ok(1));
}

#[test]
fn a_peer_whose_window_stays_closed_costs_probes_and_no_turns() {
    let mut link = Link::new(1, 1024, Config::DEFAULT);
    let (stream, _) = link.connect();
    let mut turns = 0;
    let end = link.now + Duration::from_mins(5);
    while link.now < end {
        while link.local.write(stream, &[1; 256]).is_ok() {}
        let now = link.now;
        let next = link.local.next_deadline(now).map_or(end, |next| next.min(end));
        link.pass(next.saturating_since(now));
        link.talk();
        turns += 1;
    }
    assert!(turns < 400, "{turns} turns in five minutes");
    assert_eq!(link.local.check(stream), Ok(()), "it lives, and is the server's to close");
    let full = link.local.write(stream, b"more").map_err(selkie_core::Error::kind);
    assert_eq!(full, Err(ErrorKind::WouldBlock));
}

#[test]
fn an_odd_mtu_carries_all_bytes() {
    for mtu in [14 + 68, 101, 577] {
        let mut link = Link::with_longest_frame(mtu);
        let (stream, peer) = link.connect();
        let message: Vec<u8> = (0..3_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let (mut sent, mut echoed, mut received) = (0, Vec::new(), Vec::new());
        for _ in 0..200_000 {
            sent += link.remote.write(peer, &message[sent..]).unwrap_or(0);
            let mut bytes = [0; 512];
            let room = (1024 - echoed.len()).min(512);
            if room > 0
                && let Ok(count) = link.local.read(stream, &mut bytes[..room])
            {
                echoed.extend_from_slice(&bytes[..count]);
            }
            if let Ok(count) = link.local.write(stream, &echoed) {
                echoed.drain(..count);
            }
            link.pass(Duration::from_millis(1));
            while let Ok(count @ 1..) = link.remote.read(peer, &mut bytes) {
                received.extend_from_slice(&bytes[..count]);
            }
            if received.len() == message.len() {
                break;
            }
        }
        assert!(received == message, "{} bytes arrive with an MTU of {mtu}", received.len());
    }
}
