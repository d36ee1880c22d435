//! Between the server and the service: whether the calls come as they should.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;

use selkie_core::{CloseReason, Peer, Service, Token};

use crate::{Limits, Random};

/// Passes every call on to a service, and keeps an eye on their order.
#[derive(Debug)]
pub(super) struct Observer<S> {
    pub(super) service: S,
    /// By slot.
    seats: Vec<Seat>,
    /// Connections whose end was delivered since the last check, with the number of bytes offered
    /// by then.
    pub(super) ends: Vec<(Token, u64, Told)>,
    /// Connections closed since the last check, and the input that the service had left.
    pub(super) closings: Vec<(Token, CloseReason, Left)>,
    pub(super) fault: Option<String>,
    pace: Pace,
}

/// Number of untaken bytes at the end of a stream, or what the service was told in its place.
pub(super) type Told = Result<usize, (usize, usize)>;

/// Input that a service has left.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Left {
    /// Number of bytes.
    pub(super) count: u64,
    /// There is no room for more.
    pub(super) is_full: bool,
    /// The service took nothing when it was last offered bytes.
    pub(super) took_nothing: bool,
    /// The service was told of the drain, at which it closes the connection.
    pub(super) drain_told: bool,
    /// It took nothing of a full input buffer then or later, so that nothing more could be read.
    pub(super) told_when_full: bool,
}

/// The facts that are known of the connection in a slot.
#[derive(Clone, Copy, Debug, Default)]
struct Seat {
    /// The connection, while it is open.
    tenant: Option<Token>,
    /// The position in its stream that the service has taken.
    got: u64,
    /// The position in its stream up to which the service was last offered bytes.
    offered: u64,
    took_nothing: bool,
    drain_told: bool,
    told_when_full: bool,
    /// The nanoseconds that its callbacks have used in this turn.
    spent: u64,
}

/// The time that the callbacks take.
#[derive(Debug)]
pub(super) struct Pace {
    random: Random,
    /// Chance of a slow callback, and its longest time.
    chance: u64,
    span_max: u64,
    /// Time that the program has used.
    spent: Rc<Cell<u64>>,
}

impl Pace {
    /// Makes the pace that `limits` describe, which spends the time of a platform.
    pub(super) fn new(limits: &Limits, random: Random, spent: Rc<Cell<u64>>) -> Self {
        // Where the loop is driven from outside, its time is that of the turn.
        let chance = if limits.driven == 0 { limits.slow_callbacks } else { 0 };
        Self { random, chance, span_max: limits.slow_callback_max, spent }
    }

    /// Uses some time, in some callbacks. Returns the nanoseconds.
    fn dawdle(&mut self) -> u64 {
        if !self.random.chance(self.chance) {
            return 0;
        }
        let span = self.random.between(0, self.span_max);
        self.spent.set(self.spent.get().saturating_add(span));
        span
    }
}

impl<S> Observer<S> {
    pub(super) fn new(service: S, slots: usize, pace: Pace) -> Self {
        let seats = vec![Seat::default(); slots];
        let (ends, closings) = (Vec::new(), Vec::new());
        Self { service, seats, ends, closings, fault: None, pace }
    }

    /// Returns the number of open connections, counted by the service's callbacks.
    pub(super) fn open(&self) -> usize {
        self.seats.iter().filter(|seat| seat.tenant.is_some()).count()
    }

    /// Returns the nanoseconds that the callbacks of a connection have used since the last call.
    pub(super) fn take_spent(&mut self, token: Token) -> u64 {
        core::mem::take(&mut self.seats[token.index()].spent)
    }

    /// Uses some time, in some callbacks of a connection.
    fn dawdle(&mut self, token: Token) {
        let span = self.pace.dawdle();
        let seat = &mut self.seats[token.index()];
        seat.spent = seat.spent.saturating_add(span);
    }

    fn expect(&mut self, token: Token, call: &str) {
        if self.seats[token.index()].tenant != Some(token) {
            self.fault.get_or_insert_with(|| {
                alloc::format!("{call} was called for {token:?}, which is not open")
            });
        }
    }
}

impl<S: Service> Service for Observer<S> {
    type Session = S::Session;

    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        let token = peer.token();
        let seat = Seat { tenant: Some(token), ..Seat::default() };
        let before = core::mem::replace(&mut self.seats[token.index()], seat);
        if let Some(tenant) = before.tenant {
            self.fault.get_or_insert_with(|| {
                alloc::format!("{token:?} was opened in the slot of {tenant:?}")
            });
        }
        self.dawdle(peer.token());
        self.service.opened(peer, session);
        self.dawdle(peer.token());
    }

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, bytes: &[u8]) -> usize {
        let token = peer.token();
        self.expect(token, "received");
        self.dawdle(peer.token());
        let most = peer.received_max();
        let consumed = self.service.received(peer, session, bytes);
        self.dawdle(peer.token());
        let seat = &mut self.seats[token.index()];
        seat.offered = seat.got + bytes.len() as u64;
        seat.got += consumed as u64;
        seat.took_nothing = consumed == 0;
        seat.told_when_full |= seat.drain_told && consumed == 0 && bytes.len() >= most;
        consumed
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        self.expect(peer.token(), "writable");
        self.dawdle(peer.token());
        self.service.writable(peer, session);
        self.dawdle(peer.token());
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, untaken: usize) {
        let token = peer.token();
        self.expect(token, "read_closed");
        let Seat { got, offered, .. } = self.seats[token.index()];
        let left = usize::try_from(offered - got).unwrap_or(usize::MAX);
        let told = if left == untaken { Ok(left) } else { Err((untaken, left)) };
        self.ends.push((token, offered, told));
        self.dawdle(peer.token());
        self.service.read_closed(peer, session, untaken);
        self.dawdle(peer.token());
    }

    fn draining(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        self.expect(peer.token(), "draining");
        let seat = &mut self.seats[peer.token().index()];
        let is_full = seat.offered - seat.got >= peer.received_max() as u64;
        (seat.drain_told, seat.told_when_full) = (true, is_full && seat.took_nothing);
        self.dawdle(peer.token());
        self.service.draining(peer, session);
        self.dawdle(peer.token());
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        self.expect(peer.token(), "timer_expired");
        self.dawdle(peer.token());
        self.service.timer_expired(peer, session);
        self.dawdle(peer.token());
    }

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, reason: CloseReason) {
        let token = peer.token();
        self.expect(token, "closed");
        self.seats[token.index()].tenant = None;
        let Seat { got, offered, took_nothing, drain_told, told_when_full, .. } =
            self.seats[token.index()];
        let count = offered - got;
        let is_full = count >= peer.received_max() as u64;
        let left = Left { count, is_full, took_nothing, drain_told, told_when_full };
        self.closings.push((token, reason, left));
        self.dawdle(peer.token());
        self.service.closed(peer, session, reason);
        self.dawdle(peer.token());
    }
}
