//! `kqueue`, for the BSDs and Apple's systems; and for Linux, over libkqueue.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *filter-per-direction*: a source that is ready for both directions gives two events. They are
//!   merged within a batch; fetched events beyond the room of the batch are kept for the next one.
//! * *receipts*: changes ask for receipts, so that the call returns nothing else and each failure
//!   by itself. A call that was interrupted has made its changes.
//! * *late-event*: the event of a deleted filter may have been fetched before. Each event has the
//!   generation of its token, and is dropped if that is not registered any more, or not for this
//!   direction.
//! * *oneshot-per-filter*: `EV_ONESHOT` deletes one filter when it fires. The other filter of the
//!   source may still fire, once; that event is dropped.
//! * *old-flags*: adding a filter that exists keeps its old flags on some systems, and fails with
//!   libkqueue. So a filter that gets another mode, or is armed again, is deleted first.
//! * *pipe-without-reader*: adding the write filter of a pipe without a reader fails with EPIPE,
//!   and yet it is added. Deleting a filter that is gone fails with ENOENT.
//! * *both-ends*: each filter reports the end of its direction (`EV_EOF`), and none reports that
//!   both have ended. So the ends are recorded, and the last one reports CLOSED. If only the read
//!   filter is watched, `poll` is asked for the other end, where its HUP means both.
//! * *partial-fetch*: libkqueue returns at most 512 events from a call.
//! * *hangup-by-edges*: no filter reports hang-ups alone. Both directions are watched by edges
//!   (`EV_CLEAR`) and events that are no end are dropped, so bytes that are left unread wake once.
//! * *regular-files*: a regular file that was read to its end is silent until it grows. So regular
//!   files are refused.
//! * *close-deletes*: a descriptor that is closed takes its filters with it, silently.
//! * *urgent*: only Apple's systems have had a filter for TCP's urgent byte for long.
//! * *no-nesting*: the descriptor of libkqueue is not readable when it has events.
//! * *fork*: a child process does not inherit the queue, and makes a selector of its own.
//! * *field-types*: the types of the struct's fields differ from system to system.
//! * *takes-the-error*: libkqueue takes the error of a socket when it reports it. The next read
//!   then finds an orderly end, and the result of a connection attempt is lost. No kernel does
//!   that.

mod ends;
mod filters;
#[cfg(target_os = "linux")]
mod libkqueue;

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use selkie_core::backend::Registration;
use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, Event, Instant, Interest, Mode, Readiness, Token};

use super::source_table::SourceTable;
use super::{FdSelector, SysWait, Woken, interrupted_or_error};
use crate::memory::try_zeroed_slice;
use crate::sys::clock::{self, Clock};
use crate::sys::errno;
use crate::sys::socket::HUP_IS_CLOSED;
use crate::waker::{WakeSource, Waker};
use ends::{Ends, SourceState};
use filters::{Flags, counted, direction, directions, readiness, supported, watchable};
#[cfg(not(target_os = "linux"))]
use libc as sys;
#[cfg(target_os = "linux")]
use libkqueue as sys;

/// Number of events at which a call of libkqueue may have left some behind (partial-fetch).
const PARTIAL_FETCH: usize = 512;

/// A selector over `kqueue`. Its cost does not grow with the number of sources that are silent.
#[derive(Debug)]
pub struct Kqueue<'fd> {
    queue: OwnedFd,
    /// filter-per-direction: fetched events; those from `next` to `end` are not delivered yet.
    fetched: Box<[sys::kevent]>,
    next: usize,
    end: usize,
    /// partial-fetch: true if the last call may have left events behind.
    is_partial: bool,
    sources: SourceTable<SourceState>,
    clock: Clock,
    borrowed: PhantomData<BorrowedFd<'fd>>,
}

// SAFETY: the pointers in the fetched events are numbers and are never dereferenced.
unsafe impl Send for Kqueue<'_> {}
// SAFETY: as above.
unsafe impl Sync for Kqueue<'_> {}

impl Kqueue<'_> {
    /// Makes a selector for up to `capacity` sources, the waker included.
    ///
    /// # Errors
    ///
    /// [`OutOfDescriptors`](selkie_core::ErrorKind::OutOfDescriptors) or
    /// [`OutOfMemory`](selkie_core::ErrorKind::OutOfMemory).
    pub fn new(capacity: usize) -> Result<Self, Error> {
        // SAFETY: the call has no preconditions.
        let queue = errno::check(unsafe { sys::kqueue() })?;
        // SAFETY: the descriptor is new, so it has no other owner.
        let queue = unsafe { OwnedFd::from_raw_fd(queue) };
        // SAFETY: the call takes no pointers.
        errno::check(unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
        Ok(Self {
            queue,
            // filter-per-direction: two events for each source, and at least one event. The pages
            // are untouched until so many sources are ready at once.
            fetched: try_zeroed_slice(capacity.saturating_mul(2).max(1))?,
            next: 0,
            end: 0,
            is_partial: false,
            sources: SourceTable::new(capacity)?,
            clock: Clock::new(),
            borrowed: PhantomData,
        })
    }

    /// Returns the bytes that a selector for `capacity` sources takes from the heap, where a
    /// process may open `hard_limit` descriptors.
    pub(super) fn memory(capacity: usize, hard_limit: u64) -> usize {
        let fetched = capacity.saturating_mul(2).max(1) * size_of::<sys::kevent>();
        SourceTable::<SourceState>::memory(capacity, hard_limit) + fetched
    }

    /// Adds the filters of `interest`.
    fn add(&self, fd: RawFd, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        let flags = match mode {
            // hangup-by-edges: bytes and room wake once, and are dropped.
            _ if interest == Interest::HANGUP => sys::EV_ADD | sys::EV_CLEAR,
            Mode::Level => sys::EV_ADD,
            Mode::Oneshot => sys::EV_ADD | sys::EV_ONESHOT,
            Mode::Edge => sys::EV_ADD | sys::EV_CLEAR,
        };
        self.change(fd, token, interest, flags)
    }

    /// Changes the filters of `interest`.
    fn change(
        &self,
        fd: RawFd,
        token: Token,
        interest: Interest,
        flags: Flags,
    ) -> Result<(), Error> {
        filters::change(self.queue.as_fd(), fd, token, directions(interest), flags)
    }

    /// Deletes the filters of `interest`.
    fn delete(&self, fd: RawFd, token: Token, interest: Interest) -> Result<(), Error> {
        self.change(fd, token, interest, sys::EV_DELETE)
    }

    /// Fetches events for a batch with room for `room` events. An interrupted call fetches none.
    fn refill(&mut self, room: usize, timeout: Option<Duration>) -> Result<Woken, Error> {
        (self.next, self.end) = (0, 0);
        let time = timeout.map(clock::timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // filter-per-direction: two events for each source that the batch has room for.
        let count = counted(room.saturating_mul(2).min(self.fetched.len()));
        // SAFETY: the buffer has room for at least `count` events, there are no changes, and the
        // time is null or valid for the call.
        let count = unsafe {
            sys::kevent(
                self.queue.as_raw_fd(),
                std::ptr::null(),
                0,
                self.fetched.as_mut_ptr(),
                count,
                time,
            )
        };
        match usize::try_from(count) {
            Ok(count) => {
                self.is_partial = cfg!(target_os = "linux") && count >= PARTIAL_FETCH;
                self.end = count;
                Ok(Woken::with(count))
            }
            Err(_) => interrupted_or_error(errno::number(), timeout),
        }
    }

    /// Moves fetched events into the batch, as far as there is room.
    fn deliver(&mut self, events: &mut Events<'_>) {
        while self.next < self.end && self.report(self.next, events) {
            self.next += 1;
        }
    }

    /// Adds the fetched event at `place` to the batch, if its source is still registered for it.
    /// Returns false if there was no room.
    fn report(&mut self, place: usize, events: &mut Events<'_>) -> bool {
        let kernel = self.fetched[place];
        let found = RawFd::try_from(kernel.ident).ok().and_then(|fd| self.sources.find(fd));
        let Some((token, registration, &state)) = found else { return true };
        // late-event: of an earlier registration, or of a deleted filter.
        if token.generation() as usize != kernel.udata.addr()
            || !directions(registration.interest).contains(direction(&kernel))
        {
            return true;
        }
        let Some(readiness) = self.judge(&kernel, token, registration) else { return true };
        let event = Event { token, readiness };
        if events.merge(state.position as usize, event) {
            return true;
        }
        // oneshot-per-filter: the other filter has fired already.
        if registration.armed().is_empty() {
            return true;
        }
        let position = events.len();
        if events.push(event).is_err() {
            return false;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a batch with 2^32 events fits no memory"
        )]
        let position = position as u32;
        if let Ok(state) = self.sources.value(token) {
            state.position = position;
        }
        self.sources.mark_fired(token.index());
        self.sources.drain_waker(token);
        true
    }

    /// Returns the readiness that a fetched event stands for, or `None` for no report.
    fn judge(
        &mut self,
        kernel: &sys::kevent,
        token: Token,
        registration: Registration,
    ) -> Option<Readiness> {
        let ends = &mut self.sources.value(token).ok()?.ends;
        let mut ready = readiness(kernel);
        let was_closed = ends.are_both();
        if ends.record(kernel, ready) {
            ready |= Readiness::CLOSED;
        }
        if registration.interest != Interest::HANGUP {
            return Some(ready);
        }
        let ready = ready & (Readiness::ERROR | Readiness::CLOSED);
        // hangup-by-edges: the write filter reports the end as a level from now on.
        if !ready.is_empty() && !was_closed && registration.mode == Mode::Level {
            let fd = RawFd::try_from(kernel.ident).ok()?;
            let _ = self.delete(fd, token, Interest::HANGUP);
            let _ = self.add(fd, token, Interest::WRITABLE, Mode::Level);
        }
        (!ready.is_empty()).then_some(ready)
    }
}

impl<'fd> Selector for Kqueue<'fd> {
    type Source = BorrowedFd<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        let interest = supported(interest)?;
        self.sources.check_vacant(fd, token)?;
        let ends = Ends::of(fd)?;
        if let Err(error) = self.add(fd, token, interest, mode) {
            let _ = self.delete(fd, token, interest);
            return Err(error);
        }
        self.sources.insert(fd, token, interest, mode, SourceState { position: 0, ends });
        Ok(())
    }

    fn modify(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        let interest = supported(interest)?;
        let old = self.sources.get(fd, token)?;
        // old-flags: only a level filter that stays one is kept.
        let stays = mode == Mode::Level
            && old.mode == Mode::Level
            && interest != Interest::HANGUP
            && old.interest != Interest::HANGUP;
        let kept = if stays { old.interest & interest } else { Interest::NONE };
        self.delete(fd, token, old.interest - kept)?;
        if let Err(error) = self.add(fd, token, interest - kept, mode) {
            // Restores the earlier filters, as far as the kernel allows.
            let _ = self.delete(fd, token, interest - kept);
            let _ = self.add(fd, token, old.interest - kept, old.mode);
            return Err(error);
        }
        self.sources.value(token)?.ends.reset();
        self.sources.update(token, interest, mode);
        Ok(())
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        let old = self.sources.get(fd, token)?.interest;
        // Removed even if the kernel fails: a source that stayed in the table would lock out the
        // next owner of its descriptor or its slot.
        self.sources.remove(fd, token);
        self.delete(fd, token, old)
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.poll_now(events)
    }

    fn capabilities(&self) -> Capabilities {
        let common = Capabilities::EDGE
            | Capabilities::READ_CLOSED
            | Capabilities::HANGUP
            | Capabilities::ERROR
            | Capabilities::WAKER;
        let urgent = watchable().contains(Interest::PRIORITY);
        let priority = if urgent { Capabilities::PRIORITY } else { Capabilities::NONE };
        // both-ends: elsewhere CLOSED is reported only where both directions are watched.
        let closed = if HUP_IS_CLOSED { Capabilities::CLOSED } else { Capabilities::NONE };
        common | priority | closed
    }

    fn capacity(&self) -> usize {
        self.sources.capacity()
    }
}

impl Wait for Kqueue<'_> {
    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.wait_until(events, deadline)
    }
}

impl Wake for Kqueue<'_> {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        self.sources.check_waker_vacant(token)?;
        let source = WakeSource::new(token)?;
        self.add(source.source(), token, Interest::READABLE, Mode::Level)?;
        let waker = source.waker();
        self.sources.insert_waker(source, SourceState { position: 0, ends: Ends::NONE });
        Ok(waker)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        let waker = self.sources.remove_waker(token)?;
        // Handles keep the descriptor open, so the filter has to be deleted.
        self.delete(waker.source(), token, Interest::READABLE)
    }
}

impl AsFd for Kqueue<'_> {
    /// Returns the queue, which is readable while it has events: another selector can watch it, but
    /// not over libkqueue (no-nesting).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

// SAFETY: a source is used in the calls for it only, and the kernel's filters end with the
// deregistration or the closing, whichever comes first.
unsafe impl FdSelector for Kqueue<'static> {
    fn token_of(&self, fd: BorrowedFd<'_>) -> Option<Token> {
        self.sources.token_of(fd.as_raw_fd())
    }
}

impl SysWait for Kqueue<'_> {
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<Woken, Error> {
        let before = events.len();
        // Events that the last batch had no room for are first; the kernel may have more.
        self.deliver(events);
        if events.len() > before {
            self.is_partial = true;
        } else {
            match self.refill(events.room(), timeout)? {
                Woken::Ready => self.deliver(events),
                woken => return Ok(woken),
            }
        }
        // partial-fetch: level events return again and again, so it ends with a call without new
        // ones. A failure beside events would lose them: the next wait meets it again.
        let mut added = events.len() - before;
        while added > 0 && self.is_partial && events.room() > 0 {
            let known = events.len();
            if self.refill(events.room(), Some(Duration::ZERO)) != Ok(Woken::Ready) {
                break;
            }
            self.deliver(events);
            added = events.len() - known;
        }
        // late-event: none of what was fetched may be for a registered source.
        Ok(Woken::with(events.len() - before))
    }

    #[inline]
    fn armed(&self) -> usize {
        self.sources.armed()
    }

    fn clock(&self) -> Clock {
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use crate::sys::file;

    use super::*;

    #[test]
    fn what_does_not_fit_comes_with_the_next_batch_unless_it_is_gone() {
        let pipes: Vec<_> = (0..4).map(|_| file::pipe().unwrap()).collect();
        let mut selector = Kqueue::new(4).unwrap();
        for (index, (_, write)) in (0..).zip(&pipes) {
            selector
                .register(write.as_fd(), Token::new(index, 1), Interest::WRITABLE, Mode::Edge)
                .unwrap();
        }
        let mut reported = Vec::new();
        let mut poll = |selector: &mut Kqueue<'_>| {
            let mut slots = [Event::EMPTY; 1];
            let mut events = Events::new(&mut slots);
            selector.poll(Instant::ZERO, &mut events).unwrap();
            reported.extend(events.iter().map(|event| event.token));
            reported.clone()
        };
        let first = poll(&mut selector);
        assert_eq!(
            (first.len(), selector.end - selector.next),
            (1, 1),
            "one is delivered, and one is kept"
        );
        for (index, (_, write)) in (0..).zip(&pipes) {
            let token = Token::new(index, 1);
            if !first.contains(&token) {
                selector.deregister(write.as_fd(), token).unwrap();
            }
        }
        assert_eq!(poll(&mut selector), first, "those that left are not reported any more");
    }
}
