//! DNS over TCP: each message has its length in front (RFC 7766).

use core::time::Duration;

use selkie_core::{Peer, Service};

use super::HostEntry;
use super::message::{Code, DNS_MESSAGE_MAX, Question, answer, refuse};
use crate::counted::Counted;

/// The time for a query to come, from its first byte on.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// The bytes of a length before a message.
const PREFIX: usize = 2;

/// Answers over TCP, from the table alone. Queries may be pipelined.
#[derive(Debug)]
pub struct DnsOverTcp<'t> {
    table: &'t [HostEntry<'t>],
    query_timeout: Duration,
    /// There are names that are not in the table.
    is_partial: bool,
    counters: DnsStreamCounters,
}

/// Figures of a [`DnsOverTcp`] since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DnsStreamCounters {
    /// Queries that were answered from the table, also with "no such name".
    pub answered: u64,
    /// Queries that were answered with an error.
    pub refused: u64,
    /// Connections that were closed, as they sent no query, or one that is too long or too slow.
    pub malformed: u64,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct DnsStream {
    /// A query has begun and is not complete, so a timer runs.
    timed: bool,
    /// The client has ended its stream, and bytes of it are left.
    ended: bool,
}

impl<'t> DnsOverTcp<'t> {
    /// Makes the service.
    #[must_use]
    pub const fn new(table: &'t [HostEntry<'t>]) -> Self {
        let counters = DnsStreamCounters { answered: 0, refused: 0, malformed: 0 };
        Self { table, query_timeout: QUERY_TIMEOUT, is_partial: false, counters }
    }

    /// Sets the time for a query to come: 10 s if not called.
    #[must_use]
    pub const fn query_timeout(self, query_timeout: Duration) -> Self {
        Self { query_timeout, ..self }
    }

    /// Refuses to answer for names that are not in the table, as a resolver is asked for them over
    /// UDP. Without this they do not exist.
    #[must_use]
    pub const fn partial(self, is_partial: bool) -> Self {
        Self { is_partial, ..self }
    }

    /// Returns the counts since the start.
    #[must_use]
    pub const fn counters(&self) -> &DnsStreamCounters {
        &self.counters
    }

    /// Writes the answer to a query, and returns its length; `None` for what is no query.
    fn answer(&mut self, query: &[u8], reply: &mut [u8]) -> Option<usize> {
        let code = match Question::parse(query) {
            Ok(question) if self.is_partial && !question.is_in(self.table) => Code::Refused,
            Ok(question) => {
                self.counters.answered += 1;
                return Some(answer(query, &question, self.table, reply));
            }
            Err(code) => code?,
        };
        self.counters.refused += 1;
        Some(refuse(query, code, reply))
    }

    /// Closes a connection of which nothing can be read any more.
    fn give_up(&mut self, peer: &mut Peer<'_>) {
        self.counters.malformed += 1;
        peer.close();
    }
}

impl Service for DnsOverTcp<'_> {
    type Session = DnsStream;

    fn received(&mut self, peer: &mut Peer<'_>, stream: &mut DnsStream, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some((length, rest)) = bytes[taken..].split_at_checked(PREFIX) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let Some(query) = rest.get(..length) else {
                if PREFIX + length > peer.received_max() || stream.ended {
                    // It never comes to its end.
                    self.give_up(peer);
                    return bytes.len();
                }
                break;
            };
            if peer.room() < PREFIX + DNS_MESSAGE_MAX {
                // Offered again once the client has taken what waits.
                peer.request_writable();
                break;
            }
            let mut reply = [0; PREFIX + DNS_MESSAGE_MAX];
            let Some(len) = self.answer(query, &mut reply[PREFIX..]) else {
                self.give_up(peer);
                return bytes.len();
            };
            #[expect(clippy::cast_possible_truncation, reason = "the room is below 2^16 bytes")]
            reply[..PREFIX].copy_from_slice(&(len as u16).to_be_bytes());
            if peer.send(&reply[..PREFIX + len]).is_err() {
                break;
            }
            taken += PREFIX + length;
        }
        if stream.ended && bytes.len() - taken < PREFIX {
            peer.close();
            return bytes.len();
        }
        let is_incomplete = taken < bytes.len();
        if is_incomplete && (taken > 0 || !stream.timed) {
            peer.set_timer(self.query_timeout);
        } else if !is_incomplete && stream.timed {
            peer.cancel_timer();
        }
        stream.timed = is_incomplete;
        taken
    }

    fn writable(&mut self, peer: &mut Peer<'_>, _: &mut DnsStream) {
        peer.resume_reading();
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, stream: &mut DnsStream, untaken: usize) {
        if untaken == 0 {
            return peer.close();
        }
        stream.ended = true;
        // The bytes are offered once more: they may be queries that waited for room.
        peer.resume_reading();
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, _: &mut DnsStream) {
        self.give_up(peer);
    }
}

impl Counted for DnsOverTcp<'_> {
    fn counts(&self, each: &mut dyn FnMut(&'static str, u64)) {
        let DnsStreamCounters { answered, refused, malformed } = self.counters;
        each("answered", answered);
        each("refused", refused);
        each("malformed", malformed);
    }
}
