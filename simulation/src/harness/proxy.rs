//! The service of the second server: sends back what it receives, or has a server of the far side
//! do so, to which it connects for each client; and takes messages.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use selkie_core::mailbox::Receives;
use selkie_core::platform::Close;
use selkie_core::{CloseReason, Peer, Service, Token};

use crate::{Address, FarEnd, Limits, Network};

/// The address of the far server that sends back what it receives.
pub(super) const BACKEND: Address = Address(7_002);
const BACKEND_PORT: u16 = 7_002;

/// Relays each client to a connection of its own, and keeps account of these.
#[derive(Debug, Default)]
pub(super) struct Proxy {
    /// Clients are relayed.
    connects: bool,
    /// The far server is there.
    is_reachable: bool,
    /// Clients, and the connections that were asked for on their behalf.
    pairs: Vec<(Token, Token)>,
    /// The attempts without an outcome.
    attempts: Vec<Token>,
    /// The connections that are open.
    pub(super) open: Vec<Token>,
    /// The number of messages that were delivered.
    pub(super) messages: u64,
    pub(super) fault: Option<String>,
}

/// Takes a token out. Returns whether it was there.
fn take(tokens: &mut Vec<Token>, token: Token) -> bool {
    let position = tokens.iter().position(|other| *other == token);
    position.map(|position| tokens.swap_remove(position)).is_some()
}

impl Proxy {
    pub(super) fn new(limits: &Limits) -> Self {
        let (connects, is_reachable) = (limits.dials > 0, limits.dials == 1);
        Self { connects, is_reachable, ..Self::default() }
    }

    /// Returns the number of attempts without an outcome.
    pub(super) const fn attempts(&self) -> usize {
        self.attempts.len()
    }

    fn blame(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }

    /// Returns the other connection of a pair.
    fn counterpart(&self, token: Token) -> Option<Token> {
        self.pairs.iter().find_map(|&(client, server)| match token {
            _ if token == client => Some(server),
            _ if token == server => Some(client),
            _ => None,
        })
    }

    /// Connects for a client.
    fn connect(&mut self, peer: &mut Peer<'_>) {
        match peer.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, BACKEND_PORT))) {
            Ok(token) => {
                if self.attempts.contains(&token) || self.open.contains(&token) {
                    self.blame(alloc::format!("{token:?} was issued twice"));
                }
                self.attempts.push(token);
                self.pairs.push((peer.token(), token));
            }
            Err(_) => peer.abort(),
        }
    }

    /// Judges the end of a connection that was never opened.
    fn judge_attempt(&mut self, token: Token, reason: CloseReason) {
        if !take(&mut self.attempts, token) {
            self.blame(alloc::format!("{token:?} was closed, and is no attempt"));
        } else if reason == CloseReason::Refused && self.is_reachable {
            self.blame(alloc::format!("{token:?} was refused by a server that is there"));
        }
    }
}

impl Service for Proxy {
    type Session = ();

    const CONNECTS: bool = true;

    fn opened(&mut self, peer: &mut Peer<'_>, _session: &mut ()) {
        let (token, by) = (peer.token(), peer.opened_by());
        if by.is_some() != take(&mut self.attempts, token) || by != self.counterpart(token) {
            self.blame(alloc::format!("{token:?} was opened by {by:?}, and is no such attempt"));
        }
        if by.is_some() && !self.is_reachable {
            self.blame(alloc::format!("{token:?} is connected to a server that is not there"));
        }
        self.open.push(token);
        if let Some(client) = by {
            // It has waited with what it sent.
            peer.resume_reading_of(client);
        }
    }

    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
        if !self.connects {
            return peer.send_some(bytes);
        }
        let Some(counterpart) = self.counterpart(peer.token()) else {
            self.connect(peer);
            return 0;
        };
        if !self.open.contains(&counterpart) {
            return 0;
        }
        let sent = peer.send_some_to(counterpart, bytes);
        if sent < bytes.len() {
            peer.request_writable_of(counterpart);
        }
        sent
    }

    fn writable(&mut self, peer: &mut Peer<'_>, _session: &mut ()) {
        if let Some(counterpart) = self.counterpart(peer.token()) {
            peer.resume_reading_of(counterpart);
        }
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, _session: &mut (), untaken: usize) {
        match self.counterpart(peer.token()) {
            _ if untaken > 0 => {}
            Some(counterpart) => peer.shutdown_write_of(counterpart),
            None => peer.close(),
        }
    }

    fn closed(&mut self, peer: &mut Peer<'_>, _session: &mut (), reason: CloseReason) {
        let token = peer.token();
        if !take(&mut self.open, token) {
            self.judge_attempt(token, reason);
        }
        let counterpart = self.counterpart(token);
        self.pairs.retain(|&(client, server)| token != client && token != server);
        // What is not finished cannot be finished any more.
        if let Some(counterpart) = counterpart.filter(|_| reason != CloseReason::Finished) {
            peer.abort_other(counterpart);
        }
    }
}

impl Receives<Token> for Proxy {
    /// Takes a message that names its connection.
    fn message(&mut self, peer: &mut Peer<'_>, _session: &mut (), message: Token) {
        self.messages += 1;
        if peer.token() != message || !self.open.contains(&message) {
            self.blame(alloc::format!("a message for {message:?} reached {:?}", peer.token()));
        }
    }
}

/// A connection at the far server.
#[derive(Debug)]
struct Caller {
    far: FarEnd,
    /// Bytes that were received and not sent back.
    bytes: Vec<u8>,
    has_ended: bool,
}

/// The far server: sends back what it receives.
#[derive(Debug, Default)]
pub(super) struct Backend {
    callers: Vec<Caller>,
}

impl Backend {
    /// Accepts, reads and sends back.
    pub(super) fn act(&mut self, network: &mut Network) {
        while let Some(far) = network.far_accept(BACKEND) {
            self.callers.push(Caller { far, bytes: Vec::new(), has_ended: false });
        }
        self.callers.retain_mut(|caller| caller.act(network).is_some());
    }
}

impl Caller {
    /// Returns nothing once the connection is over.
    fn act(&mut self, network: &mut Network) -> Option<()> {
        let mut buffer = [0; 32];
        loop {
            match network.far_read(self.far, &mut buffer) {
                Ok(0) => self.has_ended = true,
                Ok(count) => self.bytes.extend(&buffer[..count]),
                Err(error) if error.is_would_block() => break,
                Err(_) => return self.leave(network, Close::Abort),
            }
            if self.has_ended {
                break;
            }
        }
        let sent = network.far_write(self.far, &self.bytes).unwrap_or(0);
        self.bytes.drain(..sent);
        if self.has_ended && self.bytes.is_empty() {
            return self.leave(network, Close::Graceful);
        }
        Some(())
    }

    fn leave(&self, network: &mut Network, how: Close) -> Option<()> {
        let _ = network.far_close(self.far, how);
        None
    }
}
