//! A second server in the same loop, its clients, and tokens that others issue.

use alloc::string::String;
use alloc::vec::Vec;

use selkie_core::mailbox::Mailbox;
use selkie_core::platform::{Close, Transport};
use selkie_core::{Config, Context, Counters, ErrorKind, Instant, Server, Token};

use super::alarms::Alarms;
use super::drive::Verdict;
use super::memory::{HeapServer, SourceOf};
use super::proxy::{Backend, Proxy};
use crate::{Address, ClientModel, FarEnd, Limits, Network, Random};

/// Address of the second server.
pub(super) const NEIGHBOUR: Address = Address(7_001);

/// The bytes that a visitor sends, and gets back.
const WORD: &[u8] = b"a word to be sent back";

/// The second server, and the tokens that were issued beside both.
pub(super) struct Neighbour<P: Transport> {
    pub(super) server: Server<P, Proxy, HeapServer<SourceOf<P>, ()>>,
    tokens: Vec<Token>,
    pub(super) alarms: Alarms,
    tokens_max: usize,
    random: Random,
    mailbox: Mailbox<Token, 4>,
    /// Chance that a message is posted in a turn, and the number of those that were.
    messages: u64,
    posted: u64,
    /// Tokens of connections, some of which are closed since.
    known: Vec<Token>,
}

impl<P: Transport> Neighbour<P> {
    /// Makes the second server within `limits`, without a listener.
    pub(super) fn new(limits: &Limits, random: Random) -> Self {
        let slots = limits.slot_count();
        let blocks = if P::OWNS_BUFFERS { 0 } else { 2 * slots };
        let memory = HeapServer::new(slots, blocks, 64, 64);
        let service = Proxy::new(limits);
        let server = Server::new(service, Config::DEFAULT.connects_reserved(0), memory);
        let tokens_max = size(limits.issued_tokens);
        Self {
            server,
            tokens: Vec::new(),
            alarms: Alarms::default(),
            tokens_max,
            random,
            mailbox: Mailbox::new(),
            messages: limits.messages,
            posted: 0,
            known: Vec::new(),
        }
    }

    /// Issues a token or takes one back, now and then.
    pub(super) fn issue_tokens(&mut self, context: &mut Context<'_, P>) {
        if self.random.chance(100) && self.tokens.len() < self.tokens_max {
            if let Ok(token) = context.issue() {
                self.tokens.push(token);
                self.alarms.arm(context, token, &mut self.random);
            }
        }
        if self.random.chance(60) {
            self.take_back(context, 1);
        }
    }

    /// Takes back some of the issued tokens. Returns whether there were any.
    pub(super) fn take_back(&mut self, context: &mut Context<'_, P>, count: usize) -> bool {
        let first = self.tokens.len().saturating_sub(count);
        let any = first < self.tokens.len();
        for token in self.tokens.drain(first..) {
            context.release(token).expect("a token that was issued is live");
            self.alarms.forget(token);
        }
        any
    }

    /// Posts a message to a connection that is open or was, and delivers what waits, now and then.
    pub(super) fn post_messages(&mut self, context: &mut Context<'_, P>) {
        if !self.random.chance(self.messages) {
            return;
        }
        if let Some(&token) = self.server.service().open.last() {
            if !self.known.contains(&token) {
                self.known.push(token);
            }
        }
        if !self.known.is_empty() {
            let token = self.known[self.random.index(self.known.len())];
            self.posted += u64::from(self.mailbox.post(token, token).is_ok());
        }
        if self.random.chance(500) {
            self.server.deliver(context, &self.mailbox);
        }
    }

    /// Checks the account of connections and messages.
    pub(super) fn verdict(&self) -> Verdict {
        let service = self.server.service();
        if let Some(fault) = &service.fault {
            return Err(("an attempt has one outcome, a message one receiver", fault.clone()));
        }
        let dropped = self.server.counters().messages_dropped;
        let waiting = self.posted.checked_sub(service.messages + dropped);
        ensure!(
            waiting.is_some_and(|waiting| waiting <= 4),
            "an attempt has one outcome, a message one receiver",
            "{} messages were delivered and {dropped} dropped of {}",
            service.messages,
            self.posted
        );
        let open = self.server.open_connections();
        let counted = service.open.len() + service.attempts();
        ensure!(
            counted == open,
            "an attempt has one outcome, a message one receiver",
            "the service knows of {counted} connections, of {open}"
        );
        Ok(())
    }

    /// Handles the deadline of an issued token. Returns false if the token is not one of these.
    pub(super) fn alarm_expired(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        looked_at: Instant,
    ) -> bool {
        let is_issued = self.tokens.contains(&token);
        if is_issued {
            self.alarms.expire(context, token, looked_at, &mut self.random);
        }
        is_issued
    }

    /// Stops issuing tokens.
    pub(super) const fn stop_issuing(&mut self) {
        self.tokens_max = 0;
    }

    /// Returns the number of live tokens that belong to no server.
    pub(super) const fn issued(&self) -> usize {
        self.tokens.len()
    }

    /// Returns the counters of the second server.
    pub(super) const fn counters(&self) -> &Counters {
        self.server.counters()
    }
}

use crate::scenario::size;

/// A client of the second server.
#[derive(Debug)]
struct Visitor {
    /// The time at which it acts next.
    next: Option<Instant>,
    /// The time that it stays after it has its word.
    stay: u64,
    far: Option<FarEnd>,
    sent: usize,
    got: usize,
    has_ended: bool,
    is_done: bool,
}

/// The clients of a run and those of the second server.
#[derive(Debug)]
pub(super) struct Town<F> {
    pub(super) clients: F,
    visitors: Vec<Visitor>,
    backend: Backend,
    pub(super) fault: Option<String>,
}

impl<F> Town<F> {
    /// Adds `count` visitors to the clients of a run.
    pub(super) fn new(clients: F, limits: &Limits, random: &mut Random) -> Self {
        let visitors = (0..limits.visitors)
            .map(|_| Visitor {
                next: Some(Instant::from_nanos(random.between(0, limits.visits_span))),
                stay: random.between(0, limits.visits_span),
                far: None,
                sent: 0,
                got: 0,
                has_ended: false,
                is_done: false,
            })
            .collect();
        Self { clients, visitors, backend: Backend::default(), fault: None }
    }

    /// Returns what a visitor waits for, at rest.
    pub(super) fn waits(&self) -> Option<String> {
        let waits = |visitor: &&Visitor| visitor.far.is_some() && !visitor.is_done;
        let visitor = self.visitors.iter().find(waits)?;
        Some(alloc::format!("a client of the second server waits without end: {visitor:?}"))
    }
}

impl Visitor {
    /// Connects, writes, reads and leaves. Returns what was wrong with what it got.
    fn act(&mut self, network: &mut Network) -> Option<String> {
        let is_due = self.next.take_if(|next| *next <= network.now()).is_some();
        let Some(far) = self.far else {
            if is_due {
                self.far = Some(network.dial(NEIGHBOUR));
            }
            return None;
        };
        if self.is_done || !network.is_connected(far) && network.far_read(far, &mut []).is_ok() {
            return None;
        }
        if self.sent < WORD.len() {
            self.sent += network.far_write(far, &WORD[self.sent..]).unwrap_or(0);
        }
        if is_due && !self.has_ended {
            self.has_ended = true;
            let _ = network.far_end(far);
        }
        self.read(network, far)
    }

    /// Reads what there is. Returns what was wrong with it.
    fn read(&mut self, network: &mut Network, far: FarEnd) -> Option<String> {
        let mut buffer = [0; 32];
        loop {
            match network.far_read(far, &mut buffer) {
                Ok(0) => {
                    let got = self.got;
                    self.leave(network, far, Close::Graceful);
                    return (got != WORD.len() && self.has_ended)
                        .then(|| alloc::format!("a visitor got {got} bytes before the end"));
                }
                Ok(count) => {
                    if !WORD[self.got.min(WORD.len())..].starts_with(&buffer[..count]) {
                        return Some(alloc::format!("a visitor got {:?}", &buffer[..count]));
                    }
                    self.got += count;
                    if self.got == WORD.len() {
                        let leaves_at = network.now().as_nanos().saturating_add(self.stay);
                        self.next = Some(Instant::from_nanos(leaves_at));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => {
                    self.leave(network, far, Close::Abort);
                    return None;
                }
            }
        }
    }

    fn leave(&mut self, network: &mut Network, far: FarEnd, how: Close) {
        (self.is_done, self.next) = (true, None);
        let _ = network.far_close(far, how);
    }
}

impl<F: ClientModel> ClientModel for Town<F> {
    fn next_action(&self) -> Option<Instant> {
        let next = self.visitors.iter().filter_map(|visitor| visitor.next).min();
        Instant::earlier(self.clients.next_action(), next)
    }

    fn act(&mut self, network: &mut Network) {
        self.clients.act(network);
        self.backend.act(network);
        for visitor in &mut self.visitors {
            if let Some(fault) = visitor.act(network) {
                self.fault.get_or_insert(fault);
            }
        }
    }
}
