//! Messages: what a query asks, and the answer to it.

use core::net::Ipv4Addr;

use super::HostEntry;

/// The longest message that is read or written.
pub const DNS_MESSAGE_MAX: usize = 1232;

/// The bytes of the head of a message.
const HEAD: usize = 12;
/// The bytes of one address in an answer: a pointer to the name, type, class, time to live, length,
/// and the address.
const RECORD: usize = 16;
/// The seconds for which an answer may be kept.
const TIME_TO_LIVE: u32 = 60;
const TYPE_A: u16 = 1;
/// Records of any type: the answer has those of the table (RFC 8482, section 4.1).
const TYPE_ANY: u16 = 255;
/// Whole zones, which are not given away.
const TYPE_IXFR: u16 = 251;
const TYPE_AXFR: u16 = 252;
const CLASS_IN: u16 = 1;
/// The bit of the third byte that says that an answer is cut.
const TRUNCATED: u8 = 2;
/// The longest name, in its form on the wire.
const NAME_MAX: usize = 255;
/// The longest part of a name.
const LABEL_MAX: usize = 63;

/// The result of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Success = 0,
    FormatError = 1,
    ServerFailure = 2,
    NoSuchName = 3,
    NotImplemented = 4,
    Refused = 5,
}

/// The one question of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question<'q> {
    /// The parts of the name, each behind its length, without the empty one at the end.
    name: &'q [u8],
    record: u16,
}

impl<'q> Question<'q> {
    /// Reads a query. The error is the result to answer with; without one there is no answer.
    pub(super) fn parse(query: &'q [u8]) -> Result<Self, Option<Code>> {
        let head = query.get(..HEAD).ok_or(None)?;
        let is_response = head[2] & 0x80 != 0;
        if is_response {
            return Err(None);
        }
        let operation = head[2] >> 3 & 0xf;
        if operation != 0 {
            return Err(Some(Code::NotImplemented));
        }
        let questions = u16::from_be_bytes([head[4], head[5]]);
        if questions != 1 {
            return Err(Some(Code::FormatError));
        }
        let rest = &query[HEAD..];
        let name = name(rest).ok_or(Some(Code::FormatError))?;
        let [t1, t2, c1, c2] = *rest
            .get(name.len() + 1..)
            .and_then(|rest| rest.first_chunk())
            .ok_or(Some(Code::FormatError))?;
        if u16::from_be_bytes([c1, c2]) != CLASS_IN {
            return Err(Some(Code::Refused));
        }
        let record = u16::from_be_bytes([t1, t2]);
        if matches!(record, TYPE_IXFR | TYPE_AXFR) {
            return Err(Some(Code::Refused));
        }
        Ok(Self { name, record })
    }

    /// Returns whether the table has the name.
    pub(super) fn is_in(&self, table: &[HostEntry<'_>]) -> bool {
        table.iter().any(|(name, _)| self.asks_for(name))
    }

    /// Compares the name with one that is written with dots. Upper and lower case are the same.
    fn asks_for(&self, dotted: &str) -> bool {
        let mut rest = self.name;
        for part in dotted.split('.') {
            let Some((&len, after)) = rest.split_first() else { return false };
            let Some((label, after)) = after.split_at_checked(usize::from(len)) else {
                return false;
            };
            if !label.eq_ignore_ascii_case(part.as_bytes()) {
                return false;
            }
            rest = after;
        }
        rest.is_empty()
    }
}

/// Returns the parts of a name that is not abbreviated, without the empty one at its end.
fn name(bytes: &[u8]) -> Option<&[u8]> {
    let mut len = 0;
    loop {
        match usize::from(*bytes.get(len)?) {
            0 => return bytes.get(..len),
            label if label <= LABEL_MAX && len + label < NAME_MAX => len += 1 + label,
            _ => return None,
        }
    }
}

/// Writes the answer to a question of `query` from the table, and returns its length. Addresses
/// that do not fit are left out, and the answer says so.
pub(super) fn answer(
    query: &[u8],
    question: &Question<'_>,
    table: &[HostEntry<'_>],
    reply: &mut [u8],
) -> usize {
    let code = if question.is_in(table) { Code::Success } else { Code::NoSuchName };
    let mut len = refuse(query, code, reply);
    let (mut count, mut is_cut) = (0_u16, false);
    if matches!(question.record, TYPE_A | TYPE_ANY) {
        for &(_, address) in table.iter().filter(|(name, _)| question.asks_for(name)) {
            let Some(place) = reply.get_mut(len..len + RECORD) else {
                is_cut = true;
                break;
            };
            place.copy_from_slice(&record(address));
            len += RECORD;
            count += 1;
        }
    }
    reply[6..8].copy_from_slice(&count.to_be_bytes());
    reply[2] |= if is_cut { TRUNCATED } else { 0 };
    len
}

/// Writes an answer that says that it is cut: the client asks again over TCP. Returns its length.
pub(super) fn cut(whole: &[u8], reply: &mut [u8]) -> usize {
    let len = with_question(whole, reply);
    reply[2] |= TRUNCATED;
    len
}

/// Writes an answer without records, and returns its length.
pub(super) fn refuse(query: &[u8], code: Code, reply: &mut [u8]) -> usize {
    let len = with_question(query, reply);
    // A response with authority, to the same operation; recursion as it was desired.
    reply[2] = query[2] & 0x79 | 0x84;
    reply[3] = code as u8;
    len
}

/// Writes the head of a message, which has one, and its question if there is one that can be read.
fn with_question(message: &[u8], reply: &mut [u8]) -> usize {
    let question = name(&message[HEAD..]).map_or(0, |name| name.len() + 1 + 4);
    let is_there = question > 0 && message.len() >= HEAD + question && message[4..6] == [0, 1];
    let len = if is_there { HEAD + question } else { HEAD };
    reply[..len].copy_from_slice(&message[..len]);
    reply[4..HEAD].fill(0);
    reply[5] = u8::from(is_there);
    len
}

/// Returns an address as a record of the name in the question.
fn record(address: Ipv4Addr) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    // A pointer to the first byte behind the head.
    record[..2].copy_from_slice(&[0xc0, 12]);
    record[2..4].copy_from_slice(&TYPE_A.to_be_bytes());
    record[4..6].copy_from_slice(&CLASS_IN.to_be_bytes());
    record[6..10].copy_from_slice(&TIME_TO_LIVE.to_be_bytes());
    record[11] = 4;
    record[12..].copy_from_slice(&address.octets());
    record
}
