//! AFD, for Windows: polls of single sockets in the kernel, and one completion port.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *oneshot-by-nature*: a poll completes once. A level is one poll after the other: the next
//!   begins before the next wait, so that what was read meanwhile is not reported again.
//! * *no-change*: a poll that is pending cannot be changed, only cancelled. One that asks for more
//!   than its source is watched for goes on, and what is too much is left out of its report.
//! * *late-cancel*: a poll that is cancelled has its memory until its completion was taken from the
//!   port. The next source of the same index waits for that.
//! * *no-close*: the end of both directions has no event; a reset has.
//! * *base-socket*: AFD knows the socket behind the one that was registered.

mod polls;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use super::source_table::SourceTable;
use super::{FdSelector, SysWait, Woken};
use crate::memory::try_zeroed_slice;
use crate::sys::afd::{self, AfdOperation, Found, event};
use crate::sys::clock::Clock;
use crate::sys::port::{Packet, Port};
use crate::sys::source::{BorrowedSource, raw};
use crate::sys::wake::Channel;
use crate::waker::{WakeSource, Waker};
use polls::Polls;

/// A selector over AFD. A wait costs in proportion to the sources that are ready, and to those that
/// were reported by the one before.
#[derive(Debug)]
pub struct Afd<'fd> {
    port: Arc<Port>,
    polls: Polls,
    /// Each with its base socket (base-socket).
    sources: SourceTable<usize>,
    /// Room for what a call takes from the port. Its pages are untouched until so many sources are
    /// ready at once.
    packets: Box<[Packet]>,
    /// Key of the packets of the newest waker. The first keys are those of polls.
    waker_key: usize,
    clock: Clock,
    borrowed: PhantomData<BorrowedSource<'fd>>,
}

impl Afd<'_> {
    /// Makes a selector for up to `capacity` sources, the waker included. The memory that the
    /// kernel writes into is freed when the selector is dropped, and not before; it is never freed
    /// if the selector is forgotten.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ErrorKind::OutOfMemory), or what the system says.
    pub fn new(capacity: usize) -> Result<Self, Error> {
        Self::over(SourceTable::new(capacity)?, Polls::new(capacity)?)
    }

    /// Makes a selector for up to as many sources as there are `operations`, the waker included.
    /// They are lent without end, as the kernel writes into them at any time.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use selkie_core::platform::Selector;
    /// use selkie_std::selectors::{Afd, AfdOperation};
    ///
    /// let operations = Box::leak(Box::new([AfdOperation::EMPTY; 64]));
    /// let selector = Afd::in_memory(operations)?;
    /// assert_eq!(selector.capacity(), 64);
    /// # Ok::<(), selkie_core::Error>(())
    /// ```
    pub fn in_memory(operations: &'static mut [AfdOperation]) -> Result<Self, Error> {
        Self::over(SourceTable::new(operations.len())?, Polls::in_memory(operations)?)
    }

    /// Returns the bytes that a selector for `capacity` sources takes from the heap.
    pub(super) fn memory(capacity: usize, hard_limit: u64) -> usize {
        SourceTable::<usize>::memory(capacity, hard_limit)
            .saturating_add(Polls::memory(capacity))
            .saturating_add(capacity.saturating_mul(size_of::<Packet>()))
    }

    fn over(sources: SourceTable<usize>, polls: Polls) -> Result<Self, Error> {
        Ok(Self {
            port: Arc::new(Port::new()?),
            packets: try_zeroed_slice(polls.capacity().max(1))?,
            polls,
            sources,
            waker_key: polls::FAILED,
            clock: Clock::new(),
            borrowed: PhantomData,
        })
    }

    /// Begins the polls that are due (oneshot-by-nature).
    fn begin_due(&mut self) -> Result<(), Error> {
        while let Some(index) = self.polls.next_due() {
            let Some((_, registration, &base)) = self.sources.at(index) else { continue };
            let events = afd::events_of(registration.armed());
            if events == 0 {
                continue;
            }
            if let Err(error) = self.polls.update(index, base, events, &self.port) {
                self.polls.schedule(index);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes packets from the port, and adds their events to `events`, which has room. Returns true
    /// if more packets may be waiting, and there is room for their events.
    fn take(&mut self, events: &mut Events<'_>, timeout: Option<Duration>) -> Result<bool, Error> {
        // Each packet is at most one event.
        let room = events.room().min(self.packets.len());
        let count = self.port.take(&mut self.packets[..room], timeout)?;
        for position in 0..count {
            let packet = &self.packets[position];
            let (key, context) = (packet.key(), packet.context());
            let event = match context.checked_sub(1) {
                Some(index) => self.finish(index, key != polls::FAILED),
                None => self.woken(key),
            };
            if let Some(event) = event {
                let added = events.push(event);
                debug_assert!(added.is_ok(), "no more packets were taken than there was room");
            }
        }
        Ok(count == room && events.room() > 0)
    }

    /// Returns the event of a wake, unless it was for a waker that was given back.
    fn woken(&self, key: usize) -> Option<Event> {
        let token = self.sources.waker_token().filter(|_| key == self.waker_key)?;
        // Later wakes are reported again.
        self.sources.drain_waker(token);
        Some(Event { token, readiness: Readiness::READABLE })
    }

    /// Returns the event of a poll that has completed, if it has one, and schedules the next poll.
    fn finish(&mut self, index: usize, has_begun: bool) -> Option<Event> {
        let found = self.polls.finish(index, has_begun);
        let (token, registration, _) = self.sources.at(index)?;
        let armed = registration.armed();
        let asked = afd::events_of(armed);
        let events = match found {
            // no-change: the source is watched for less by now, or was cancelled for more.
            Some(Found::Events(events)) => events & asked,
            Some(Found::Failed) => event::LOCAL_CLOSE & asked,
            Some(Found::Cancelled) | None => 0,
        };
        if events == 0 || !self.sources.mark_fired(index) {
            self.polls.schedule(index);
        }
        (events != 0).then(|| Event { token, readiness: afd::readiness(events) })
    }

    /// Refuses edges.
    fn supported(mode: Mode) -> Result<(), Error> {
        if mode == Mode::Edge { Err(Error::new(ErrorKind::Unsupported)) } else { Ok(()) }
    }
}

impl<'fd> Selector for Afd<'fd> {
    type Source = BorrowedSource<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        Self::supported(mode)?;
        self.sources.check_vacant(raw(&source), token)?;
        let base = afd::base_socket(raw(&source))?;
        self.polls.open_device(token, &self.port)?;
        self.sources.insert(raw(&source), token, interest, mode, base);
        self.polls.schedule(token.index());
        Ok(())
    }

    fn modify(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        Self::supported(mode)?;
        self.sources.get(raw(&source), token)?;
        self.sources.update(token, interest, mode);
        self.polls.schedule(token.index());
        Ok(())
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        self.sources.get(raw(&source), token)?;
        self.sources.remove(raw(&source), token);
        // late-cancel: its index may be registered again at once.
        self.polls.cancel(token.index());
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.poll_now(events)
    }

    fn capabilities(&self) -> Capabilities {
        // no-close: a hang-up is a reset, or nothing.
        Capabilities::READ_CLOSED
            | Capabilities::ERROR
            | Capabilities::PRIORITY
            | Capabilities::HANGUP
            | Capabilities::WAKER
    }

    fn capacity(&self) -> usize {
        self.sources.capacity()
    }
}

impl Wait for Afd<'_> {
    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.wait_until(events, deadline)
    }
}

impl Wake for Afd<'_> {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        self.sources.check_waker_vacant(token)?;
        self.waker_key += 1;
        let channel = Channel::of_port(Arc::clone(&self.port), self.waker_key);
        let source = WakeSource::over(channel, token);
        let waker = source.waker();
        self.sources.insert_waker(source, 0);
        Ok(waker)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        self.sources.remove_waker(token).map(drop)
    }
}

// SAFETY: after its deregistration nothing refers to a source: its poll is cancelled, and its
// number is not used any more. A poll that the kernel still has ends when the source is closed, and
// writes into its own memory only.
unsafe impl FdSelector for Afd<'static> {
    fn token_of(&self, fd: BorrowedSource<'_>) -> Option<Token> {
        self.sources.token_of(raw(&fd))
    }
}

impl SysWait for Afd<'_> {
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<Woken, Error> {
        let before = events.len();
        self.begin_due()?;
        let mut has_more = self.take(events, timeout)?;
        loop {
            if events.len() == before && self.polls.has_due() {
                // Only cancelled polls have completed. Their successors look at their sources now.
                self.begin_due()?;
            } else if !has_more {
                break;
            }
            has_more = match self.take(events, Some(Duration::ZERO)) {
                // An error beside events would lose them.
                Err(error) if events.len() == before => return Err(error),
                taken => taken.unwrap_or(false),
            };
        }
        Ok(Woken::with(events.len() - before))
    }

    fn armed(&self) -> usize {
        self.sources.armed()
    }

    fn clock(&self) -> Clock {
        self.clock
    }
}

impl Drop for Afd<'_> {
    fn drop(&mut self) {
        // late-cancel: without the last completion the memory stays where it is, for good.
        if self.polls.finish_all(&self.port) {
            self.polls.free();
        }
    }
}

#[cfg(test)]
mod tests;
