//! A chat: the first line is a nickname, every other one is sent to all the others.

use selkie_core::{CloseReason, Peer, SendError, Service, Token};

/// The longest nickname.
const NICK_MAX: usize = 16;
/// The longest line that is passed on, its line feed included.
const LINE_MAX: usize = 512;
/// The longest message: a nickname, a colon, a space and a line.
const MESSAGE_MAX: usize = NICK_MAX + 2 + LINE_MAX;

/// The last message to a client whose line is too long.
const TOO_LONG: &[u8] = b"a line has at most 511 bytes\n";

/// Passes lines on to everybody else. Who does not take them in time is disconnected, so that
/// no one else waits.
#[derive(Debug)]
pub struct Chat<'a> {
    seats: &'a mut [Seat],
    len: usize,
    counters: ChatCounters,
}

/// A place in the list of members, and where a connection stands in that list.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// The member of this place. The first places are taken, the others empty.
    member: Token,
    /// The place of the connection whose slot has the number of this seat.
    place: u32,
}

impl Seat {
    /// An empty seat: all bits zero.
    pub const EMPTY: Self = Self { member: Token::from_u64(0), place: 0 };
}

impl Default for Seat {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The counts of a chat since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChatCounters {
    /// Lines that were received.
    pub lines: u64,
    /// Messages that were sent, one for each receiver.
    pub delivered: u64,
    /// Members who were disconnected, as they did not take what they were sent.
    pub too_slow: u64,
    /// Connections that were closed for a line or a nickname that is too long.
    pub refused: u64,
}

/// The state of a chat's connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Member {
    nick: [u8; NICK_MAX],
    nick_len: u8,
}

impl Member {
    fn nick(&self) -> &[u8] {
        &self.nick[..usize::from(self.nick_len)]
    }

    const fn has_joined(&self) -> bool {
        self.nick_len > 0
    }
}

impl<'a> Chat<'a> {
    /// Makes a chat with one seat for each slot of the loop.
    #[must_use]
    pub const fn new(seats: &'a mut [Seat]) -> Self {
        let counters = ChatCounters { lines: 0, delivered: 0, too_slow: 0, refused: 0 };
        Self { seats, len: 0, counters }
    }

    /// Returns what was counted.
    #[must_use]
    pub const fn counters(&self) -> &ChatCounters {
        &self.counters
    }

    /// Returns the number of members.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no member.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives a connection its nickname, and a seat.
    fn join(&mut self, peer: &mut Peer<'_>, member: &mut Member, nick: &[u8]) {
        let is_nick = (1..=NICK_MAX).contains(&nick.len()) && nick.iter().all(u8::is_ascii_graphic);
        if !is_nick {
            return self.refuse(peer, b"a nickname has 1 to 16 letters without spaces\n");
        }
        let token = peer.token();
        if !self.sit(token) {
            return self.refuse(peer, b"the chat is full: try again later\n");
        }
        member.nick[..nick.len()].copy_from_slice(nick);
        member.nick_len = u8::try_from(nick.len()).unwrap_or(0);
        self.broadcast(peer, &Message::new(&[nick, b" joined\n"]));
    }

    /// Appends a connection to the list of members. Returns whether there was a seat.
    fn sit(&mut self, token: Token) -> bool {
        let (index, place) = (token.index(), self.len);
        if place >= self.seats.len() || index >= self.seats.len() {
            return false;
        }
        self.seats[place].member = token;
        self.seats[index].place = u32::try_from(place).unwrap_or(u32::MAX);
        self.len += 1;
        true
    }

    /// Takes a connection out of the list of members: the last one gets its place.
    fn stand(&mut self, token: Token) {
        let place = self.seats[token.index()].place;
        self.len -= 1;
        let last = self.seats[self.len].member;
        self.seats[place as usize].member = last;
        self.seats[last.index()].place = place;
    }

    /// Says why a connection is closed, and closes it.
    fn refuse(&mut self, peer: &mut Peer<'_>, why: &[u8]) {
        self.counters.refused += 1;
        // Without room for it, the reason is lost; the close says the rest.
        let _ = peer.send(why);
        peer.close();
    }

    /// Sends a message to every member but the one that the call is about.
    fn broadcast(&mut self, peer: &mut Peer<'_>, message: &Message) {
        let sender = peer.token();
        for seat in &self.seats[..self.len] {
            let other = seat.member;
            if other == sender {
                continue;
            }
            match peer.send_to(other, message.bytes()) {
                Ok(()) => self.counters.delivered += 1,
                // Its place is taken back in `closed`.
                Err(SendError::Closed) => {}
                Err(_) => {
                    self.counters.too_slow += 1;
                    peer.abort_other(other);
                }
            }
        }
    }
}

/// A line as it is sent, in one piece, so that lines never mix.
struct Message {
    bytes: [u8; MESSAGE_MAX],
    len: usize,
}

impl Message {
    /// Joins parts of together at most [`MESSAGE_MAX`] bytes.
    fn new(parts: &[&[u8]]) -> Self {
        let mut message = Self { bytes: [0; MESSAGE_MAX], len: 0 };
        for part in parts {
            message.bytes[message.len..message.len + part.len()].copy_from_slice(part);
            message.len += part.len();
        }
        message
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Service for Chat<'_> {
    type Session = Member;

    fn opened(&mut self, peer: &mut Peer<'_>, _member: &mut Member) {
        // A fresh connection has room for it.
        let _ = peer.send(b"your nickname?\n");
    }

    fn received(&mut self, peer: &mut Peer<'_>, member: &mut Member, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(end) = bytes[taken..].iter().position(|&byte| byte == b'\n') {
            let line = &bytes[taken..=taken + end];
            taken += end + 1;
            if line.len() > LINE_MAX {
                self.refuse(peer, TOO_LONG);
                return bytes.len();
            }
            self.counters.lines += 1;
            if member.has_joined() {
                self.broadcast(peer, &Message::new(&[member.nick(), b": ", line]));
            } else {
                self.join(peer, member, line.trim_ascii());
            }
        }
        if bytes.len() - taken >= LINE_MAX.min(peer.received_max()) {
            self.refuse(peer, TOO_LONG);
            return bytes.len();
        }
        taken
    }

    fn closed(&mut self, peer: &mut Peer<'_>, member: &mut Member, _reason: CloseReason) {
        if !member.has_joined() {
            return;
        }
        self.stand(peer.token());
        self.broadcast(peer, &Message::new(&[member.nick(), b" left\n"]));
    }
}
