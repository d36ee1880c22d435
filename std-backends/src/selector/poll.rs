//! `poll`, for everything POSIX, and Winsock's `WSAPoll`.
//!
//! Quirks, each repeated at the line that it concerns (those of the systems are in `sys`):
//!
//! * *scan-order*: the entries are scanned in order, which would favour the first ones. So a scan
//!   begins at the entry for which the previous batch had no room.

use std::marker::PhantomData;
use std::time::Duration;

use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Token};

use super::packed_sources::PackedSources;
use super::{FdSelector, SysWait, Woken, interrupted_or_error, without_hangup};
use crate::sys::clock::Clock;
use crate::sys::poll::{self, Entry};
use crate::sys::source::{BorrowedSource, raw};
use crate::waker::Waker;

/// A selector over `poll`. Each call costs in proportion to the number of sources, silent or not.
#[derive(Debug)]
pub struct Poll<'fd> {
    sources: PackedSources<Entry>,
    /// scan-order: position at which the next scan begins.
    first: usize,
    clock: Clock,
    borrowed: PhantomData<BorrowedSource<'fd>>,
}

impl Poll<'_> {
    /// Makes a selector for up to `capacity` sources, the waker included.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn new(capacity: usize) -> Result<Self, Error> {
        Ok(Self {
            sources: PackedSources::new(capacity)?,
            first: 0,
            clock: Clock::new(),
            borrowed: PhantomData,
        })
    }

    /// Returns the bytes that a selector for `capacity` sources takes from the heap, where a
    /// process may open `hard_limit` descriptors.
    pub(super) fn memory(capacity: usize, hard_limit: u64) -> usize {
        PackedSources::<Entry>::memory(capacity, hard_limit)
    }

    /// Adds an event for the entry at `position`, if it has one. Returns false if there was no
    /// room.
    fn report(&mut self, position: usize, events: &mut Events<'_>) -> bool {
        let entry = self.sources.at(position);
        let Some(readiness) = poll::reported(entry) else { return true };
        let Some(token) = self.sources.table.token_of(poll::source(entry)) else { return true };
        if events.push(Event { token, readiness }).is_err() {
            return false;
        }
        if self.sources.table.mark_fired(token.index()) {
            poll::silence(&mut self.sources.entries()[position]);
        }
        self.sources.table.drain_waker(token);
        true
    }
}

impl<'fd> Selector for Poll<'fd> {
    type Source = BorrowedSource<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = raw(&source);
        let interest = supported(interest, mode)?;
        self.sources.table.check_vacant(fd, token)?;
        self.sources.insert(poll::entry(fd, interest), token, interest, mode);
        Ok(())
    }

    fn modify(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = raw(&source);
        let interest = supported(interest, mode)?;
        *self.sources.entry(fd, token)? = poll::entry(fd, interest);
        self.sources.table.update(token, interest, mode);
        Ok(())
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        self.sources.remove(raw(&source), token)
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.poll_now(events)
    }

    fn capabilities(&self) -> Capabilities {
        poll::CAPABILITIES | Capabilities::WAKER
    }

    fn capacity(&self) -> usize {
        self.sources.table.capacity()
    }
}

impl Wait for Poll<'_> {
    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.wait_until(events, deadline)
    }
}

impl Wake for Poll<'_> {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        self.sources.insert_waker(token, |source| poll::entry(source, Interest::READABLE))
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        self.sources.remove_waker(token)
    }
}

// SAFETY: a descriptor is used while its entry is in the array, which ends with the deregistration.
unsafe impl FdSelector for Poll<'static> {
    fn token_of(&self, fd: BorrowedSource<'_>) -> Option<Token> {
        self.sources.table.token_of(raw(&fd))
    }
}

impl SysWait for Poll<'_> {
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<Woken, Error> {
        let length = self.sources.table.len();
        let mut ready = match poll::wait(self.sources.entries(), timeout) {
            Ok(ready) => ready,
            Err(code) => return interrupted_or_error(code, timeout),
        };
        let before = events.len();
        let first = if self.first < length { self.first } else { 0 };
        for position in (first..length).chain(0..first) {
            if ready == 0 {
                break;
            }
            ready -= usize::from(poll::reported(self.sources.at(position)).is_some());
            if !self.report(position, events) {
                self.first = position;
                break;
            }
        }
        Ok(Woken::with(events.len() - before))
    }

    #[inline]
    fn armed(&self) -> usize {
        self.sources.table.armed()
    }

    fn clock(&self) -> Clock {
        self.clock
    }
}

/// Refuses edges, which `poll` does not have, and hang-ups alone where the system does not
/// report them.
fn supported(interest: Interest, mode: Mode) -> Result<Interest, Error> {
    if mode == Mode::Edge {
        return Err(Error::new(ErrorKind::Unsupported));
    }
    if poll::CAPABILITIES.contains(Capabilities::HANGUP) {
        Ok(interest)
    } else {
        without_hangup(interest)
    }
}

#[cfg(test)]
mod tests {
    use selkie_core::Readiness;

    use super::*;
    use crate::sys::testing::{lend, pair};

    #[test]
    fn the_last_entry_fills_the_gap() {
        let pairs: Vec<_> = (0..3).map(|_| pair()).collect();
        let mut selector = Poll::new(3).unwrap();
        for (index, (_, write)) in (0..).zip(&pairs) {
            selector
                .register(lend(write), Token::new(index, 1), Interest::WRITABLE, Mode::Level)
                .unwrap();
        }
        selector.deregister(lend(&pairs[0].1), Token::new(0, 1)).unwrap();
        selector.deregister(lend(&pairs[2].1), Token::new(2, 1)).unwrap();
        let mut slots = [Event::EMPTY; 3];
        let mut events = Events::new(&mut slots);
        selector.poll(Instant::ZERO, &mut events).unwrap();
        assert_eq!(
            events.as_slice(),
            [Event { token: Token::new(1, 1), readiness: Readiness::WRITABLE }]
        );
    }
}
