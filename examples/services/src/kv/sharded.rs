//! The store of one of several shards. Its clients may ask for the keys of all.

use selkie_core::peers::Peers;
use selkie_core::shards::{Post, ShardService};
use selkie_core::{CloseReason, Peer, SendError, Service};

use super::command::{Action, Command, OK};
use super::flights::{Chain, Flight, Flights, Held, Join};
use super::parcel::{Parcel, Reply, Task};
use super::replies::{Output, Replies, SHORT, ToPeer};
use super::request::{self, ARGUMENTS_MAX};
use super::store::{Store, hash};
use super::{REPLY_TOO_LARGE, refuse};

const ENDED: &[u8] = b"-ERR the shard of this key has ended\r\n";

/// Serves the keys of one of several shards, as [`Kv`](super::Kv) does. Its hash says to which
/// shard a key belongs. A command for a key of another shard is posted there in a [`Parcel`], and
/// its reply comes back in the order of the client's commands.
///
/// Commands for different keys of one client may be executed at the same time, those for one key
/// in their order. `DBSIZE`, `FLUSHALL`, and `DEL`, `EXISTS` and `MGET` of several keys are not
/// atomic: each shard executes its part. When all parcels of a shard are under way, it takes no
/// more requests until one is back, so nothing is lost.
#[derive(Debug)]
pub struct ShardedKv<'a, P, const KEY: usize, const VALUE: usize> {
    pub(super) store: Store<'a, KEY, VALUE>,
    pub(super) replies: Replies,
    flights: Flights<'a, KEY, VALUE>,
    post: P,
    /// The same for all shards.
    seed: u64,
}

/// The tables of a [`ShardedKv`].
#[derive(Debug)]
pub struct ShardTables<'a, const KEY: usize, const VALUE: usize> {
    /// The commands that can be under way at once: at least 32, and one for each shard.
    pub flights: &'a mut [Flight<KEY, VALUE>],
    /// One for each slot of the loop.
    pub chains: &'a mut [Chain],
}

/// The next step after a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Continue,
    /// The request is not complete.
    Incomplete,
    /// The request is taken when the output has room for the reply.
    NoRoom,
    /// The request is taken later.
    Hold(Held),
    Close,
}

impl<'a, P, const KEY: usize, const VALUE: usize> ShardedKv<'a, P, KEY, VALUE>
where
    P: Post<&'static mut Parcel<KEY, VALUE>>,
{
    /// Makes the service of one shard. `seed` is the same for all, and one that clients cannot
    /// guess.
    ///
    /// # Panics
    ///
    /// If there are fewer flights than 32, or than shards.
    #[must_use]
    pub fn new(
        store: Store<'a, KEY, VALUE>,
        tables: ShardTables<'a, KEY, VALUE>,
        post: P,
        seed: u64,
    ) -> Self {
        let flights_min = ARGUMENTS_MAX.max(post.shards());
        let ShardTables { flights, chains } = tables;
        assert!(flights.len() >= flights_min, "a command takes up to {flights_min} flights");
        let flights = Flights::new(flights, chains, post.shard());
        Self { store, replies: Replies::new(), flights, post, seed }
    }

    /// Returns the store with this shard's keys.
    #[must_use]
    pub const fn store(&self) -> &Store<'a, KEY, VALUE> {
        &self.store
    }

    /// Returns the shard that executes a command.
    fn shard_of(&self, key: &[u8], action: &Action<'_>) -> usize {
        if !Parcel::<KEY, VALUE>::fits(key, action) {
            return self.post.shard();
        }
        // The lower half: the upper one chooses the slot in the store.
        let lower = hash(self.seed, key) & u64::from(u32::MAX);
        usize::try_from((lower * self.post.shards() as u64) >> 32).unwrap_or(0)
    }

    /// Returns whether this shard has all keys of a command.
    fn is_here(&self, command: &Command<'_>) -> bool {
        let is_here = |key: &[u8], action| self.shard_of(key, action) == self.post.shard();
        match command {
            Command::One(key, action) => is_here(key, action),
            Command::GetMany(keys) => keys.iter().all(|key| is_here(key, &Action::Get)),
            Command::Count(keys, action) => keys.iter().all(|key| is_here(key, action)),
            Command::Size | Command::Clear => self.post.shards() == 1,
            Command::Nothing | Command::Fixed(_) | Command::Echo(_) | Command::Quit => true,
        }
    }

    /// Takes requests until one is not complete or has to wait. Returns the bytes of those that
    /// were taken.
    fn take_all(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) -> Result<usize, SendError> {
        let connection = peer.token().index();
        self.replies.begin(peer.room());
        let mut taken = 0;
        let stop = loop {
            match self.take_next(peer, &bytes[taken..])? {
                (Next::Continue, len) => taken += len,
                (Next::Close, _) => return Ok(bytes.len()),
                (stop, _) => break stop,
            }
        };
        let has_ended = self.flights.chain(connection).has_ended;
        if stop == Next::Incomplete && has_ended && taken < bytes.len() {
            // The rest of the request never comes.
            self.replies.cut_off += 1;
            taken = bytes.len();
        }
        let held = if let Next::Hold(held) = stop { held } else { Held::No };
        if held == Held::UntilFree {
            self.flights.enter_queue(connection);
        } else {
            self.flights.leave_queue(connection);
            self.flights.chain_mut(connection).held = held;
        }
        self.replies.flush(peer)?;
        if stop == Next::NoRoom {
            // If the platform takes all at the end of this call, the output buffer never drains.
            peer.request_writable();
        }
        Ok(taken)
    }

    /// Takes one request. Returns its length too.
    fn take_next(&mut self, peer: &mut Peer<'_>, bytes: &[u8]) -> Result<(Next, usize), SendError> {
        match request::parse(bytes, peer.received_max()) {
            Ok(Some((request, len))) => {
                let arguments = request.arguments();
                let command = Command::parse(arguments);
                Ok((self.take(peer, &command, arguments.len())?, len))
            }
            Ok(None) => Ok((Next::Incomplete, 0)),
            Err(_) if !self.flights.chain(peer.token().index()).is_empty() => {
                Ok((Next::Hold(Held::UntilEmpty), 0))
            }
            Err(malformed) => {
                refuse(&mut self.replies, peer, malformed.reply())?;
                Ok((Next::Close, 0))
            }
        }
    }

    /// Executes a command, or posts it to the shards of its keys.
    fn take(
        &mut self,
        peer: &mut Peer<'_>,
        command: &Command<'_>,
        arguments: usize,
    ) -> Result<Next, SendError> {
        let connection = peer.token().index();
        let chain = self.flights.chain(connection);
        let is_first = chain.is_empty();
        let len = command.values_max(VALUE) + chain.reserved;
        if !self.replies.has_room(arguments, len) {
            return self.make_room(peer, is_first);
        }
        if is_first && self.is_here(command) {
            command.execute(&mut self.store, &mut self.replies.to(peer))?;
            if matches!(command, Command::Quit) {
                self.replies.flush(peer)?;
                peer.close();
                return Ok(Next::Close);
            }
            return Ok(Next::Continue);
        }
        let parts = match command {
            Command::One(..) => 1,
            Command::GetMany(keys) | Command::Count(keys, _) => keys.len(),
            Command::Size | Command::Clear => self.post.shards(),
            Command::Nothing => return Ok(Next::Continue),
            Command::Fixed(_) | Command::Echo(_) | Command::Quit => {
                return Ok(Next::Hold(Held::UntilEmpty));
            }
        };
        if !self.flights.may_take(connection, parts) {
            return Ok(Next::Hold(Held::UntilFree));
        }
        self.send(peer, command);
        Ok(Next::Continue)
    }

    /// Returns how a request waits that has no room for its reply, or refuses it.
    fn make_room(&mut self, peer: &mut Peer<'_>, is_first: bool) -> Result<Next, SendError> {
        if !is_first {
            return Ok(Next::Hold(Held::UntilReply));
        }
        if self.replies.has_gathered() || peer.room() < peer.received_max() {
            return Ok(Next::NoRoom);
        }
        self.replies.to(peer).fixed(REPLY_TOO_LARGE)?;
        Ok(Next::Continue)
    }

    /// Posts a command, part by part.
    fn send(&mut self, peer: &mut Peer<'_>, command: &Command<'_>) {
        let last_is = |position: usize, len: usize, join| {
            if position + 1 == len { join } else { Join::Summand }
        };
        match *command {
            Command::One(key, action) => self.send_part(peer, key, action, Join::Alone),
            Command::GetMany(keys) => {
                for (position, key) in keys.iter().enumerate() {
                    let join = if position == 0 { Join::First(keys.len()) } else { Join::Alone };
                    self.send_part(peer, key, Action::Get, join);
                }
            }
            Command::Count(keys, action) => {
                for (position, key) in keys.iter().enumerate() {
                    self.send_part(peer, key, action, last_is(position, keys.len(), Join::Sum));
                }
            }
            Command::Size | Command::Clear => {
                let is_size = matches!(command, Command::Size);
                let (task, last) =
                    if is_size { (Task::Size, Join::Sum) } else { (Task::Clear, Join::Done) };
                for shard in 0..self.post.shards() {
                    let join = last_is(shard, self.post.shards(), last);
                    let flight = self.flights.add(peer.token().index(), join, SHORT);
                    self.send_to(peer, shard, flight, |parcel| parcel.pack_task(task));
                }
            }
            Command::Nothing | Command::Fixed(_) | Command::Echo(_) | Command::Quit => {}
        }
    }

    /// Posts the part of a command that concerns one key.
    fn send_part(&mut self, peer: &mut Peer<'_>, key: &[u8], action: Action<'_>, join: Join) {
        let value_max = if matches!(action, Action::Get) { VALUE } else { 0 };
        let flight = self.flights.add(peer.token().index(), join, SHORT + value_max);
        let shard = self.shard_of(key, &action);
        if shard != self.post.shard() {
            return self.send_to(peer, shard, flight, |parcel| parcel.pack(key, action));
        }
        if let Some(parcel) = self.flights.parcel_mut(flight) {
            parcel.execute_here(&mut self.store, key, action, peer.now());
        }
    }

    /// Packs a parcel, and posts it to a shard; to this one by executing it.
    fn send_to(
        &mut self,
        peer: &mut Peer<'_>,
        shard: usize,
        flight: u32,
        pack: impl FnOnce(&mut Parcel<KEY, VALUE>),
    ) {
        let Some(parcel) = self.flights.take(flight) else { return };
        pack(parcel);
        if shard == self.post.shard() {
            parcel.execute(&mut self.store, peer.now());
            return self.flights.bring_back(parcel);
        }
        if let Err(parcel) = self.post.post(shard, parcel) {
            parcel.reply = Reply::Fixed(ENDED);
            self.flights.bring_back(parcel);
        }
    }

    /// Sends the replies to a connection that are complete, in the order of its commands.
    fn reply(&mut self, peer: &mut Peer<'_>) -> Result<(), SendError> {
        let connection = peer.token().index();
        self.replies.begin(peer.room());
        let mut has_replied = false;
        while let Some((chain, flight)) = self.flights.oldest(connection) {
            join(chain, flight, &mut self.replies.to(peer))?;
            self.flights.pop(connection);
            has_replied = true;
        }
        self.replies.flush(peer)?;
        self.go_on(peer, has_replied);
        Ok(())
    }

    /// Lets a connection go on that has waited for its replies.
    fn go_on(&mut self, peer: &mut Peer<'_>, has_replied: bool) {
        let chain = self.flights.chain_mut(peer.token().index());
        let is_over = match chain.held {
            Held::UntilEmpty => chain.is_empty(),
            Held::UntilReply => has_replied,
            Held::No | Held::UntilFree => false,
        };
        if is_over {
            chain.held = Held::No;
            peer.resume_reading();
        } else if chain.is_ending && chain.is_empty() && chain.held == Held::No {
            peer.close_when_finished();
        }
    }
}

/// Adds the oldest reply of a connection to its output.
fn join<const KEY: usize, const VALUE: usize>(
    chain: &mut Chain,
    flight: &Flight<KEY, VALUE>,
    output: &mut ToPeer<'_, '_>,
) -> Result<(), SendError> {
    let Some(parcel) = flight.parcel() else { return Ok(()) };
    match flight.join {
        Join::Alone => {}
        Join::First(len) => output.array(len)?,
        Join::Summand | Join::Sum | Join::Done => {
            match parcel.reply {
                Reply::Integer(summand) => chain.sum += summand,
                Reply::Fixed(error) => chain.failed = Some(error),
                Reply::Missing => chain.failed = Some(ENDED),
                Reply::Null | Reply::Value => {}
            }
            if flight.join == Join::Summand {
                return Ok(());
            }
            let sum = core::mem::take(&mut chain.sum);
            return match chain.failed.take() {
                Some(error) => output.fixed(error),
                None if flight.join == Join::Sum => output.integer(sum),
                None => output.fixed(OK),
            };
        }
    }
    match parcel.reply {
        Reply::Fixed(reply) => output.fixed(reply),
        Reply::Integer(value) => output.integer(value),
        Reply::Null => output.bytes(None),
        Reply::Value => output.bytes(Some(parcel.value())),
        Reply::Missing => output.fixed(ENDED),
    }
}

impl<P, const KEY: usize, const VALUE: usize> Service for ShardedKv<'_, P, KEY, VALUE>
where
    P: Post<&'static mut Parcel<KEY, VALUE>>,
{
    type Session = ();

    fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        self.flights.begin(peer.token());
    }

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        let connection = peer.token().index();
        let is_held = match self.flights.chain(connection).held {
            Held::No => false,
            Held::UntilFree => !self.flights.may_take(connection, 1),
            Held::UntilEmpty | Held::UntilReply => true,
        };
        if is_held {
            return 0;
        }
        // A connection that takes no reply any more is closing: its requests are dropped.
        let taken = self.take_all(peer, bytes).unwrap_or(bytes.len());
        if self.flights.oldest(connection).is_some() {
            let _ = self.reply(peer);
        } else {
            self.go_on(peer, false);
        }
        self.wake_waiting(peer);
        taken
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, (): &mut (), untaken: usize) {
        let chain = self.flights.chain_mut(peer.token().index());
        if untaken > 0 {
            chain.has_ended = true;
            if chain.held == Held::No {
                peer.resume_reading();
            }
            return;
        }
        if chain.is_empty() {
            peer.close();
        }
        chain.is_ending = true;
    }

    fn draining(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        self.flights.chain_mut(peer.token().index()).is_ending = true;
        self.go_on(peer, false);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, (): &mut (), _: CloseReason) {
        self.flights.abandon(peer.token().index());
        self.wake_waiting(peer);
    }
}

impl<P, const KEY: usize, const VALUE: usize> ShardedKv<'_, P, KEY, VALUE>
where
    P: Post<&'static mut Parcel<KEY, VALUE>>,
{
    /// Offers the requests of the connection that has waited longest for a parcel again.
    fn wake_waiting(&mut self, peer: &mut Peer<'_>) {
        if let Some(token) = self.flights.next_waiting().filter(|&token| token != peer.token()) {
            peer.resume_reading_of(token);
        }
    }

    /// Executes a command of another shard, or takes an own one back.
    fn take_in(&mut self, parcel: &'static mut Parcel<KEY, VALUE>, peers: &mut Peers<'_>) {
        let origin = parcel.origin;
        if origin == self.post.shard() {
            return self.flights.bring_back(parcel);
        }
        parcel.execute(&mut self.store, peers.now());
        // The shard that has ended has no use for it.
        let _ = self.post.post(origin, parcel);
    }
}

impl<P, const KEY: usize, const VALUE: usize> ShardService for ShardedKv<'_, P, KEY, VALUE>
where
    P: Post<&'static mut Parcel<KEY, VALUE>>,
{
    type Message = &'static mut Parcel<KEY, VALUE>;

    fn messages(
        &mut self,
        peers: &mut Peers<'_>,
        messages: &mut dyn Iterator<Item = Self::Message>,
    ) {
        for parcel in messages {
            self.take_in(parcel, peers);
        }
        while let Some(token) = self.flights.take_touched() {
            // One that takes no reply is closing, which abandons the rest.
            let _ = self.reply(&mut peers.peer(token));
        }
        if let Some(token) = self.flights.next_waiting() {
            peers.peer(token).resume_reading();
        }
    }
}

#[cfg(test)]
#[path = "sharded_tests.rs"]
mod tests;
