//! Two platforms under one loop.

use core::net::SocketAddr;

use crate::contract::{
    Capabilities, Close, Error, Events, Instant, Interest, Mode, Selector, Token, Transport,
};

/// One of two things: the source or the address of one of the two platforms in [`Pair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Either<A, B> {
    /// Of the first platform.
    First(A),
    /// Of the second platform.
    Second(B),
}

/// Two platforms that are polled by one loop: a UART beside TCP, or two network interfaces.
///
/// Both index their tables with the loop's tokens, so each needs the loop's capacity. Neither can
/// sleep for the other, so the pair is polled, and the main loop sleeps. They take turns
/// in filling a batch first, so that neither starves the other.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pair<A, B> {
    /// The first platform.
    pub first: A,
    /// The second platform.
    pub second: B,
    second_leads: bool,
}

impl<A, B> Pair<A, B> {
    /// Joins two platforms.
    #[must_use]
    pub const fn new(first: A, second: B) -> Self {
        Self { first, second, second_leads: false }
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
            Either::Second(source) => self.second.register(source, token, interest, mode),
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
            Either::Second(source) => self.second.deregister(source, token),
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
        (self.first.capabilities() & self.second.capabilities()) - Capabilities::WAKER
    }

    fn capacity(&self) -> usize {
        self.first.capacity().min(self.second.capacity())
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
