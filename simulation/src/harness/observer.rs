//! Between the server and the service: whether the calls come as they should.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use selkie_core::{CloseReason, Peer, Service, Token};

/// Passes every call on to a service, and keeps an eye on their order.
#[derive(Debug)]
pub(super) struct Observer<S> {
    pub(super) service: S,
    /// Who is open in each slot.
    open: Vec<Option<Token>>,
    /// For each slot, how far into its stream the service has got, and how far it was last
    /// offered.
    positions: Vec<(u64, u64)>,
    /// Whose end was told since the last look, and how far the stream had been offered then.
    pub(super) ends: Vec<(Token, u64)>,
    /// What was closed since the last look.
    pub(super) closings: Vec<(Token, CloseReason)>,
    pub(super) fault: Option<String>,
}

impl<S> Observer<S> {
    pub(super) fn new(service: S, slots: usize) -> Self {
        let (open, positions) = (vec![None; slots], vec![(0, 0); slots]);
        Self { service, open, positions, ends: Vec::new(), closings: Vec::new(), fault: None }
    }

    /// How many connections are open, by what the service was told.
    pub(super) fn open(&self) -> usize {
        self.open.iter().flatten().count()
    }

    fn expect(&mut self, token: Token, call: &str) {
        if self.open[token.index()] != Some(token) {
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
        if let Some(tenant) = self.open[token.index()].replace(token) {
            self.fault.get_or_insert_with(|| {
                alloc::format!("{token:?} was opened in the slot of {tenant:?}")
            });
        }
        self.positions[token.index()] = (0, 0);
        self.service.opened(peer, session);
    }

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, bytes: &[u8]) -> usize {
        let token = peer.token();
        self.expect(token, "received");
        let consumed = self.service.received(peer, session, bytes);
        let (got, offered) = &mut self.positions[token.index()];
        *offered = *got + bytes.len() as u64;
        *got += consumed as u64;
        consumed
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        self.expect(peer.token(), "writable");
        self.service.writable(peer, session);
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, untaken: usize) {
        let token = peer.token();
        self.expect(token, "ended");
        self.ends.push((token, self.positions[token.index()].1));
        self.service.read_closed(peer, session, untaken);
    }

    fn draining(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        self.expect(peer.token(), "draining");
        self.service.draining(peer, session);
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        self.expect(peer.token(), "timed_out");
        self.service.timer_expired(peer, session);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, reason: CloseReason) {
        let token = peer.token();
        self.expect(token, "closed");
        self.open[token.index()] = None;
        self.closings.push((token, reason));
        self.service.closed(peer, session, reason);
    }
}
