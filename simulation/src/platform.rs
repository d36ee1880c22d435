//! The simulated platform: readiness, waiting and waking.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};

use selkie_core::backend::{SourceEntry, SourceTable};
use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Token};

use crate::evidence::Evidence;
use crate::network::{NEAR, Network};
use crate::trace::trace;
use crate::{Address, ClientModel, Parameters, Random};

/// The handle of a near end or a near listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    pub(crate) kind: Kind,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Stream,
    Listener,
}

/// Wakes a simulated platform, from anywhere.
#[derive(Clone, Debug)]
pub struct Waker(Arc<AtomicBool>);

impl Waker {
    /// Wakes.
    pub fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A platform whose network and clock are simulated, and behave as its [`Parameters`] say.
///
/// `F` models the clients on the far side of the network; it acts at points in virtual time while
/// the platform waits. With `OWNS_BUFFERS` the platform keeps waiting bytes itself, as smoltcp
/// does, otherwise it is like an operating system; with `READS_ON` the server reads until nothing
/// is there, as from the streams of WASI 0.3.
///
/// While the loop waits, virtual time passes at once: to the next arrival, the far side's next
/// action, or the deadline.
#[derive(Debug)]
pub struct Simulated<F, const OWNS_BUFFERS: bool = false, const READS_ON: bool = false> {
    /// The network, for the far side.
    pub network: Network,
    /// The clients on the far side.
    pub client_model: F,
    pub(crate) evidence: Evidence,
    pub(crate) registrations: SourceTable<Vec<SourceEntry>>,
    /// The source that is registered at each index.
    pub(crate) sources: Vec<Option<Source>>,
    /// The first index that was never registered, nor any behind it.
    pub(crate) used: usize,
    /// Index at which the next scan begins.
    pub(crate) first: usize,
    /// The time at which an event that was withheld is looked at again.
    pub(crate) withheld_until: Option<Instant>,
    /// Some tokens that were deregistered.
    pub(crate) ghosts: Vec<Token>,
    pub(crate) waker: Option<(Token, Arc<AtomicBool>)>,
    quiet: bool,
    /// Time that the program has used since the platform was last called.
    spent: Rc<Cell<u64>>,
    pub(crate) batch: Vec<Event>,
}

/// Number of deregistered tokens that are remembered.
const GHOSTS: usize = 8;

impl<F: ClientModel, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Simulated<F, OWNS_BUFFERS, READS_ON>
{
    /// Makes a platform for at most `capacity` sources, with the network that `parameters`
    /// describe.
    #[must_use]
    pub fn new(capacity: usize, parameters: Parameters, random: Random, client_model: F) -> Self {
        Self {
            network: Network::new(parameters, random),
            client_model,
            evidence: Evidence::default(),
            registrations: SourceTable::new(vec![SourceEntry::EMPTY; capacity]),
            sources: vec![None; capacity],
            used: 0,
            first: 0,
            withheld_until: None,
            ghosts: Vec::with_capacity(GHOSTS),
            waker: None,
            quiet: false,
            spent: Rc::default(),
            batch: Vec::with_capacity(capacity + 2),
        }
    }

    /// Opens a listener of the near side.
    ///
    /// # Errors
    ///
    /// [`AddressInUse`](ErrorKind::AddressInUse).
    pub fn listen(&mut self, address: Address) -> Result<Source, Error> {
        let slot = self.network.listen(address)?;
        let generation = self.network.listeners[slot as usize].generation;
        Ok(Source { kind: Kind::Listener, slot, generation })
    }

    /// Returns whether the last wait ended because nothing will ever happen: nothing is ready or in
    /// flight, no client plans anything, and there was no deadline. A real platform would never
    /// return.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Returns the counts of the platform.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Returns which tokens are registered, and for what.
    #[must_use]
    pub const fn registrations(&self) -> &SourceTable<Vec<SourceEntry>> {
        &self.registrations
    }

    /// Lets time pass to `now`: what is under way arrives, and the far side acts.
    pub fn advance(&mut self, now: Instant) {
        loop {
            let next =
                Instant::earlier(self.network.next_arrival(), self.client_model.next_action());
            let until = next.map_or(now, |next| next.min(now));
            self.network.advance(until);
            self.client_model.act(&mut self.network);
            let next =
                Instant::earlier(self.network.next_arrival(), self.client_model.next_action());
            if self.network.now() >= now && next.is_none_or(|next| next > now) {
                return;
            }
        }
    }

    /// Returns a counter of nanoseconds that the program has used. What is added to it passes as
    /// time, in which peers go on, before the next call of the platform.
    #[must_use]
    pub fn spent_time(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.spent)
    }

    /// Lets the time pass that the program has used.
    pub(crate) fn elapse(&mut self) {
        let spent = self.spent.take();
        if spent > 0 {
            self.pass(spent);
        }
    }

    /// Lets some time pass.
    pub(crate) fn pass(&mut self, nanos: u64) {
        let now = self.network.now().as_nanos();
        self.advance(Instant::from_nanos(now.saturating_add(nanos)));
    }

    /// Returns when something happens next on the network or on the far side.
    fn next_happening(&self) -> Option<Instant> {
        let next = Instant::earlier(self.network.next_arrival(), self.client_model.next_action());
        Instant::earlier(next, self.withheld_until)
    }

    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.network.random.chance(per_mille)
    }

    /// Checks that a source exists, and returns the token it is registered under.
    fn check(&mut self, source: Source) -> Result<&mut Option<Token>, Error> {
        match source.kind {
            Kind::Stream => {
                let slot = self.network.near(source)?;
                Ok(&mut self.network.connections[slot as usize].evidence.token)
            }
            Kind::Listener => {
                let slot = self.network.listener(source)?;
                Ok(&mut self.network.listeners[slot as usize].token)
            }
        }
    }
}

impl<F: ClientModel, const OWNS_BUFFERS: bool, const READS_ON: bool> Selector
    for Simulated<F, OWNS_BUFFERS, READS_ON>
{
    type Source = Source;

    fn register(
        &mut self,
        source: Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.supports(interest, mode)?;
        self.registrations.check_vacant(token)?;
        if self.check(source)?.is_some() {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        let failures = self.network.parameters.register_failures;
        if source.kind == Kind::Stream && self.chance(failures) {
            return Err(Error::with_code(ErrorKind::OutOfMemory, 12));
        }
        *self.check(source)? = Some(token);
        self.registrations.insert(token, interest, mode, ());
        self.sources[token.index()] = Some(source);
        self.used = self.used.max(token.index() + 1);
        self.renew(source);
        trace!(self.network, "near {}: registers {token:?} for {interest:?}", source.slot);
        Ok(())
    }

    fn modify(
        &mut self,
        source: Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.supports(interest, mode)?;
        self.registrations.get(token)?;
        self.check(source)?;
        if self.sources[token.index()] != Some(source) {
            return Err(ErrorKind::InvalidSource.into());
        }
        let failures = self.network.parameters.modify_failures;
        if self.chance(failures) {
            trace!(self.network, "near {}: cannot be modified", source.slot);
            if source.kind == Kind::Stream {
                let evidence = &mut self.network.connections[source.slot as usize].evidence;
                evidence.failed.get_or_insert(ErrorKind::OutOfMemory);
                evidence.unwatchable = true;
            }
            return Err(Error::with_code(ErrorKind::OutOfMemory, 12));
        }
        self.registrations.update(token, interest, mode);
        self.renew(source);
        trace!(self.network, "near {}: watches for {interest:?}", source.slot);
        Ok(())
    }

    fn deregister(&mut self, source: Source, token: Token) -> Result<(), Error> {
        self.registrations.get(token)?;
        if self.sources[token.index()] != Some(source) {
            return Err(ErrorKind::InvalidSource.into());
        }
        self.registrations.remove(token);
        self.sources[token.index()] = None;
        if let Ok(registered) = self.check(source) {
            *registered = None;
        }
        if self.ghosts.len() == GHOSTS {
            self.ghosts.remove(0);
        }
        self.ghosts.push(token);
        self.evidence.deregistered.push((source, token));
        Ok(())
    }

    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.advance(now);
        self.evidence.turn += 1;
        self.report(events);
        Ok(())
    }

    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.network.parameters.polled == 0 {
            None
        } else {
            self.next_happening().map(|next| next.max(now))
        }
    }

    fn capabilities(&self) -> Capabilities {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "bits without a name are dropped in any case"
        )]
        let told = Capabilities::from_bits(self.network.parameters.capabilities as u16);
        told - Capabilities::PRIORITY
    }

    fn capacity(&self) -> usize {
        self.sources.len()
    }
}

impl<F: ClientModel, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Simulated<F, OWNS_BUFFERS, READS_ON>
{
    fn supports(&self, interest: Interest, mode: Mode) -> Result<(), Error> {
        let edge = mode == Mode::Edge && !self.capabilities().contains(Capabilities::EDGE);
        let hangup =
            interest == Interest::HANGUP && !self.capabilities().contains(Capabilities::HANGUP);
        if edge || hangup || interest.contains(Interest::PRIORITY) {
            return Err(ErrorKind::Unsupported.into());
        }
        Ok(())
    }

    /// Marks every readiness as new, as systems with edges do after a registration.
    fn renew(&mut self, source: Source) {
        match source.kind {
            Kind::Stream => {
                self.network.connections[source.slot as usize].ends[NEAR].fresh = u32::MAX;
            }
            Kind::Listener => self.network.listeners[source.slot as usize].fresh = true,
        }
    }
}

impl<F: ClientModel, const OWNS_BUFFERS: bool, const READS_ON: bool> Wait
    for Simulated<F, OWNS_BUFFERS, READS_ON>
{
    fn now(&mut self) -> Instant {
        self.elapse();
        self.network.now()
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        if deadline.is_none() && self.registrations.armed() == 0 && self.waker.is_none() {
            return Err(ErrorKind::NothingToWaitFor.into());
        }
        self.elapse();
        self.evidence.turn += 1;
        self.quiet = false;
        if events.room() == 0 {
            return Ok(());
        }
        let (before, early) = (events.len(), self.network.parameters.early_returns);
        let is_due = deadline.is_some_and(|deadline| deadline <= self.network.now());
        // A wait past its deadline has looked, even if it is interrupted: its caller judges by it.
        if self.chance(early) && !is_due {
            trace!(self.network, "near: the wait is interrupted");
            self.evidence.early_returns += 1;
            return Ok(());
        }
        loop {
            self.advance(self.network.now());
            self.report(events);
            if events.len() > before
                || deadline.is_some_and(|deadline| deadline <= self.network.now())
            {
                break;
            }
            let next = self.next_happening();
            let Some(until) = Instant::earlier(deadline, next) else {
                trace!(self.network, "near: waits without end");
                self.quiet = true;
                return Ok(());
            };
            self.advance(until);
        }
        self.return_late();
        Ok(())
    }
}

impl<F: ClientModel, const OWNS_BUFFERS: bool, const READS_ON: bool> Wake
    for Simulated<F, OWNS_BUFFERS, READS_ON>
{
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        self.registrations.check_vacant(token)?;
        if self.waker.is_some() {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        // A registration without a source, so that the waker takes its turn with the sources.
        self.registrations.insert(token, Interest::READABLE, Mode::Level, ());
        self.used = self.used.max(token.index() + 1);
        let woken = Arc::new(AtomicBool::new(false));
        self.waker = Some((token, Arc::clone(&woken)));
        Ok(Waker(woken))
    }
    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        match &self.waker {
            Some((own, _)) if *own == token => {}
            Some((own, _)) if own.index() == token.index() => return Err(ErrorKind::Stale.into()),
            _ => return Err(ErrorKind::NotRegistered.into()),
        }
        self.registrations.remove(token);
        self.waker = None;
        Ok(())
    }
}
