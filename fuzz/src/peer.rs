//! The host at the far end of the wire: it makes frames that are valid but for what the fuzzer
//! likes, and keeps track of where each connection is, so that its segments are not all out of
//! order.

use std::collections::HashMap;

use crate::choices::Choices;

/// The Ethernet address of the network under test, and of the host at the far end.
pub const NEAR: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
const FAR: [u8; 6] = [0x02, 0, 0, 0, 0, 2];
/// Their IP addresses.
pub const NEAR_IP: [u8; 4] = [10, 0, 0, 1];
const FAR_IP: [u8; 4] = [10, 0, 0, 2];
/// The port of the service.
pub const SERVICE: u16 = 7;

const ETHERNET: usize = 14;
const IP: usize = 20;
const TCP: usize = 20;

/// The flags of a segment.
pub mod flags {
    /// The sender will send no more.
    pub const FIN: u8 = 0x01;
    /// The sender begins.
    pub const SYN: u8 = 0x02;
    /// The connection is broken.
    pub const RST: u8 = 0x04;
    /// The acknowledgement counts.
    pub const ACK: u8 = 0x10;
}

/// A segment that the peer sends.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// The port that it is sent from.
    pub port: u16,
    /// Its flags.
    pub flags: u8,
    /// Offset of its sequence number from the right one.
    pub sequence_off: u32,
    /// Offset of its acknowledgement from the right one.
    pub acknowledgement_off: u32,
    /// Receive window of the peer.
    pub window: u16,
    /// Options, a multiple of four bytes, at most 40.
    pub options: Vec<u8>,
    /// Payload of the segment.
    pub payload: Vec<u8>,
}

impl Segment {
    /// Makes a segment with correct numbers.
    #[must_use]
    pub fn plain(port: u16, flags: u8, payload: &[u8]) -> Self {
        Self { port, flags, window: 4_096, payload: payload.to_vec(), ..Self::default() }
    }

    /// Draws a segment from `choices`, from one of few ports.
    #[must_use]
    pub fn choose(choices: &Choices) -> Self {
        let off = |kind: u8| match kind & 3 {
            0 | 1 => 0,
            2 => i32::from(i8::from_ne_bytes(choices.array())).cast_unsigned(),
            _ => u32::from_le_bytes(choices.array()),
        };
        let (port, flags, kinds) =
            (2_000 + u16::from(choices.byte() % 6), choices.byte(), choices.byte());
        let (sequence_off, acknowledgement_off) = (off(kinds), off(kinds >> 2));
        let window = if kinds & 0x10 == 0 { 4_096 } else { u16::from_le_bytes(choices.array()) };
        let words = if kinds & 0x20 == 0 { 0 } else { choices.below(11) };
        let options = (0..4 * words).map(|_| choices.byte()).collect();
        let length = if kinds & 0x40 == 0 {
            0
        } else {
            usize::from(choices.byte()) * if kinds & 0x80 == 0 { 1 } else { 5 }
        };
        let payload = vec![choices.byte(); length];
        Self { port, flags, sequence_off, acknowledgement_off, window, options, payload }
    }
}

/// State of a connection of the peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Sequence number that the peer sends next.
    next: u32,
    /// Sequence number that it expects next.
    expected: u32,
    /// The flags of the last segment received.
    pub flags: u8,
    /// Number of bytes received.
    pub bytes: usize,
}

/// The peer.
#[derive(Debug, Default)]
pub struct Peer {
    connections: HashMap<u16, Progress>,
}

impl Peer {
    /// Returns the state of the connection from this port.
    #[must_use]
    pub fn progress(&self, port: u16) -> Progress {
        self.connections.get(&port).copied().unwrap_or_default()
    }

    /// Forgets what was received from the service on this port, and begins anew.
    pub fn forget(&mut self, port: u16) {
        self.connections.remove(&port);
    }

    /// Takes in a frame of the network under test.
    pub fn receive(&mut self, frame: &[u8]) {
        let is_segment = frame.len() >= ETHERNET + IP + TCP
            && frame[12..14] == [8, 0]
            && frame[ETHERNET + 9] == 6;
        if !is_segment {
            return;
        }
        let total = usize::from(u16::from_be_bytes([frame[ETHERNET + 2], frame[ETHERNET + 3]]));
        let tcp = &frame[ETHERNET + IP..];
        let word = |at: usize| u32::from_be_bytes(core::array::from_fn(|byte| tcp[at + byte]));
        let bytes = total.saturating_sub(IP + usize::from(tcp[12] >> 4) * 4);
        let progress = self.connections.entry(u16::from_be_bytes([tcp[2], tcp[3]])).or_default();
        let ends = u32::from(tcp[13] & (flags::SYN | flags::FIN) != 0);
        progress.flags = tcp[13];
        progress.expected =
            word(4).wrapping_add(u32::try_from(bytes).unwrap_or(0)).wrapping_add(ends);
        progress.bytes += bytes;
    }

    /// Returns the frame that carries a segment, and advances the peer if the number was right.
    pub fn send(&mut self, segment: &Segment) -> Vec<u8> {
        let progress = self.connections.entry(segment.port).or_default();
        let sequence = progress.next.wrapping_add(segment.sequence_off);
        let acknowledgement = progress.expected.wrapping_add(segment.acknowledgement_off);
        if segment.sequence_off == 0 {
            let ends = u32::from(segment.flags & (flags::SYN | flags::FIN) != 0);
            let length = u32::try_from(segment.payload.len()).unwrap_or(0);
            progress.next = progress.next.wrapping_add(length).wrapping_add(ends);
        }
        let header = TCP + segment.options.len();
        let mut tcp = Vec::with_capacity(header + segment.payload.len());
        tcp.extend(segment.port.to_be_bytes());
        tcp.extend(SERVICE.to_be_bytes());
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(acknowledgement.to_be_bytes());
        tcp.extend([u8::try_from(header / 4).unwrap_or(5) << 4, segment.flags]);
        tcp.extend(segment.window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(&segment.options);
        tcp.extend(&segment.payload);
        ip(6, &tcp)
    }
}

/// Builds an Ethernet frame from the peer to the network under test.
#[must_use]
pub fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&NEAR[..], &FAR, &kind.to_be_bytes(), payload].concat()
}

/// Builds a frame with an IP packet of this protocol.
#[must_use]
pub fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(IP + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let header = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, protocol, 0, 0];
    ethernet(0x0800, &[&header[..], &FAR_IP, &NEAR_IP, payload].concat())
}

/// Builds an ARP request from the peer for the network's address.
#[must_use]
pub fn arp() -> Vec<u8> {
    ethernet(0x0806, &[&[0, 1, 8, 0, 6, 4, 0, 1][..], &FAR, &FAR_IP, &[0; 6], &NEAR_IP].concat())
}
