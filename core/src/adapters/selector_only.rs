//! Sources that no server serves: a selector as half of a platform.

use core::convert::Infallible;
use core::time::Duration;

use crate::contract::{
    Capabilities, Close, Error, ErrorKind, Events, Instant, Interest, Mode, Selector, Token,
    Transport, Wait, Wake,
};

/// A selector whose sources are watched by a loop, and used by their owners: a console or a sensor
/// beside the connections of a [`Server`](crate::Server), in [`Pair`](crate::adapters::Pair).
///
/// As a transport it returns [`Unsupported`](ErrorKind::Unsupported) from every call, so it adds no
/// code to a server, and it takes no capability away from the other half.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SelectorOnly<S> {
    /// The selector.
    pub selector: S,
}

impl<S> SelectorOnly<S> {
    /// Watches the sources of `selector` for their owners.
    #[must_use]
    pub const fn new(selector: S) -> Self {
        Self { selector }
    }
}

impl<S: Selector> Selector for SelectorOnly<S> {
    type Source = S::Source;

    fn register(
        &mut self,
        source: S::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.selector.register(source, token, interest, mode)
    }

    fn modify(
        &mut self,
        source: S::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.selector.modify(source, token, interest, mode)
    }

    fn deregister(&mut self, source: S::Source, token: Token) -> Result<(), Error> {
        self.selector.deregister(source, token)
    }

    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.selector.poll(now, events)
    }

    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        self.selector.next_deadline(now)
    }

    /// Returns those of the selector and all that concern connections: it has no connections, so
    /// [`Pair`](crate::adapters::Pair) keeps the other half's.
    fn capabilities(&self) -> Capabilities {
        self.selector.capabilities() | Capabilities::CHECK | Capabilities::ABORT
    }

    fn capacity(&self) -> usize {
        self.selector.capacity()
    }
}

impl<S: Wait> Wait for SelectorOnly<S> {
    fn now(&mut self) -> Instant {
        self.selector.now()
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.selector.wait(events, deadline)
    }

    fn wait_for(&mut self, events: &mut Events<'_>, timeout: Duration) -> Result<(), Error> {
        self.selector.wait_for(events, timeout)
    }
}

impl<S: Wake> Wake for SelectorOnly<S> {
    type Waker = S::Waker;

    fn waker(&mut self, token: Token) -> Result<S::Waker, Error> {
        self.selector.waker(token)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        self.selector.release_waker(token)
    }
}

/// The error of all transport operations: sources are not served.
const UNSUPPORTED: Error = Error::new(ErrorKind::Unsupported);

impl<S: Selector> Transport for SelectorOnly<S> {
    /// There is nothing to connect to.
    type Address = Infallible;

    /// There is nothing that could wait.
    const OWNS_BUFFERS: bool = true;
    const REPORTS_ROOM: bool = true;

    fn accept(&mut self, _listener: S::Source) -> Result<S::Source, Error> {
        Err(UNSUPPORTED)
    }

    fn connect(&mut self, address: &Infallible) -> Result<S::Source, Error> {
        match *address {}
    }

    fn connected(&mut self, _source: S::Source) -> Result<(), Error> {
        Err(UNSUPPORTED)
    }

    fn read(&mut self, _source: S::Source, _buffer: &mut [u8]) -> Result<usize, Error> {
        Err(UNSUPPORTED)
    }

    fn write(&mut self, _source: S::Source, _bytes: &[u8]) -> Result<usize, Error> {
        Err(UNSUPPORTED)
    }

    fn shutdown_write(&mut self, _source: S::Source) -> Result<(), Error> {
        Err(UNSUPPORTED)
    }

    fn close(&mut self, _source: S::Source, _how: Close) -> Result<(), Error> {
        Err(UNSUPPORTED)
    }
}
