//! A chat: the first line is a nickname, every other one is sent to all the others.
//!
//! What is passed on is text: control characters, which could change the terminals of others, are
//! replaced.

use selkie_core::{CloseReason, Peer, SendError, Service, Token};

use crate::counted::Counted;

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
    /// The nickname of the connection whose slot has the number of this seat.
    nick: Nick,
}

/// A nickname; an empty one before a connection has joined.
#[derive(Clone, Copy, Debug)]
struct Nick {
    len: u8,
    bytes: [u8; NICK_MAX],
}

impl Nick {
    const EMPTY: Self = Self { len: 0, bytes: [0; NICK_MAX] };

    /// Returns a nickname if `text` can be one. A colon ends it where it is shown.
    fn new(text: &[u8]) -> Option<Self> {
        let is_nick = text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':');
        let mut nick = Self { len: u8::try_from(text.len()).ok()?, ..Self::EMPTY };
        nick.bytes.get_mut(..text.len())?.copy_from_slice(text);
        (is_nick && !text.is_empty()).then_some(nick)
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Seat {
    /// An empty seat: all bits zero.
    pub const EMPTY: Self = Self { member: Token::from_u64(0), place: 0, nick: Nick::EMPTY };
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
    /// Connections that were closed for a line that is too long, or a nickname that is none or
    /// that another member has.
    pub refused: u64,
}

/// The state of a chat's connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Member {
    has_joined: bool,
}

impl<'a> Chat<'a> {
    /// Makes a chat with one seat for each slot of the loop.
    #[must_use]
    pub const fn new(seats: &'a mut [Seat]) -> Self {
        let counters = ChatCounters { lines: 0, delivered: 0, too_slow: 0, refused: 0 };
        Self { seats, len: 0, counters }
    }

    /// Returns the counters.
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
        let Some(nick) = Nick::new(nick) else {
            return self
                .refuse(peer, b"a nickname has 1 to 16 letters, without spaces and colons\n");
        };
        if self.members().any(|other| other.text() == nick.text()) {
            return self.refuse(peer, b"that nickname is taken: choose another one\n");
        }
        if !self.sit(peer.token(), nick) {
            return self.refuse(peer, b"the chat is full: try again later\n");
        }
        member.has_joined = true;
        self.broadcast(peer, &Message::new(&nick, b" joined\n"));
    }

    /// Returns the nicknames of all members.
    fn members(&self) -> impl Iterator<Item = &Nick> {
        self.seats[..self.len].iter().map(|seat| &self.seats[seat.member.index()].nick)
    }

    /// Appends a connection to the list of members. Returns whether there was a seat.
    fn sit(&mut self, token: Token, nick: Nick) -> bool {
        let (index, place) = (token.index(), self.len);
        if place >= self.seats.len() || index >= self.seats.len() {
            return false;
        }
        self.seats[place].member = token;
        self.seats[index].place = u32::try_from(place).unwrap_or(u32::MAX);
        self.seats[index].nick = nick;
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
    /// Joins a nickname and at most [`LINE_MAX`] + 2 bytes of text.
    fn new(nick: &Nick, text: &[u8]) -> Self {
        let mut message = Self { bytes: [0; MESSAGE_MAX], len: 0 };
        message.add(nick.text());
        message.add(text);
        message
    }

    /// Makes the message of a member out of its line, which ends with a line feed.
    fn line(nick: &Nick, line: &[u8]) -> Self {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let mut message = Self::new(nick, b": ");
        let start = message.len;
        message.add(text);
        for byte in &mut message.bytes[start..message.len] {
            if byte.is_ascii_control() && *byte != b'\t' {
                *byte = b'?';
            }
        }
        message.add(b"\n");
        message
    }

    fn add(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
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
            if member.has_joined {
                let nick = self.seats[peer.token().index()].nick;
                self.broadcast(peer, &Message::line(&nick, line));
                continue;
            }
            self.join(peer, member, line.trim_ascii());
            if !member.has_joined {
                // Refused: the lines behind it are no nicknames.
                return bytes.len();
            }
        }
        if bytes.len() - taken >= LINE_MAX.min(peer.received_max()) {
            self.refuse(peer, TOO_LONG);
            return bytes.len();
        }
        taken
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, _member: &mut Member, _untaken: usize) {
        // What is left is a line without its end.
        peer.close();
    }

    fn closed(&mut self, peer: &mut Peer<'_>, member: &mut Member, _reason: CloseReason) {
        if !member.has_joined {
            return;
        }
        let nick = self.seats[peer.token().index()].nick;
        self.stand(peer.token());
        self.broadcast(peer, &Message::new(&nick, b" left\n"));
    }
}

impl Counted for Chat<'_> {
    fn counts(&self, each: &mut dyn FnMut(&'static str, u64)) {
        let ChatCounters { lines, delivered, too_slow, refused } = self.counters;
        each("lines", lines);
        each("delivered", delivered);
        each("too slow", too_slow);
        each("turned away", refused);
    }
}
