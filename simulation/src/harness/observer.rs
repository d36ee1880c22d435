//! Between the server and the service: whether the calls come as they should.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use selkie_core::{Peer, Reason, Service, Token};

/// Passes every call on to a service, and keeps an eye on their order.
#[derive(Debug)]
pub(super) struct Observer<S> {
    pub(super) service: S,
    /// Who is open in each slot.
    open: Vec<Option<Token>>,
    /// What was closed since the last look.
    pub(super) closings: Vec<(Token, Reason)>,
    pub(super) fault: Option<String>,
}

impl<S> Observer<S> {
    pub(super) fn new(service: S, slots: usize) -> Self {
        Self { service, open: vec![None; slots], closings: Vec::new(), fault: None }
    }

    /// How many connections are open, by what the service was told.
    pub(super) fn open(&self) -> usize {
        self.open.iter().flatten().count()
    }

    fn expect(&mut self, token: Token, call: &str) {
        if self.open[token.index()] != Some(token) {
            self.fault.get_or_insert_with(|| alloc::format!("{call} was called for {token:?}, which is not open"));
        }
    }
}

impl<S: Service> Service for Observer<S> {
    type Session = S::Session;

    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        let token = peer.token();
        if let Some(tenant) = self.open[token.index()].replace(token) {
            self.fault.get_or_insert_with(|| alloc::format!("{token:?} was opened in the slot of {tenant:?}"));
        }
        self.service.opened(peer, session);
    }

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, bytes: &[u8]) -> usize {
        self.expect(peer.token(), "received");
        self.service.received(peer, session, bytes)
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        self.expect(peer.token(), "writable");
        self.service.writable(peer, session);
    }

    fn ended(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        self.expect(peer.token(), "ended");
        self.service.ended(peer, session);
    }

    fn timed_out(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        self.expect(peer.token(), "timed_out");
        self.service.timed_out(peer, session);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, reason: Reason) {
        let token = peer.token();
        self.expect(token, "closed");
        self.open[token.index()] = None;
        self.closings.push((token, reason));
        self.service.closed(peer, session, reason);
    }
}
