//! The kinds of services, and what each does with the bytes of its clients.

use core::time::Duration;

use selkie_core::{Peer, SendError};

use super::Kind;
use super::pattern::stream_byte;
use super::service::{Mixed, Session};

/// The longest line of a chat.
const LINE_MAX: usize = 48;

impl Mixed {
    /// Takes some of the bytes, by the service that the connection chose.
    pub(super) fn take(
        &mut self,
        peer: &mut Peer<'_>,
        session: &mut Session,
        bytes: &[u8],
    ) -> usize {
        let Some(kind) = session.kind else {
            let kind = Kind::of(bytes[0]);
            session.kind = kind;
            match kind {
                None => self.blame(alloc::format!("a stream began with {:#04x}", bytes[0])),
                Some(Kind::Chat) => self.members.push(peer.token()),
                Some(Kind::Relay) => self.find_counterpart(peer),
                Some(_) => {}
            }
            return 1 + if bytes.len() > 1 { self.take(peer, session, &bytes[1..]) } else { 0 };
        };
        match kind {
            Kind::Echo => self.echo(peer, bytes),
            Kind::Chat => self.chat(peer, bytes),
            Kind::Stream => self.stream(peer, session, bytes),
            Kind::Chaos => self.chaos(peer, session, bytes),
            Kind::Relay => self.relay(peer, bytes),
        }
    }

    fn echo(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) -> usize {
        let reluctant = self.random.chance(self.reluctance);
        let room = peer.room();
        if room == 0 && peer.send(&bytes[..1]) == Err(SendError::Closed) {
            // The peer takes nothing more; what it has sent is of no use.
            return bytes.len();
        }
        let most = bytes.len().min(room);
        let count = if reluctant { self.random.index(most + 1) } else { most };
        // Without room it is offered again when the output has drained.
        if count < most {
            self.set_timer(peer, Duration::from_micros(300));
        }
        let token = peer.token();
        if count == 0 || self.send(peer, token, &bytes[..count], false) { count } else { 0 }
    }

    fn chat(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(length) = bytes[taken..].iter().position(|&byte| byte == b'\n') {
            let line = &bytes[taken..=taken + length];
            for position in 0..self.members.len() {
                let other = self.members[position];
                if other != peer.token() {
                    // One whose output buffer is full misses this line; it must not stop the
                    // others.
                    self.send(peer, other, line, false);
                }
            }
            taken += length + 1;
        }
        if bytes.len() - taken > LINE_MAX {
            self.blame(alloc::format!("a line of {} bytes", bytes.len() - taken));
        }
        taken
    }

    /// Answers requests of two bytes, which are the length of the reply. The next request waits
    /// until the reply is sent.
    fn stream(&mut self, peer: &mut Peer<'_>, session: &mut Session, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while session.due == 0 && bytes.len() - taken >= 2 {
            session.due = u64::from(u16::from_le_bytes([bytes[taken], bytes[taken + 1]]));
            taken += 2;
            self.go_on(peer, session);
        }
        taken
    }

    /// Sends a piece of a long reply.
    pub(super) fn go_on(&mut self, peer: &mut Peer<'_>, session: &mut Session) {
        let mut piece = [0; 700];
        while session.due > 0 {
            let room = peer.room().min(piece.len());
            let count = usize::try_from(session.due).unwrap_or(room).min(room);
            if count == 0 {
                break;
            }
            self.make(session, &mut piece[..count]);
            let token = peer.token();
            if !self.send(peer, token, &piece[..count], true) {
                return;
            }
            session.offset += count as u64;
            session.due -= count as u64;
            if self.random.chance(self.reluctance) {
                break;
            }
        }
        if session.due > 0 {
            peer.request_writable();
        }
    }

    /// Makes the next bytes of the stream for a client.
    #[allow(clippy::unused_self, reason = "reads better beside the others")]
    fn make(&self, session: &Session, piece: &mut [u8]) {
        for (place, byte) in piece.iter_mut().enumerate() {
            *byte = stream_byte(session.offset + place as u64);
        }
    }

    fn chaos(&mut self, peer: &mut Peer<'_>, session: &mut Session, bytes: &[u8]) -> usize {
        self.whim(peer, session);
        let reluctant = self.random.chance(self.reluctance);
        let count = if reluctant { self.random.index(bytes.len() + 1) } else { bytes.len() };
        if count < bytes.len() {
            self.set_timer(peer, Duration::from_micros(300));
        }
        count
    }

    /// Acts at random.
    pub(super) fn whim(&mut self, peer: &mut Peer<'_>, session: &mut Session) {
        if !self.random.chance(self.whims) {
            return;
        }
        let token = peer.token();
        match self.random.below(24) {
            0..8 => {
                let room = u64::try_from(peer.room().min(700)).unwrap_or(0);
                let mut piece = [0; 700];
                let count = self.random.index(usize::try_from(room).unwrap_or(0) + 1);
                self.make(session, &mut piece[..count]);
                if count > 0 && self.send(peer, token, &piece[..count], true) {
                    session.offset += count as u64;
                }
            }
            8..14 => {
                // Some in this very moment, some at the same time as others.
                let delay = match self.random.below(4) {
                    0 => 0,
                    1 => 1_000_000,
                    _ => self.random.below(30_000_000),
                };
                self.set_timer(peer, Duration::from_nanos(delay));
            }
            14 => {
                peer.cancel_timer();
                self.account(token).timer = None;
            }
            15..18 => peer.request_writable(),
            18 => peer.shutdown_write(),
            19 => self.dismiss(peer),
            20 => {
                self.account(token).dismissed = true;
                peer.abort();
            }
            choice => self.meddle(peer, choice),
        }
    }

    /// Acts on another connection at random.
    fn meddle(&mut self, peer: &mut Peer<'_>, choice: u64) {
        let index = self.random.index(self.accounts.len());
        let Some(other) = self.accounts[index].tenant else { return };
        match choice {
            21 => peer.resume_reading_of(other),
            22 if self.random.chance(100) => {
                self.account(other).dismissed = true;
                self.account(other).interrupted = true;
                peer.close_other(other);
            }
            23 if self.random.chance(100) => {
                self.account(other).dismissed = true;
                peer.abort_other(other);
            }
            _ => {}
        }
    }

    /// Joins a relayed connection with the one that waits for a counterpart.
    fn find_counterpart(&mut self, peer: &mut Peer<'_>) {
        let token = peer.token();
        let Some(other) = self.single.take() else {
            self.single = Some(token);
            return;
        };
        self.account(token).counterpart = Some(other);
        self.account(other).counterpart = Some(token);
        peer.resume_reading_of(other);
    }

    /// Sends bytes on to the counterpart, as far as there is room.
    fn relay(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) -> usize {
        let Some(counterpart) = self.account(peer.token()).counterpart else { return 0 };
        let count = bytes.len().min(peer.room_of(counterpart));
        if count < bytes.len() {
            peer.request_writable_of(counterpart);
        }
        if count == 0 || self.send(peer, counterpart, &bytes[..count], true) { count } else { 0 }
    }

    /// Closes the counterpart of a relayed connection that is gone.
    pub(super) fn part(&mut self, peer: &mut Peer<'_>) {
        let token = peer.token();
        self.single = self.single.filter(|single| *single != token);
        let Some(counterpart) = self.account(token).counterpart.take() else { return };
        if self.account(counterpart).tenant == Some(counterpart) {
            self.account(counterpart).counterpart = None;
            self.account(counterpart).dismissed = true;
            peer.close_other(counterpart);
        }
    }

    /// Closes a connection whose peer has ended its stream, once it has had everything.
    pub(super) fn close_if_done(&mut self, peer: &mut Peer<'_>, session: &Session) {
        let partial = matches!(session.kind, Some(Kind::Chat))
            || (session.left < 2 && session.kind != Some(Kind::Echo));
        let waits = session.left > 0 && !partial && session.kind != Some(Kind::Chaos);
        // A relayed connection is closed with its counterpart.
        let relayed =
            session.kind == Some(Kind::Relay) && self.account(peer.token()).counterpart.is_some();
        if session.ended && session.due == 0 && !waits && !relayed {
            self.dismiss(peer);
        }
    }
}
