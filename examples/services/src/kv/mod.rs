//! A key-value store that speaks the Redis protocol, in fixed memory.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod.rs` | the service: takes requests |
//! | `request.rs` | reads a request |
//! | `command.rs` | reads its command, executes it |
//! | `replies.rs` | writes replies, many of them in one send |
//! | `store.rs` | keeps keys and values |
//! | `sharded.rs` | the service of one of several shards |
//! | `parcel.rs`, `flights.rs` | a command on its way to another shard; all of them, in order |

mod command;
mod flights;
mod parcel;
mod replies;
mod request;
mod sharded;
mod store;

use selkie_core::{Peer, SendError, Service};

use crate::counted::Counted;
use command::Command;
pub use flights::{Chain, Flight};
pub use parcel::Parcel;
use replies::{Output, Replies};
pub use sharded::{ShardTables, ShardedKv};
pub use store::{Entry, Store, StoreError};

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
    fn execute_all(
        &mut self,
        peer: &mut Peer<'_>,
        session: KvSession,
        bytes: &[u8],
    ) -> Result<usize, SendError> {
        let (mut taken, mut is_cut_off) = (0, false);
        let request_max = peer.received_max();
        self.replies.begin(peer.room());
        loop {
            let (request, len) = match request::parse(&bytes[taken..], request_max) {
                Ok(Some(found)) => found,
                Ok(None) => {
                    is_cut_off = true;
                    break;
                }
                Err(malformed) => {
                    refuse(&mut self.replies, peer, malformed.reply())?;
                    return Ok(bytes.len());
                }
            };
            let arguments = request.arguments();
            let command = Command::parse(arguments);
            match self.execute(peer, &command, arguments.len())? {
                Next::Continue => taken += len,
                Next::Wait => break,
                Next::Close => return Ok(bytes.len()),
            }
        }
        self.replies.flush(peer)?;
        if !is_cut_off {
            // If the platform takes all at the end of this call, the output buffer never drains.
            peer.request_writable();
        } else if session.ended && taken < bytes.len() {
            // The rest of the request never comes.
            self.replies.cut_off += 1;
            return Ok(bytes.len());
        }
        Ok(taken)
    }

    /// Executes a command that there is room for, or refuses it. Returns the next step.
    #[inline]
    fn execute(
        &mut self,
        peer: &mut Peer<'_>,
        command: &Command<'_>,
        arguments: usize,
    ) -> Result<Next, SendError> {
        if !self.replies.has_room(arguments, command.values_max(VALUE)) {
            if self.replies.has_gathered() || peer.room() < peer.received_max() {
                return Ok(Next::Wait);
            }
            // There will never be more room than now.
            self.replies.to(peer).fixed(REPLY_TOO_LARGE)?;
            return Ok(Next::Continue);
        }
        command.execute(&mut self.store, &mut self.replies.to(peer))?;
        if !matches!(command, Command::Quit) {
            return Ok(Next::Continue);
        }
        self.replies.flush(peer)?;
        peer.close();
        Ok(Next::Close)
    }
}

/// The next step after a command.
enum Next {
    Continue,
    /// Output has to drain first.
    Wait,
    Close,
}

/// Answers with an error, and closes: nothing says where the next request begins.
fn refuse(
    replies: &mut Replies,
    peer: &mut Peer<'_>,
    reply: &'static [u8],
) -> Result<(), SendError> {
    replies.malformed += 1;
    replies.to(peer).fixed(reply)?;
    replies.flush(peer)?;
    peer.close();
    Ok(())
}

impl<const KEY: usize, const VALUE: usize> Service for Kv<'_, KEY, VALUE> {
    type Session = KvSession;

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut KvSession, bytes: &[u8]) -> usize {
        // A connection that takes no reply any more is closing: its requests are dropped.
        self.execute_all(peer, *session, bytes).unwrap_or(bytes.len())
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut KvSession, untaken: usize) {
        if untaken == 0 {
            return peer.close();
        }
        session.ended = true;
        peer.resume_reading();
    }
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct KvSession {
    /// The client has ended its stream, and bytes of it are left.
    ended: bool,
}

/// Passes on what a store and its replies counted.
fn counts<const KEY: usize, const VALUE: usize>(
    store: &Store<'_, KEY, VALUE>,
    replies: &Replies,
    each: &mut dyn FnMut(&'static str, u64),
) {
    each("malformed", replies.malformed);
    each("cut off", replies.cut_off);
    each("out of memory", store.refused());
}

impl<const KEY: usize, const VALUE: usize> Counted for Kv<'_, KEY, VALUE> {
    fn counts(&self, each: &mut dyn FnMut(&'static str, u64)) {
        counts(&self.store, &self.replies, each);
    }
}

impl<P, const KEY: usize, const VALUE: usize> Counted for ShardedKv<'_, P, KEY, VALUE> {
    fn counts(&self, each: &mut dyn FnMut(&'static str, u64)) {
        counts(&self.store, &self.replies, each);
    }
}
