//! Two platforms under one loop.

use core::net::SocketAddr;
use core::time::Duration;

use crate::contract::{
    Capabilities, Close, Error, Events, Instant, Interest, Mode, Selector, Token, Transport, Wait,
    Wake,
};

/// One of two things: the source or the address of one of the two platforms in [`Pair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Either<A, B> {
    /// A source or an address of the first platform.
    First(A),
    /// A source or an address of the second platform.
    Second(B),
}

/// Two platforms that are polled by one loop: a UART beside TCP, or two network interfaces.
///
/// Both index their tables with the loop's tokens, so each needs the loop's capacity. They take
/// turns in filling a batch first, so that neither starves the other.
///
/// # Weaker promises than those of one platform
///
/// * A source is reported within twice as many polls as its own platform alone needs, since the
///   other one may fill each second batch.
/// * A token that one platform has is not refused by the other. The registry of a loop issues each
///   token once.
/// * A wait does not end with [`NothingToWaitFor`](crate::ErrorKind::NothingToWaitFor) while the
///   second platform has sources, though all of them may be silent.
///
/// # Sleeping
///
/// Where the first platform can sleep, the pair can: the first one sleeps for both, until one of
/// its sources is ready, a waker wakes it, or the second one has a deadline. A ready source of the
/// second ends no sleep of the first. So while the second has sources, a sleep also ends after an
/// interval, [`POLL_INTERVAL`](Self::POLL_INTERVAL) if [`poll_every`](Self::poll_every) sets no
/// other. No interval is needed where something wakes the first for the second
/// ([`woken_by_first`](Self::woken_by_first)): a waker that an interrupt or a thread has, or the
/// descriptor of the second's device, registered with the first.
///
/// If both platforms can sleep, the first should be the one whose events must not be late.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pair<A, B> {
    /// The first platform.
    pub first: A,
    /// The second platform.
    pub second: B,
    second_leads: bool,
    /// Number of sources that are registered with the second platform.
    second_sources: usize,
    /// The longest sleep while there are such sources.
    poll_interval: Option<Duration>,
}

impl<A, B> Pair<A, B> {
    /// The longest sleep while the second platform has sources, if not set otherwise.
    pub const POLL_INTERVAL: Duration = Duration::from_millis(1);

    /// Joins two platforms.
    #[must_use]
    pub const fn new(first: A, second: B) -> Self {
        let poll_interval = Some(Self::POLL_INTERVAL);
        Self { first, second, second_leads: false, second_sources: 0, poll_interval }
    }

    /// Sets the interval after which a sleep ends to poll the second platform.
    #[must_use]
    pub const fn poll_every(mut self, interval: Duration) -> Self {
        self.poll_interval = Some(interval);
        self
    }

    /// Sleeps without an interval: a waker or a source of the first platform ends the sleep when
    /// the second needs to be polled.
    #[must_use]
    pub const fn woken_by_first(mut self) -> Self {
        self.poll_interval = None;
        self
    }
}

impl<A: Selector, B: Selector> Selector for Pair<A, B> {
    type Source = Either<A::Source, B::Source>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        match source {
            Either::First(source) => self.first.register(source, token, interest, mode),
            Either::Second(source) => {
                self.second.register(source, token, interest, mode)?;
                self.second_sources += 1;
                Ok(())
            }
        }
    }

    fn modify(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        match source {
            Either::First(source) => self.first.modify(source, token, interest, mode),
            Either::Second(source) => self.second.modify(source, token, interest, mode),
        }
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        match source {
            Either::First(source) => self.first.deregister(source, token),
            Either::Second(source) => {
                self.second.deregister(source, token)?;
                self.second_sources = self.second_sources.saturating_sub(1);
                Ok(())
            }
        }
    }

    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.second_leads = !self.second_leads;
        let before = events.len();
        // In a loop, so that each platform's poll has one place to be inlined at.
        let mut second = self.second_leads;
        for _ in 0..2 {
            let polled =
                if second { self.second.poll(now, events) } else { self.first.poll(now, events) };
            // An error beside events would lose them. As the platform that failed leads the next
            // poll, its error is returned then.
            if polled.is_err() && events.len() == before {
                return polled;
            }
            second = !second;
        }
        Ok(())
    }

    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        Instant::earlier(self.first.next_deadline(now), self.second.next_deadline(now))
    }

    fn capabilities(&self) -> Capabilities {
        let [first, second] = [self.first.capabilities(), self.second.capabilities()];
        // The waker is the first one's.
        ((first & second) - Capabilities::WAKER) | (first & Capabilities::WAKER)
    }

    fn capacity(&self) -> usize {
        self.first.capacity().min(self.second.capacity())
    }
}

impl<A: Wait, B: Selector> Wait for Pair<A, B> {
    fn now(&mut self) -> Instant {
        self.first.now()
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        let before = events.len();
        while events.room() > 0 {
            let now = self.first.now();
            self.poll(now, events)?;
            if events.len() > before || deadline.is_some_and(|deadline| deadline <= now) {
                break;
            }
            let interval = self.poll_interval.filter(|_| self.second_sources > 0);
            let next = interval.map(|interval| now.saturating_add(interval));
            let end = Instant::earlier(self.second.next_deadline(now), next);
            let end = Instant::earlier(end, deadline);
            self.first.wait(events, end)?;
            // An empty wait that ended early is for the caller, who looks at its flags.
            let ended_early = end.is_none_or(|end| self.first.now() < end);
            if events.len() > before || ended_early {
                break;
            }
        }
        Ok(())
    }
}

impl<A: Wake, B: Selector> Wake for Pair<A, B> {
    type Waker = A::Waker;

    fn waker(&mut self, token: Token) -> Result<A::Waker, Error> {
        self.first.waker(token)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        self.first.release_waker(token)
    }
}

impl<A: Transport, B: Transport> Transport for Pair<A, B> {
    type Address = Either<A::Address, B::Address>;

    const OWNS_BUFFERS: bool = A::OWNS_BUFFERS && B::OWNS_BUFFERS;
    const REPORTS_ROOM: bool = A::REPORTS_ROOM && B::REPORTS_ROOM;
    // A read too many finds nothing, and does no harm.
    const READABLE_UNTIL_EMPTY: bool = A::READABLE_UNTIL_EMPTY || B::READABLE_UNTIL_EMPTY;

    fn accept(&mut self, listener: Self::Source) -> Result<Self::Source, Error> {
        match listener {
            Either::First(listener) => self.first.accept(listener).map(Either::First),
            Either::Second(listener) => self.second.accept(listener).map(Either::Second),
        }
    }

    /// Prefers the first half, if both can connect to the address.
    fn address(address: SocketAddr) -> Option<Self::Address> {
        let first = A::address(address).map(Either::First);
        first.or_else(|| B::address(address).map(Either::Second))
    }

    fn remote_address(&mut self, source: Self::Source) -> Option<SocketAddr> {
        match source {
            Either::First(source) => self.first.remote_address(source),
            Either::Second(source) => self.second.remote_address(source),
        }
    }

    fn connect(&mut self, address: &Self::Address) -> Result<Self::Source, Error> {
        match address {
            Either::First(address) => self.first.connect(address).map(Either::First),
            Either::Second(address) => self.second.connect(address).map(Either::Second),
        }
    }

    fn connected(&mut self, source: Self::Source) -> Result<(), Error> {
        match source {
            Either::First(source) => self.first.connected(source),
            Either::Second(source) => self.second.connected(source),
        }
    }

    fn read(&mut self, source: Self::Source, buffer: &mut [u8]) -> Result<usize, Error> {
        match source {
            Either::First(source) => self.first.read(source, buffer),
            Either::Second(source) => self.second.read(source, buffer),
        }
    }

    fn peek(&mut self, source: Self::Source, buffer: &mut [u8]) -> Result<usize, Error> {
        match source {
            Either::First(source) => self.first.peek(source, buffer),
            Either::Second(source) => self.second.peek(source, buffer),
        }
    }

    fn consume(&mut self, source: Self::Source, count: usize, left: usize) {
        match source {
            Either::First(source) => self.first.consume(source, count, left),
            Either::Second(source) => self.second.consume(source, count, left),
        }
    }

    fn write(&mut self, source: Self::Source, bytes: &[u8]) -> Result<usize, Error> {
        match source {
            Either::First(source) => self.first.write(source, bytes),
            Either::Second(source) => self.second.write(source, bytes),
        }
    }

    fn write_vectored(&mut self, source: Self::Source, parts: &[&[u8]]) -> Result<usize, Error> {
        match source {
            Either::First(source) => self.first.write_vectored(source, parts),
            Either::Second(source) => self.second.write_vectored(source, parts),
        }
    }

    fn check(&mut self, source: Self::Source) -> Result<(), Error> {
        match source {
            Either::First(source) => self.first.check(source),
            Either::Second(source) => self.second.check(source),
        }
    }

    fn write_room(&mut self, source: Self::Source) -> usize {
        match source {
            Either::First(source) => self.first.write_room(source),
            Either::Second(source) => self.second.write_room(source),
        }
    }

    fn unacknowledged_since(&mut self, source: Self::Source) -> Option<Instant> {
        match source {
            Either::First(source) => self.first.unacknowledged_since(source),
            Either::Second(source) => self.second.unacknowledged_since(source),
        }
    }

    fn shutdown_write(&mut self, source: Self::Source) -> Result<(), Error> {
        match source {
            Either::First(source) => self.first.shutdown_write(source),
            Either::Second(source) => self.second.shutdown_write(source),
        }
    }

    fn close(&mut self, source: Self::Source, how: Close) -> Result<(), Error> {
        match source {
            Either::First(source) => self.first.close(source, how),
            Either::Second(source) => self.second.close(source, how),
        }
    }
}
