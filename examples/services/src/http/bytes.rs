//! Long replies: lines that are sent again and again, as far as there is room.

use selkie_core::Peer;

use super::{HttpSession, State};

/// Sends of one callback while a long reply is streamed, so that other connections have their turn.
const SENDS_PER_TURN: usize = 4;
/// The bytes that are sent at once; fewer on machines with little memory.
const PIECE: usize = if cfg!(target_pointer_width = "64") { 128 * 1024 } else { 16 * 1024 };
/// The length of a line.
const LINE: usize = 64;
/// The bytes that the answer to `GET /bytes/N` repeats.
static PATTERN: [u8; PIECE] = pattern();

/// Sends what a long reply still has, as far as there is room and for a bounded time.
pub(super) fn stream(peer: &mut Peer<'_>, session: &mut HttpSession) {
    let State::Bytes(mut left) = session.state else { return };
    for _ in 0..SENDS_PER_TURN {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(PATTERN.len() - session.at);
        let sent = peer.send_some(&PATTERN[session.at..session.at + len]);
        // Each piece goes on within the line in which the one before it ends.
        session.at = (session.at + sent) % LINE;
        left -= sent as u64;
        if sent < len || left == 0 {
            break;
        }
    }
    if left > 0 {
        session.state = State::Bytes(left);
        peer.request_writable();
    } else {
        session.state = State::Head;
        session.at = 0;
        if session.last {
            peer.close();
        } else {
            // Requests may wait that were not taken while the reply was sent.
            peer.resume_reading();
        }
    }
}

/// Returns lines of 64 bytes, of which each is the alphabet.
#[allow(clippy::large_stack_arrays, reason = "it is called by the compiler alone")]
const fn pattern() -> [u8; PIECE] {
    let line = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-\n";
    let mut bytes = [0; PIECE];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = line[at % line.len()];
        at += 1;
    }
    bytes
}
