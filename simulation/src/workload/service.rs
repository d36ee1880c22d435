//! The services: echo, chat, long replies, and one that acts at random; all in one.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use selkie_core::{CloseReason, Instant, Peer, SendError, Service, Token};

use super::Kind;
use crate::{Crowd, Random};

/// The most times in a row that calls which offer nothing new may move a timer that is due.
const MOVES_MAX: u32 = 8;

/// State of a connection.
#[derive(Debug, Default)]
pub struct Session {
    pub(super) kind: Option<Kind>,
    /// The peer ended its stream.
    pub(super) ended: bool,
    /// Number of bytes that the service left unconsumed, as far as it knows.
    pub(super) left: usize,
    /// Offset in the stream of bytes for the client.
    pub(super) offset: u64,
    /// Number of bytes of the current reply that are still to be sent.
    pub(super) due: u64,
}

/// Account of the tenant of a slot, for the rules.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    pub(super) tenant: Option<Token>,
    /// Number of bytes that the server accepted for it.
    pub(super) sent: u64,
    /// The time at which its timer is due.
    pub(super) timer: Option<Instant>,
    /// The number of calls in a row that offered nothing new and moved a timer that was due.
    moved: u32,
    /// The service has closed or aborted it.
    pub(super) dismissed: bool,
    /// Another connection had it closed.
    pub(super) interrupted: bool,
    /// The connection at the other end of a relay.
    pub(super) counterpart: Option<Token>,
}

/// The services in one, which find fault with what they are given.
#[derive(Debug)]
pub struct Mixed {
    pub(super) random: Random,
    pub(super) reluctance: u64,
    pub(super) whims: u64,
    /// The delay of the timer that each call of `received` sets; zero for none.
    timers: Duration,
    pub(super) members: Vec<Token>,
    /// A relayed connection without a counterpart.
    pub(super) single: Option<Token>,
    pub(super) accounts: Vec<Account>,
    /// The accounts of the tenants before, as a slot may be used again in the turn of its close.
    former: Vec<Account>,
    fault: Option<String>,
}

impl Mixed {
    /// Makes the services for a loop of `slots` slots.
    #[must_use]
    pub fn new(slots: usize, crowd: &Crowd, random: Random) -> Self {
        Self {
            random,
            reluctance: crowd.reluctance,
            whims: crowd.whims,
            timers: Duration::from_nanos(crowd.timers),
            members: Vec::new(),
            single: None,
            accounts: vec![Account::default(); slots],
            former: vec![Account::default(); slots],
            fault: None,
        }
    }

    /// Returns the first fault that the service found, if any.
    #[must_use]
    pub const fn fault(&self) -> Option<&String> {
        self.fault.as_ref()
    }

    /// Returns the number of bytes that the server accepted for a connection.
    #[must_use]
    pub fn sent(&self, token: Token) -> Option<u64> {
        self.account_of(token).map(|account| account.sent)
    }

    /// Returns whether the service has closed a connection before it was done with it.
    #[must_use]
    pub fn interrupted(&self, token: Token) -> bool {
        self.account_of(token).is_some_and(|account| account.interrupted)
    }

    /// Returns whether the service has closed or aborted a connection.
    #[must_use]
    pub fn is_dismissed(&self, token: Token) -> bool {
        self.account_of(token).is_some_and(|account| account.dismissed)
    }

    /// Returns the earliest timer that was due before `now`, and is still to come.
    #[must_use]
    pub fn overdue(&self, now: Instant) -> Option<Instant> {
        let waiting = self.accounts.iter().filter(|account| !account.dismissed);
        waiting.filter_map(|account| account.timer).filter(|timer| *timer < now).min()
    }

    pub(super) fn blame(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }

    /// Returns the account of a connection that is open, or was closed in this turn.
    fn account_of(&self, token: Token) -> Option<&Account> {
        let index = token.index();
        let both = [self.accounts.get(index)?, self.former.get(index)?];
        both.into_iter().find(|account| account.tenant == Some(token))
    }

    pub(super) fn account(&mut self, token: Token) -> &mut Account {
        &mut self.accounts[token.index()]
    }

    /// Sends, and keeps account of it. `promised` says that there has to be room.
    pub(super) fn send(
        &mut self,
        peer: &mut Peer<'_>,
        to: Token,
        bytes: &[u8],
        promised: bool,
    ) -> bool {
        let sent = if to == peer.token() { peer.send(bytes) } else { peer.send_to(to, bytes) };
        match sent {
            Ok(()) => {
                if self.account(to).tenant == Some(to) {
                    self.account(to).sent += bytes.len() as u64;
                } else {
                    self.blame(alloc::format!("bytes were taken for {to:?}, which is not open"));
                }
                true
            }
            Err(SendError::Full) if promised => {
                self.blame(alloc::format!(
                    "no room for {} bytes to {to:?}, although it was promised",
                    bytes.len()
                ));
                false
            }
            Err(_) => false,
        }
    }

    /// Closes a peer that is served to the end.
    pub(super) fn dismiss(&mut self, peer: &mut Peer<'_>) {
        let token = peer.token();
        self.account(token).dismissed = true;
        peer.close();
    }

    pub(super) fn set_timer(&mut self, peer: &mut Peer<'_>, delay: Duration) {
        let (token, deadline) = (peer.token(), peer.now() + delay);
        peer.set_timer(delay);
        if !self.account(token).dismissed {
            self.account(token).timer = Some(deadline);
        }
    }
}

impl Mixed {
    /// Sets the timer that each call of `received` sets. A timer that is due may be moved by what
    /// is new, or when output has drained, but not without end.
    fn move_timer(&mut self, peer: &mut Peer<'_>, is_new: bool) {
        if self.timers.is_zero() {
            return;
        }
        let (token, now) = (peer.token(), peer.now());
        let account = self.account(token);
        let is_due = account.timer.is_some_and(|timer| timer <= now);
        account.moved = if is_due && !is_new { account.moved + 1 } else { 0 };
        if account.moved > MOVES_MAX {
            self.blame(alloc::format!("the timer of {token:?} is moved without end"));
        }
        self.set_timer(peer, self.timers);
    }
}

impl Service for Mixed {
    type Session = Session;

    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut Session) {
        let token = peer.token();
        let account = Account { tenant: Some(token), ..Account::default() };
        self.former[token.index()] = core::mem::replace(self.account(token), account);
        if session.kind.is_some() {
            self.blame(alloc::format!("{token:?} was opened with the session of another"));
        }
    }

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut Session, bytes: &[u8]) -> usize {
        let (most, token) = (peer.received_max(), peer.token());
        if bytes.is_empty() || bytes.len() > most {
            self.blame(alloc::format!(
                "{token:?} was offered {} bytes of at most {most}",
                bytes.len()
            ));
            return 0;
        }
        self.move_timer(peer, bytes.len() > session.left);
        let done_with = self.take(peer, session, bytes);
        session.left = bytes.len() - done_with;
        self.close_if_done(peer, session);
        done_with
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut Session) {
        // Input is offered again because output has drained.
        self.account(peer.token()).moved = 0;
        match session.kind {
            Some(Kind::Stream) if session.due > 0 => {
                self.go_on(peer, session);
                if session.due == 0 && session.left > 0 {
                    // The next request may have come already.
                    let token = peer.token();
                    peer.resume_reading_of(token);
                }
                self.close_if_done(peer, session);
            }
            Some(Kind::Chaos) => self.whim(peer, session),
            Some(Kind::Relay) => {
                // There is room for what the counterpart has left.
                if let Some(counterpart) = self.account(peer.token()).counterpart {
                    peer.resume_reading_of(counterpart);
                }
            }
            _ => {}
        }
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut Session, untaken: usize) {
        if session.ended && untaken > 0 {
            self.blame(alloc::format!("{:?} was told twice that its peer ended", peer.token()));
        }
        session.ended = true;
        session.left = untaken;
        if let Some(counterpart) = self.account(peer.token()).counterpart.filter(|_| untaken == 0) {
            peer.shutdown_write_of(counterpart);
        }
        self.close_if_done(peer, session);
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut Session) {
        let (token, now) = (peer.token(), peer.now());
        match self.account(token).timer.take() {
            Some(timer) if timer <= now => {}
            Some(timer) => {
                self.blame(alloc::format!(
                    "the timer of {token:?} is due at {timer:?}, and fired at {now:?}"
                ));
            }
            None => {
                self.blame(alloc::format!("{token:?} has no timer, and one fired at {now:?}"));
            }
        }
        if session.kind == Some(Kind::Chaos) {
            self.whim(peer, session);
        }
    }

    fn closed(&mut self, peer: &mut Peer<'_>, _session: &mut Session, _reason: CloseReason) {
        let token = peer.token();
        self.members.retain(|member| *member != token);
        self.part(peer);
        if peer.send(b"late").is_ok() || peer.room() != 0 {
            self.blame(alloc::format!("{token:?} is closed, and takes bytes"));
        }
        // The account stays for those who judge, until the slot has another tenant.
        self.account(token).timer = None;
    }
}
