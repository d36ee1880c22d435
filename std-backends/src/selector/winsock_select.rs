//! Winsock's `select`, for any number of sockets.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *one-bad-socket*: one closed socket fails the whole call. Each socket is then tried by itself,
//!   the closed ones are reported, and the call is repeated without them.
//! * *overwritten-sets*: the results overwrite the sets, so they are filled for each call.
//! * *refused-is-exceptional*: an attempt to connect that failed is in the exceptional set only.
//! * *no-hangup*: the exceptional set also has TCP's urgent byte. A source that broke is readable;
//!   a hang-up by itself cannot be watched.
//! * *scan-order*: the results are in the order of the sets. So the sets are filled from the source
//!   on for which the previous batch had no room.

use std::marker::PhantomData;
use std::time::Duration;

use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use super::packed_sources::PackedSources;
use super::{FdSelector, SysWait, Woken, interrupted_or_error, without_hangup};
use crate::memory::try_zeroed_slice;
use crate::sys::clock::Clock;
use crate::sys::select::{self, Set};
use crate::sys::source::{BorrowedSource, RawSource, raw};
use crate::waker::Waker;

/// A selector over Winsock's `select`. Each call costs in proportion to the number of sources.
#[derive(Debug)]
pub struct Select<'fd> {
    sources: PackedSources<RawSource>,
    /// The readiness that each was found with, by the index of its token.
    found: Box<[u32]>,
    /// Readable, writable, exceptional: the argument of the call, then its result.
    sets: [Set; 3],
    /// scan-order: position from which the next sets are filled.
    first: usize,
    clock: Clock,
    borrowed: PhantomData<BorrowedSource<'fd>>,
}

impl Select<'_> {
    /// Makes a selector for up to `capacity` sources, the waker included.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn new(capacity: usize) -> Result<Self, Error> {
        Ok(Self {
            sources: PackedSources::new(capacity)?,
            found: try_zeroed_slice(capacity)?,
            sets: [Set::new(capacity)?, Set::new(capacity)?, Set::new(capacity)?],
            first: 0,
            clock: Clock::new(),
            borrowed: PhantomData,
        })
    }

    /// Returns the bytes that a selector for `capacity` sources takes from the heap.
    pub(super) fn memory(capacity: usize, hard_limit: u64) -> usize {
        PackedSources::<RawSource>::memory(capacity, hard_limit)
            .saturating_add(capacity.saturating_mul(size_of::<u32>()))
            .saturating_add(3 * Set::memory(capacity))
    }

    /// Refuses edges, and hang-ups alone (no-hangup).
    fn supported(interest: Interest, mode: Mode) -> Result<Interest, Error> {
        if mode == Mode::Edge {
            return Err(Error::new(ErrorKind::Unsupported));
        }
        without_hangup(interest)
    }

    /// Fills the sets with the sources that are watched (overwritten-sets). With `is_careful`,
    /// leaves out closed ones, and records them as found. Returns true if there were any.
    fn fill(&mut self, is_careful: bool) -> bool {
        self.sets.iter_mut().for_each(Set::clear);
        let length = self.sources.table.len();
        if self.first >= length {
            self.first = 0;
        }
        let mut has_closed = false;
        for position in (self.first..length).chain(0..self.first) {
            let source = self.sources.at(position);
            let Some((token, registration, _)) = self.sources.table.find(source) else { continue };
            let armed = registration.armed();
            self.found[token.index()] = 0;
            if armed.is_empty() {
                continue;
            }
            if is_careful && !select::is_open(source) {
                self.found[token.index()] = Readiness::READABLE.bits() | Readiness::WRITABLE.bits();
                has_closed = true;
                continue;
            }
            let [read, write, except] = &mut self.sets;
            if armed.contains(Interest::READABLE) {
                read.add(source);
            }
            if armed.contains(Interest::WRITABLE) {
                write.add(source);
            }
            // refused-is-exceptional: a writer learns of it too.
            if armed.intersects(Interest::PRIORITY | Interest::WRITABLE) {
                except.add(source);
            }
        }
        has_closed
    }

    /// Makes the system call, and repeats it without closed sources (one-bad-socket).
    fn call(&mut self, timeout: Option<Duration>) -> Result<(), i32> {
        self.fill(false);
        let first = select::wait(&mut self.sets, timeout);
        if first.is_ok() || !self.fill(true) {
            return first;
        }
        // There is something to report now, so this call must not sleep.
        select::wait(&mut self.sets, Some(Duration::ZERO))
    }

    /// Records the readiness in the sets.
    fn collect(&mut self) {
        const FLAGS: [Readiness; 3] =
            [Readiness::READABLE, Readiness::WRITABLE, Readiness::PRIORITY];
        for (set, flag) in self.sets.iter().zip(FLAGS) {
            for position in 0..set.len() {
                let found = self.sources.table.find(set.at(position));
                let Some((token, registration, _)) = found else { continue };
                let is_watched = registration.armed().contains(Interest::PRIORITY);
                let flag = if flag == Readiness::PRIORITY && !is_watched {
                    // refused-is-exceptional: the next call of the source returns the reason.
                    Readiness::WRITABLE
                } else {
                    flag
                };
                self.found[token.index()] |= flag.bits();
            }
        }
    }

    /// Adds events for what was found. What has no room is first in the next sets.
    fn report(&mut self, events: &mut Events<'_>) {
        let length = self.sources.table.len();
        for position in (self.first..length).chain(0..self.first) {
            let source = self.sources.at(position);
            let Some(token) = self.sources.table.token_of(source) else { continue };
            let readiness = Readiness::from_bits(self.found[token.index()]);
            if readiness.is_empty() {
                continue;
            }
            if events.push(Event { token, readiness }).is_err() {
                self.first = position;
                return;
            }
            self.sources.table.mark_fired(token.index());
            self.sources.table.drain_waker(token);
        }
    }
}

impl<'fd> Selector for Select<'fd> {
    type Source = BorrowedSource<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let interest = Self::supported(interest, mode)?;
        self.sources.table.check_vacant(raw(&source), token)?;
        self.sources.insert(raw(&source), token, interest, mode);
        Ok(())
    }

    fn modify(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let interest = Self::supported(interest, mode)?;
        self.sources.table.get(raw(&source), token)?;
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
        // no-hangup: neither ends nor failures can be reported.
        Capabilities::PRIORITY | Capabilities::WAKER
    }

    fn capacity(&self) -> usize {
        self.sources.table.capacity()
    }
}

impl Wait for Select<'_> {
    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.wait_until(events, deadline)
    }
}

impl Wake for Select<'_> {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        self.sources.insert_waker(token, |source| source)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        self.sources.remove_waker(token)
    }
}

// SAFETY: a source is used while it has an entry, which ends with the deregistration.
unsafe impl FdSelector for Select<'static> {
    fn token_of(&self, fd: BorrowedSource<'_>) -> Option<Token> {
        self.sources.table.token_of(raw(&fd))
    }
}

impl SysWait for Select<'_> {
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<Woken, Error> {
        if let Err(code) = self.call(timeout) {
            return interrupted_or_error(code, timeout);
        }
        let before = events.len();
        self.collect();
        self.report(events);
        Ok(Woken::with(events.len() - before))
    }

    fn armed(&self) -> usize {
        self.sources.table.armed()
    }

    fn clock(&self) -> Clock {
        self.clock
    }
}
