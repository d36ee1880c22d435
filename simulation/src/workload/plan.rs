//! The plan of a client, drawn before it connects.

use alloc::vec::Vec;

use selkie_core::Instant;

use super::Kind;
use super::pattern::{chat_line, stream_byte};
use crate::{Crowd, Random};

/// Way in which a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It ends its stream after everything was sent, and reads to the end.
    Properly,
    /// The same, but only when it has got everything.
    Patiently,
    /// With a reset, in the middle.
    Reset,
    /// By closing both directions, in the middle.
    Close,
    /// It stops doing anything, in the middle.
    Vanish,
}

/// Plan of a client.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) number: u16,
    pub(super) kind: Kind,
    pub(super) starts_at: Instant,
    /// All that it sends.
    pub(super) request: Vec<u8>,
    /// Number of bytes that it asks for, with long replies.
    pub(super) reply_total: u64,
    pub(super) leaving: Leaving,
    /// After how many bytes, sent and received, it leaves in the middle.
    pub(super) leaves_after: u64,
    /// After how many bytes received it stops reading for a while, and for how long.
    pub(super) stall: Option<(u64, u64)>,
}

impl Plan {
    pub(super) fn draw(number: u16, crowd: &Crowd, random: &mut Random) -> Self {
        let kind = draw_kind(crowd, random);
        let (request, reply_total) = draw_request(number, kind, crowd, random);
        let leaving = draw_leaving(kind, crowd, random);
        let total = request.len() as u64 * 2 + reply_total;
        Self {
            number,
            kind,
            starts_at: Instant::from_nanos(random.between(0, crowd.arrivals_span)),
            leaves_after: random.between(0, total),
            stall: random
                .chance(crowd.stalls)
                .then(|| (random.between(0, total), random.between(0, crowd.stall_max))),
            request,
            reply_total,
            leaving,
        }
    }

    /// Returns the number of bytes it gets from an undisturbed connection, where that is known.
    pub(super) fn expected(&self) -> u64 {
        match self.kind {
            // The counterpart of a relayed client sends as much as it does.
            Kind::Echo | Kind::Relay => self.request.len() as u64 - 1,
            Kind::Stream => self.reply_total,
            Kind::Chat | Kind::Chaos => 0,
        }
    }
}

fn draw_kind(crowd: &Crowd, random: &mut Random) -> Kind {
    let shares = [crowd.echo, crowd.chat, crowd.stream, crowd.chaos, crowd.relay];
    let mut place = random.below(shares.iter().sum());
    for (kind, share) in Kind::ALL.into_iter().zip(shares) {
        if place < share {
            return kind;
        }
        place -= share;
    }
    Kind::Echo
}

fn draw_leaving(kind: Kind, crowd: &Crowd, random: &mut Random) -> Leaving {
    if random.chance(crowd.client_resets) {
        Leaving::Reset
    } else if random.chance(crowd.client_closes) {
        Leaving::Close
    } else if random.chance(crowd.vanishings) {
        Leaving::Vanish
    } else if random.chance(crowd.patience) && matches!(kind, Kind::Echo | Kind::Stream) {
        Leaving::Patiently
    } else {
        Leaving::Properly
    }
}

/// Draws the request of a client, and the number of bytes it asks for.
fn draw_request(number: u16, kind: Kind, crowd: &Crowd, random: &mut Random) -> (Vec<u8>, u64) {
    let length = random.between(1, crowd.request_max.max(1));
    let mut request = alloc::vec![kind.letter()];
    let mut reply_total = 0;
    match kind {
        Kind::Echo | Kind::Chaos => {
            request.extend((0..length).map(|_| random.bits().to_le_bytes()[0]));
        }
        Kind::Relay => request.extend((0..crowd.request_max.max(1)).map(stream_byte)),
        Kind::Chat => {
            let mut line = 0;
            while (request.len() as u64) < length {
                request.extend(chat_line(number, line));
                line += 1;
            }
        }
        Kind::Stream => {
            for _ in 0..=length.min(40) / 4 {
                let reply = random.between(0, crowd.reply_max.min(u64::from(u16::MAX)));
                request.extend(u16::try_from(reply).unwrap_or(0).to_le_bytes());
                reply_total += reply;
            }
        }
    }
    (request, reply_total)
}
