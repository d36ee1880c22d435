//! The commands under way: for each connection a chain of replies in the order of its commands.
//!
//! ```text
//! flights   [ 0 parcel | 1 away | 2 parcel | 3 away | 4 free | .. ]    one for each parcel
//! chains    [ connection 0: 1 -> 2 | connection 1: 3 -> 0 | .. ]       oldest command first
//! ```
//!
//! A reply is sent when all before it are. Connections that wait for a free parcel are in a queue.

use selkie_core::Token;

use super::parcel::Parcel;

/// No index.
const NONE: u32 = u32::MAX;

/// The place of one parcel.
#[derive(Debug)]
pub struct Flight<const KEY: usize, const VALUE: usize> {
    /// None while it is away.
    parcel: Option<&'static mut Parcel<KEY, VALUE>>,
    chain: u32,
    next: u32,
    pub(super) join: Join,
    /// Bytes of output that are kept for its reply.
    reserved: usize,
    /// Set if its connection has left while it was away.
    is_orphan: bool,
}

impl<const KEY: usize, const VALUE: usize> Flight<KEY, VALUE> {
    /// Makes the place of a parcel.
    pub fn new(parcel: &'static mut Parcel<KEY, VALUE>) -> Self {
        let parcel = Some(parcel);
        Self { parcel, chain: NONE, next: NONE, join: Join::Alone, reserved: 0, is_orphan: false }
    }

    /// Returns the parcel, unless it is away.
    pub(super) fn parcel(&self) -> Option<&Parcel<KEY, VALUE>> {
        self.parcel.as_deref()
    }
}

/// The way in which a reply becomes part of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    Alone,
    /// The first of so many elements of an array.
    First(usize),
    /// A part of a sum.
    Summand,
    /// The last part of a sum, which is the reply.
    Sum,
    /// The last of those that are replied to by one `OK`.
    Done,
}

/// The event that a connection waits for before more of its requests are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing.
    No,
    /// All replies before it.
    UntilEmpty,
    /// A reply, which makes room in the output.
    UntilReply,
    /// A free parcel.
    UntilFree,
}

/// The commands of one connection that are under way.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    first: u32,
    last: u32,
    token: Token,
    /// The sum of the replies that were joined so far.
    pub(super) sum: i64,
    /// The error of one of them.
    pub(super) failed: Option<&'static [u8]>,
    /// Bytes of output that are kept for replies.
    pub(super) reserved: usize,
    pub(super) held: Held,
    /// Set if the connection is to be closed after the last reply.
    pub(super) is_ending: bool,
    /// Set if the client has ended its stream, and bytes of it are left.
    pub(super) has_ended: bool,
    next_waiting: u32,
    is_touched: bool,
    next_touched: u32,
}

impl Chain {
    /// A chain without commands.
    pub const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
        token: Token::new(0, 0),
        sum: 0,
        failed: None,
        reserved: 0,
        held: Held::No,
        is_ending: false,
        has_ended: false,
        next_waiting: NONE,
        is_touched: false,
        next_touched: NONE,
    };

    pub(super) const fn is_empty(&self) -> bool {
        self.first == NONE
    }
}

/// All commands under way of one shard.
#[derive(Debug)]
pub(super) struct Flights<'a, const KEY: usize, const VALUE: usize> {
    places: &'a mut [Flight<KEY, VALUE>],
    chains: &'a mut [Chain],
    free: u32,
    free_len: usize,
    waiting_first: u32,
    waiting_last: u32,
    /// Connections to which a reply has come.
    touched: u32,
}

/// Converts an index, which is below the length of a table.
fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}

impl<'a, const KEY: usize, const VALUE: usize> Flights<'a, KEY, VALUE> {
    pub(super) fn new(
        places: &'a mut [Flight<KEY, VALUE>],
        chains: &'a mut [Chain],
        origin: usize,
    ) -> Self {
        let mut free = NONE;
        for (position, flight) in places.iter_mut().enumerate() {
            if let Some(parcel) = &mut flight.parcel {
                parcel.origin = origin;
                parcel.flight = index(position);
            }
            flight.next = free;
            free = index(position);
        }
        let free_len = places.len();
        let (waiting_first, waiting_last, touched) = (NONE, NONE, NONE);
        Self { places, chains, free, free_len, waiting_first, waiting_last, touched }
    }

    pub(super) fn chain(&self, connection: usize) -> &Chain {
        &self.chains[connection]
    }

    pub(super) fn chain_mut(&mut self, connection: usize) -> &mut Chain {
        &mut self.chains[connection]
    }

    /// Begins the chain of a new connection.
    pub(super) fn begin(&mut self, token: Token) {
        let chain = &mut self.chains[token.index()];
        // One that was touched stays in that list.
        let (is_touched, next_touched) = (chain.is_touched, chain.next_touched);
        *chain = Chain { token, is_touched, next_touched, ..Chain::EMPTY };
    }

    /// Returns whether a connection may have `count` parcels: there are that many, and no other
    /// connection has waited longer.
    pub(super) const fn may_take(&self, connection: usize, count: usize) -> bool {
        let is_next = self.waiting_first == NONE || self.waiting_first as usize == connection;
        is_next && count <= self.free_len
    }

    /// Takes a parcel for the next command of a connection, which [may](Self::may_take) have it.
    pub(super) fn add(&mut self, connection: usize, join: Join, reserved: usize) -> u32 {
        let place = self.free;
        let flight = &mut self.places[place as usize];
        self.free = flight.next;
        self.free_len -= 1;
        flight.chain = index(connection);
        flight.next = NONE;
        flight.join = join;
        flight.reserved = reserved;
        let chain = &mut self.chains[connection];
        chain.reserved += reserved;
        let last = core::mem::replace(&mut chain.last, place);
        if last == NONE {
            chain.first = place;
        } else {
            self.places[last as usize].next = place;
        }
        place
    }

    /// Returns the parcel of a flight, unless it is away.
    pub(super) fn parcel_mut(&mut self, flight: u32) -> Option<&mut Parcel<KEY, VALUE>> {
        self.places[flight as usize].parcel.as_deref_mut()
    }

    /// Takes the parcel of a flight out, to send it away.
    pub(super) fn take(&mut self, flight: u32) -> Option<&'static mut Parcel<KEY, VALUE>> {
        self.places[flight as usize].parcel.take()
    }

    /// Takes a parcel back that has its reply.
    pub(super) fn bring_back(&mut self, parcel: &'static mut Parcel<KEY, VALUE>) {
        let place = parcel.flight;
        let flight = &mut self.places[place as usize];
        flight.parcel = Some(parcel);
        if core::mem::take(&mut flight.is_orphan) {
            return self.release(place);
        }
        let chain = flight.chain;
        let touched = &mut self.chains[chain as usize];
        if !core::mem::replace(&mut touched.is_touched, true) {
            touched.next_touched = core::mem::replace(&mut self.touched, chain);
        }
    }

    /// Returns the next connection to which a reply has come.
    pub(super) fn take_touched(&mut self) -> Option<Token> {
        let chain = self.chains.get_mut(self.touched as usize)?;
        self.touched = chain.next_touched;
        chain.is_touched = false;
        Some(chain.token)
    }

    /// Returns the chain of a connection, and its oldest command, if the reply has come.
    pub(super) fn oldest(
        &mut self,
        connection: usize,
    ) -> Option<(&mut Chain, &Flight<KEY, VALUE>)> {
        let chain = &mut self.chains[connection];
        let flight = self.places.get(chain.first as usize)?;
        flight.parcel.is_some().then_some((chain, flight))
    }

    /// Forgets the oldest command of a connection, whose reply was sent.
    pub(super) fn pop(&mut self, connection: usize) {
        let chain = &mut self.chains[connection];
        let place = chain.first;
        let flight = &self.places[place as usize];
        chain.first = flight.next;
        chain.reserved -= flight.reserved;
        if chain.first == NONE {
            chain.last = NONE;
        }
        self.release(place);
    }

    fn release(&mut self, flight: u32) {
        self.places[flight as usize].next = core::mem::replace(&mut self.free, flight);
        self.free_len += 1;
    }

    /// Forgets the commands of a connection that has left. Their parcels come back later.
    pub(super) fn abandon(&mut self, connection: usize) {
        self.leave_queue(connection);
        while let Some(flight) = self.places.get_mut(self.chains[connection].first as usize) {
            let place = core::mem::replace(&mut self.chains[connection].first, flight.next);
            if flight.parcel.is_some() {
                self.release(place);
            } else {
                flight.is_orphan = true;
            }
        }
        self.chains[connection].last = NONE;
    }

    /// Lets a connection wait for parcels, behind all others.
    pub(super) fn enter_queue(&mut self, connection: usize) {
        let chain = &mut self.chains[connection];
        if core::mem::replace(&mut chain.held, Held::UntilFree) == Held::UntilFree {
            return;
        }
        chain.next_waiting = NONE;
        let last = core::mem::replace(&mut self.waiting_last, index(connection));
        match self.chains.get_mut(last as usize) {
            Some(last) => last.next_waiting = index(connection),
            None => self.waiting_first = index(connection),
        }
    }

    /// Takes a connection out of the queue, if it is in it.
    pub(super) fn leave_queue(&mut self, connection: usize) {
        if self.chains[connection].held != Held::UntilFree {
            return;
        }
        self.chains[connection].held = Held::No;
        let next = self.chains[connection].next_waiting;
        let (mut before, mut at) = (NONE, self.waiting_first);
        // Seldom more than one step: the first one has its turn first.
        while at as usize != connection {
            before = at;
            at = self.chains[at as usize].next_waiting;
        }
        match self.chains.get_mut(before as usize) {
            Some(before) => before.next_waiting = next,
            None => self.waiting_first = next,
        }
        if next == NONE {
            self.waiting_last = before;
        }
    }

    /// Returns the connection that has waited longest, if there is a parcel for it.
    pub(super) fn next_waiting(&self) -> Option<Token> {
        let waiting = self.chains.get(self.waiting_first as usize)?;
        (self.free_len > 0).then_some(waiting.token)
    }

    /// Returns the number of parcels that are not in use.
    #[cfg(test)]
    pub(super) const fn free_len(&self) -> usize {
        self.free_len
    }
}
