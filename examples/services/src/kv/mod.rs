//! A key-value store that speaks the Redis protocol, in fixed memory.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod.rs` | the service: takes requests, executes commands |
//! | `request.rs` | reads a request |
//! | `replies.rs` | writes replies, many of them in one send |
//! | `store.rs` | keeps keys and values |

mod replies;
mod request;
mod store;

use core::time::Duration;

use selkie_core::{Instant, Peer, SendError, Service};

use crate::decimal::Decimal;
use replies::Replies;
pub use store::{Entry, Store, StoreError};

const OK: &[u8] = b"+OK\r\n";
const NULL: &[u8] = b"$-1\r\n";
const SYNTAX: &[u8] = b"-ERR syntax error\r\n";
const NOT_A_NUMBER: &[u8] = b"-ERR value is not an integer or out of range\r\n";
const TOO_LARGE: &[u8] = b"-ERR Protocol error: the request is too large\r\n";
const REPLY_TOO_LARGE: &[u8] = b"-ERR the reply is too large; ask for fewer keys\r\n";

/// Serves a [`Store`] by the Redis protocol: `PING`, `ECHO`, `GET`, `SET` (`EX`, `PX`, `NX`,
/// `XX`), `DEL`, `EXISTS`, `INCR`, `DECR`, `EXPIRE`, `TTL`, `MGET`, `DBSIZE`, `FLUSHALL`, `QUIT`,
/// pipelined or one at a time.
///
/// A `SET` that finds no slot is answered with `-OOM`; keys and values that are longer than a slot
/// with `-ERR`. Nothing is evicted.
#[derive(Debug)]
pub struct Kv<'a, const KEY: usize, const VALUE: usize> {
    store: Store<'a, KEY, VALUE>,
    replies: Replies,
}

/// The next step on a connection after a request.
enum Next {
    Continue,
    Close,
}

impl<'a, const KEY: usize, const VALUE: usize> Kv<'a, KEY, VALUE> {
    /// Makes a service over a store.
    #[must_use]
    pub const fn new(store: Store<'a, KEY, VALUE>) -> Self {
        Self { store, replies: Replies::new() }
    }

    /// Returns the store.
    #[must_use]
    pub const fn store(&self) -> &Store<'a, KEY, VALUE> {
        &self.store
    }

    /// Executes requests until one is not complete or has no room for its reply. Returns the bytes
    /// of those that were executed.
    fn execute_all(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) -> Result<usize, SendError> {
        let mut taken = 0;
        loop {
            let (request, len) = match request::parse(&bytes[taken..]) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(malformed) => {
                    self.refuse(peer, malformed.reply())?;
                    return Ok(bytes.len());
                }
            };
            let arguments = request.arguments();
            if !self.replies.has_room(arguments.len(), Self::values_max(arguments)) {
                if self.replies.has_gathered() || peer.room() < peer.received_max() {
                    break;
                }
                // There will never be more room than now.
                self.replies.raw(peer, REPLY_TOO_LARGE)?;
            } else if matches!(self.execute(peer, arguments)?, Next::Close) {
                self.replies.flush(peer)?;
                peer.close();
                return Ok(bytes.len());
            }
            taken += len;
        }
        if taken == 0 && bytes.len() >= peer.received_max() {
            self.refuse(peer, TOO_LARGE)?;
            return Ok(bytes.len());
        }
        self.replies.flush(peer)?;
        Ok(taken)
    }

    /// Answers with an error, and closes: nothing says where the next request begins.
    fn refuse(&mut self, peer: &mut Peer<'_>, reply: &[u8]) -> Result<(), SendError> {
        self.replies.raw(peer, reply)?;
        self.replies.flush(peer)?;
        peer.close();
        Ok(())
    }

    /// Returns the most bytes that the values of a reply can have.
    fn values_max(arguments: &[&[u8]]) -> usize {
        match arguments {
            [name, keys @ ..] if name.eq_ignore_ascii_case(b"MGET") => keys.len() * VALUE,
            [name, ..] if name.eq_ignore_ascii_case(b"GET") => VALUE,
            [_, message] => message.len(),
            _ => 0,
        }
    }

    /// Executes one request.
    fn execute(&mut self, peer: &mut Peer<'_>, request: &[&[u8]]) -> Result<Next, SendError> {
        let Some((name, arguments)) = request.split_first() else { return Ok(Next::Continue) };
        // The longest name of a command; none that is longer is known.
        let mut upper = [0; 8];
        let Some(upper) = upper.get_mut(..name.len()) else {
            return self.unknown(peer).map(|()| Next::Continue);
        };
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        match (&*upper, arguments) {
            (b"GET", [key]) => {
                let value = self.store.get(key, || peer.now());
                self.replies.bytes(peer, value)?;
            }
            (b"SET", [key, value, options @ ..]) => self.set(peer, key, value, options)?,
            (b"PING", []) => self.replies.raw(peer, b"+PONG\r\n")?,
            (b"PING" | b"ECHO", [message]) => self.replies.bytes(peer, Some(message))?,
            (b"DEL", [_, ..]) => {
                self.count(peer, arguments, |store, key, now| store.remove(key, || now))?;
            }
            (b"EXISTS", [_, ..]) => {
                self.count(peer, arguments, |store, key, now| store.get(key, || now).is_some())?;
            }
            (b"INCR", [key]) => self.increment(peer, key, 1)?,
            (b"DECR", [key]) => self.increment(peer, key, -1)?,
            (b"MGET", [_, ..]) => self.get_many(peer, arguments)?,
            (b"EXPIRE", [key, seconds]) => self.expire(peer, key, seconds)?,
            (b"TTL", [key]) => self.time_to_live(peer, key)?,
            (b"DBSIZE", []) => {
                let len = i64::try_from(self.store.len()).unwrap_or(i64::MAX);
                self.replies.integer(peer, len)?;
            }
            (b"FLUSHALL", []) => {
                self.store.clear();
                self.replies.raw(peer, OK)?;
            }
            (b"QUIT", []) => {
                self.replies.raw(peer, OK)?;
                return Ok(Next::Close);
            }
            _ => self.unknown(peer)?,
        }
        Ok(Next::Continue)
    }

    /// Answers a request that is none of those above.
    fn unknown(&mut self, peer: &mut Peer<'_>) -> Result<(), SendError> {
        self.replies.raw(peer, b"-ERR unknown command or wrong number of arguments\r\n")
    }

    fn set(
        &mut self,
        peer: &mut Peer<'_>,
        key: &[u8],
        value: &[u8],
        options: &[&[u8]],
    ) -> Result<(), SendError> {
        let options = match SetOptions::parse(options, || peer.now()) {
            Ok(options) => options,
            Err(reply) => return self.replies.raw(peer, reply),
        };
        if let Some(wanted) = options.only_if {
            if self.store.get(key, || peer.now()).is_some() != wanted {
                return self.replies.raw(peer, NULL);
            }
        }
        let stored = self.store.set(key, value, options.expires, || peer.now());
        self.stored(peer, stored)
    }

    /// Answers whether a value was stored.
    fn stored(
        &mut self,
        peer: &mut Peer<'_>,
        stored: Result<(), StoreError>,
    ) -> Result<(), SendError> {
        self.replies.raw(
            peer,
            match stored {
                Ok(()) => OK,
                Err(StoreError::Full) => b"-OOM no slot is free for this key\r\n",
                Err(StoreError::KeyTooLong) => b"-ERR the key is too long\r\n",
                Err(StoreError::ValueTooLong) => b"-ERR the value is too long\r\n",
            },
        )
    }

    /// Answers for how many of the keys `action` returns true.
    fn count(
        &mut self,
        peer: &mut Peer<'_>,
        keys: &[&[u8]],
        action: fn(&mut Store<'a, KEY, VALUE>, &[u8], Instant) -> bool,
    ) -> Result<(), SendError> {
        let now = peer.now();
        let count = keys.iter().filter(|key| action(&mut self.store, key, now)).count();
        self.replies.integer(peer, i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn increment(&mut self, peer: &mut Peer<'_>, key: &[u8], by: i64) -> Result<(), SendError> {
        let now = peer.now();
        let old = self.store.get(key, || now).map_or(Some(0), number);
        let Some(new) = old.and_then(|old| old.checked_add(by)) else {
            return self.replies.raw(peer, NOT_A_NUMBER);
        };
        let expires = self.store.expiry(key, || now).unwrap_or(Instant::ZERO);
        // A sign and up to 19 digits.
        let (mut text, digits) = ([b'-'; 21], Decimal::new(new.unsigned_abs()));
        let digits = digits.digits();
        text[1..=digits.len()].copy_from_slice(digits);
        let text = &text[usize::from(new >= 0)..=digits.len()];
        match self.store.set(key, text, expires, || now) {
            Ok(()) => self.replies.integer(peer, new),
            failed => self.stored(peer, failed),
        }
    }

    fn get_many(&mut self, peer: &mut Peer<'_>, keys: &[&[u8]]) -> Result<(), SendError> {
        self.replies.array(peer, keys.len())?;
        for key in keys {
            let value = self.store.get(key, || peer.now());
            self.replies.bytes(peer, value)?;
        }
        Ok(())
    }

    fn expire(&mut self, peer: &mut Peer<'_>, key: &[u8], seconds: &[u8]) -> Result<(), SendError> {
        let now = peer.now();
        let Some(seconds) = number(seconds) else { return self.replies.raw(peer, NOT_A_NUMBER) };
        let found = match u64::try_from(seconds) {
            Ok(seconds @ 1..) => {
                self.store.set_expiry(key, now + Duration::from_secs(seconds), now)
            }
            // Redis removes the key at once.
            _ => self.store.remove(key, || now),
        };
        self.replies.integer(peer, i64::from(found))
    }

    fn time_to_live(&mut self, peer: &mut Peer<'_>, key: &[u8]) -> Result<(), SendError> {
        let now = peer.now();
        let seconds = match self.store.expiry(key, || now) {
            None => -2,
            Some(Instant::ZERO) => -1,
            // Rounded to the nearest second, as Redis does.
            Some(expires) => {
                let left = expires.saturating_since(now) + Duration::from_millis(500);
                i64::try_from(left.as_secs()).unwrap_or(i64::MAX)
            }
        };
        self.replies.integer(peer, seconds)
    }
}

/// The options of `SET`.
struct SetOptions {
    /// When the key expires; zero for never.
    expires: Instant,
    /// True if the key has to exist (`XX`), false if it must not (`NX`).
    only_if: Option<bool>,
}

impl SetOptions {
    fn parse(
        mut options: &[&[u8]],
        mut now: impl FnMut() -> Instant,
    ) -> Result<Self, &'static [u8]> {
        let mut parsed = Self { expires: Instant::ZERO, only_if: None };
        loop {
            let is = |name: &[u8]| options.first().is_some_and(|o| o.eq_ignore_ascii_case(name));
            let used = if options.is_empty() {
                return Ok(parsed);
            } else if is(b"NX") || is(b"XX") {
                parsed.only_if = Some(is(b"XX"));
                1
            } else if is(b"EX") || is(b"PX") {
                let amount = options.get(1).and_then(|text| number(text)).ok_or(NOT_A_NUMBER)?;
                let amount = u64::try_from(amount).ok().filter(|&amount| amount > 0);
                let amount = amount.ok_or(&b"-ERR invalid expire time in 'set' command\r\n"[..])?;
                let unit = if is(b"EX") { Duration::from_secs } else { Duration::from_millis };
                parsed.expires = now() + unit(amount);
                2
            } else {
                return Err(SYNTAX);
            };
            options = &options[used..];
        }
    }
}

/// Reads a decimal number.
fn number(text: &[u8]) -> Option<i64> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

impl<const KEY: usize, const VALUE: usize> Service for Kv<'_, KEY, VALUE> {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
        self.replies.begin(peer.room());
        // A connection that takes no reply any more is closing: its requests are dropped.
        self.execute_all(peer, bytes).unwrap_or(bytes.len())
    }
}
