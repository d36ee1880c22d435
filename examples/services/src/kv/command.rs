//! Reads the command of a request, and executes what concerns one key.

use core::time::Duration;

use selkie_core::{Instant, SendError};

use super::replies::{Output, ToPeer};
use super::store::{Store, StoreError};
use crate::decimal::Decimal;

pub(super) const OK: &[u8] = b"+OK\r\n";
const NULL: &[u8] = b"$-1\r\n";
const SYNTAX: &[u8] = b"-ERR syntax error\r\n";
const NOT_A_NUMBER: &[u8] = b"-ERR value is not an integer or out of range\r\n";
const UNKNOWN: &[u8] = b"-ERR unknown command\r\n";
const WRONG_NUMBER: &[u8] = b"-ERR wrong number of arguments for this command\r\n";
const INVALID_SET: &[u8] = b"-ERR invalid expire time in 'set' command\r\n";
const INVALID_EXPIRE: &[u8] = b"-ERR invalid expire time in 'expire' command\r\n";
/// The commands whose number of arguments is limited.
const NAMES: [&[u8]; 14] = [
    b"GET",
    b"SET",
    b"PING",
    b"ECHO",
    b"DEL",
    b"EXISTS",
    b"INCR",
    b"DECR",
    b"MGET",
    b"EXPIRE",
    b"TTL",
    b"DBSIZE",
    b"FLUSHALL",
    b"QUIT",
];
const KEY_TOO_LONG: &[u8] = b"-ERR the key is too long\r\n";
const VALUE_TOO_LONG: &[u8] = b"-ERR the value is too long\r\n";

/// The command of a request.
#[derive(Clone, Copy)]
pub(super) enum Command<'b> {
    /// None: an empty line.
    Nothing,
    /// The reply depends on no key.
    Fixed(&'static [u8]),
    /// The reply is this byte string.
    Echo(&'b [u8]),
    /// Closes the connection after its reply.
    Quit,
    /// Concerns one key.
    One(&'b [u8], Action<'b>),
    /// The values of several keys.
    GetMany(&'b [&'b [u8]]),
    /// The number of keys for which this is true.
    Count(&'b [&'b [u8]], Action<'b>),
    /// The number of all keys.
    Size,
    /// Removes all keys.
    Clear,
}

/// The part of a command that concerns one key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action<'b> {
    Get,
    Set(&'b [u8], SetOptions),
    /// Adds this to the number that is stored.
    Add(i64),
    /// Lets the key expire after so many seconds.
    Expire(i64),
    TimeToLive,
    Remove,
    Exists,
}

/// The options of `SET`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SetOptions {
    /// The time after which the key expires, if it does.
    expires: Option<Duration>,
    /// True if the key has to exist (`XX`), false if it must not (`NX`).
    only_if: Option<bool>,
}

impl<'b> Command<'b> {
    /// Reads the command.
    #[inline]
    pub(super) fn parse(request: &'b [&'b [u8]]) -> Self {
        let Some((name, arguments)) = request.split_first() else { return Self::Nothing };
        // The longest name of a command; none that is longer is known.
        let mut upper = [0; 8];
        let Some(upper) = upper.get_mut(..name.len()) else { return Self::Fixed(UNKNOWN) };
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        match (&*upper, arguments) {
            (b"GET", [key]) => Self::One(key, Action::Get),
            (b"SET", [key, value, options @ ..]) => match SetOptions::parse(options) {
                Ok(options) => Self::One(key, Action::Set(value, options)),
                Err(reply) => Self::Fixed(reply),
            },
            (b"PING", []) => Self::Fixed(b"+PONG\r\n"),
            (b"PING" | b"ECHO", [message]) => Self::Echo(message),
            (b"DEL", [_, ..]) => Self::Count(arguments, Action::Remove),
            (b"EXISTS", [_, ..]) => Self::Count(arguments, Action::Exists),
            (b"INCR", [key]) => Self::One(key, Action::Add(1)),
            (b"DECR", [key]) => Self::One(key, Action::Add(-1)),
            (b"MGET", [_, ..]) => Self::GetMany(arguments),
            (b"EXPIRE", [key, seconds]) => match number(seconds) {
                Some(seconds) => Self::One(key, Action::Expire(seconds)),
                None => Self::Fixed(NOT_A_NUMBER),
            },
            (b"TTL", [key]) => Self::One(key, Action::TimeToLive),
            (b"DBSIZE", []) => Self::Size,
            (b"FLUSHALL", []) => Self::Clear,
            (b"QUIT", []) => Self::Quit,
            (name, _) if NAMES.contains(&name) => Self::Fixed(WRONG_NUMBER),
            _ => Self::Fixed(UNKNOWN),
        }
    }

    /// Returns the most bytes that the values of the reply can have, where one has `value` at most.
    #[inline]
    pub(super) const fn values_max(&self, value: usize) -> usize {
        match self {
            Self::GetMany(keys) => keys.len() * value,
            Self::One(_, Action::Get) => value,
            Self::Echo(message) => message.len(),
            _ => 0,
        }
    }

    /// Executes the command on the store that has all of its keys, and replies to it.
    #[inline]
    pub(super) fn execute<const KEY: usize, const VALUE: usize>(
        self,
        store: &mut Store<'_, KEY, VALUE>,
        output: &mut ToPeer<'_, '_>,
    ) -> Result<(), SendError> {
        match self {
            Self::One(key, action) => action.execute(store, key, output),
            Self::Nothing => Ok(()),
            Self::Fixed(reply) => output.fixed(reply),
            Self::Echo(message) => output.bytes(Some(message)),
            Self::Quit => output.fixed(OK),
            Self::GetMany(keys) => {
                output.array(keys.len())?;
                keys.iter().try_for_each(|key| Action::Get.execute(store, key, output))
            }
            Self::Count(keys, action) => {
                let now = output.now();
                let count = keys.iter().filter(|key| action.is_true(store, key, now)).count();
                output.integer(i64::try_from(count).unwrap_or(i64::MAX))
            }
            Self::Size => output.integer(i64::try_from(store.len()).unwrap_or(i64::MAX)),
            Self::Clear => {
                store.clear();
                output.fixed(OK)
            }
        }
    }
}

impl SetOptions {
    fn parse(mut options: &[&[u8]]) -> Result<Self, &'static [u8]> {
        let mut parsed = Self::default();
        loop {
            let is = |name: &[u8]| options.first().is_some_and(|o| o.eq_ignore_ascii_case(name));
            let used = if options.is_empty() {
                return Ok(parsed);
            } else if parsed.only_if.is_none() && (is(b"NX") || is(b"XX")) {
                parsed.only_if = Some(is(b"XX"));
                1
            } else if parsed.expires.is_none() && (is(b"EX") || is(b"PX")) {
                let amount = options.get(1).ok_or(SYNTAX)?;
                let amount = number(amount).ok_or(NOT_A_NUMBER)?;
                let amount = u64::try_from(amount).ok().filter(|&amount| amount > 0);
                let amount = amount.ok_or(INVALID_SET)?;
                let unit = if is(b"EX") { Duration::from_secs } else { Duration::from_millis };
                parsed.expires = Some(unit(amount));
                2
            } else {
                return Err(SYNTAX);
            };
            options = &options[used..];
        }
    }
}

/// Reads a decimal number in the one way to write it: without `+`, `-0` and zeros in front.
fn number(text: &[u8]) -> Option<i64> {
    match text {
        [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] | b"0" => {
            core::str::from_utf8(text).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// Returns the time that is this long after `now`, or `None` if it overflows.
fn deadline(now: Instant, after: Duration) -> Option<Instant> {
    let deadline = now.saturating_add(after);
    (deadline.saturating_since(now) == after).then_some(deadline)
}

impl Action<'_> {
    /// Executes the action, and replies to it.
    #[inline]
    pub(super) fn execute<const KEY: usize, const VALUE: usize>(
        self,
        store: &mut Store<'_, KEY, VALUE>,
        key: &[u8],
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        match self {
            Self::Get => {
                let value = store.get(key, || output.now());
                output.bytes(value)
            }
            Self::Set(value, options) => set(store, key, value, options, output),
            Self::Add(by) => add(store, key, by, output),
            Self::Expire(seconds) => expire(store, key, seconds, output),
            Self::TimeToLive => time_to_live(store, key, output),
            Self::Remove | Self::Exists => {
                let now = output.now();
                output.integer(i64::from(self.is_true(store, key, now)))
            }
        }
    }

    /// Executes an action that is counted. Returns whether it is true of the key.
    pub(super) fn is_true<const KEY: usize, const VALUE: usize>(
        self,
        store: &mut Store<'_, KEY, VALUE>,
        key: &[u8],
        now: Instant,
    ) -> bool {
        match self {
            Self::Remove => store.remove(key, || now),
            _ => store.get(key, || now).is_some(),
        }
    }
}

fn set<const KEY: usize, const VALUE: usize>(
    store: &mut Store<'_, KEY, VALUE>,
    key: &[u8],
    value: &[u8],
    options: SetOptions,
    output: &mut impl Output,
) -> Result<(), SendError> {
    if value.len() > VALUE {
        return output.fixed(VALUE_TOO_LONG);
    }
    if let Some(wanted) = options.only_if {
        if store.get(key, || output.now()).is_some() != wanted {
            return output.fixed(NULL);
        }
    }
    let expires = match options.expires {
        None => Instant::ZERO,
        Some(after) => match deadline(output.now(), after) {
            Some(expires) => expires,
            None => return output.fixed(INVALID_SET),
        },
    };
    let stored = store.set(key, value, expires, || output.now());
    output.fixed(reply_to(stored))
}

/// Returns the reply that says whether a value was stored.
const fn reply_to(stored: Result<(), StoreError>) -> &'static [u8] {
    match stored {
        Ok(()) => OK,
        Err(StoreError::Full) => b"-OOM no slot is free for this key\r\n",
        Err(StoreError::KeyTooLong) => KEY_TOO_LONG,
        Err(StoreError::ValueTooLong) => VALUE_TOO_LONG,
    }
}

fn add<const KEY: usize, const VALUE: usize>(
    store: &mut Store<'_, KEY, VALUE>,
    key: &[u8],
    by: i64,
    output: &mut impl Output,
) -> Result<(), SendError> {
    let now = output.now();
    let old = store.get(key, || now).map_or(Some(0), number);
    let Some(new) = old.and_then(|old| old.checked_add(by)) else {
        return output.fixed(NOT_A_NUMBER);
    };
    let expires = store.expiry(key, || now).unwrap_or(Instant::ZERO);
    // A sign and up to 19 digits.
    let (mut text, digits) = ([b'-'; 21], Decimal::new(new.unsigned_abs()));
    let digits = digits.digits();
    text[1..=digits.len()].copy_from_slice(digits);
    let text = &text[usize::from(new >= 0)..=digits.len()];
    match store.set(key, text, expires, || now) {
        Ok(()) => output.integer(new),
        failed => output.fixed(reply_to(failed)),
    }
}

fn expire<const KEY: usize, const VALUE: usize>(
    store: &mut Store<'_, KEY, VALUE>,
    key: &[u8],
    seconds: i64,
    output: &mut impl Output,
) -> Result<(), SendError> {
    let now = output.now();
    let found = match u64::try_from(seconds) {
        Ok(seconds @ 1..) => match deadline(now, Duration::from_secs(seconds)) {
            Some(expires) => store.set_expiry(key, expires, now),
            None => return output.fixed(INVALID_EXPIRE),
        },
        // Redis removes the key at once.
        _ => store.remove(key, || now),
    };
    output.integer(i64::from(found))
}

fn time_to_live<const KEY: usize, const VALUE: usize>(
    store: &mut Store<'_, KEY, VALUE>,
    key: &[u8],
    output: &mut impl Output,
) -> Result<(), SendError> {
    let now = output.now();
    let seconds = match store.expiry(key, || now) {
        None => -2,
        Some(Instant::ZERO) => -1,
        // Rounded to the nearest second, as Redis does.
        Some(expires) => {
            let left = expires.saturating_since(now) + Duration::from_millis(500);
            i64::try_from(left.as_secs()).unwrap_or(i64::MAX)
        }
    };
    output.integer(seconds)
}
