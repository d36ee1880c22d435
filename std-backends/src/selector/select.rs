//! `select`, for everything POSIX, also past descriptor 1023.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *fd-setsize*: `fd_set` and its macros end at `FD_SETSIZE`; beyond it their behaviour is
//!   undefined. The bitmaps are our own, as long as the highest descriptor needs. Linux and the
//!   BSDs take them; Apple's systems refuse descriptors from 1024 on, and illumos from 65,536 on.
//!   There they are [`Unsupported`](ErrorKind::Unsupported).
//! * *one-bad-fd*: one closed descriptor fails the whole call (EBADF). Each descriptor is then
//!   tried by itself, the closed ones are reported, and the call is repeated without them.
//! * *overwritten-sets*: the results overwrite the sets, so the call gets copies.
//! * *no-hangup*: the exceptional condition is TCP's urgent byte. A source that broke is readable
//!   and writable, and its read returns the reason; a hang-up by itself cannot be watched.
//! * *scan-order*: as with `poll`, a scan begins where the previous batch was full.

mod bitmaps;

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use super::source_table::SourceTable;
use super::{FdSelector, SysWait, Woken, interrupted_or_error, without_hangup};
use crate::sys::clock::{self, Clock};
use crate::sys::errno;
use crate::sys::source_index::SourceIndex;
use crate::waker::{WakeSource, Waker};
use bitmaps::{Bitmaps, WORD_BITS};

/// fd-setsize: descriptors from this number on are refused.
const DESCRIPTORS_MAX: usize = if cfg!(target_vendor = "apple") {
    1024
} else if cfg!(any(target_os = "illumos", target_os = "solaris")) {
    65_536
} else {
    1 << 22
};

/// A selector over `select`. Each call costs in proportion to the highest descriptor that is
/// watched.
#[derive(Debug)]
pub struct Select<'fd> {
    /// The descriptors that are watched.
    watched: Bitmaps,
    /// overwritten-sets: the argument of the call, then its result.
    ready: Bitmaps,
    /// Upper bound of the words of the bitmaps that are in use.
    words: usize,
    /// scan-order: descriptor at which the next scan begins.
    first: usize,
    sources: SourceTable,
    clock: Clock,
    borrowed: PhantomData<BorrowedFd<'fd>>,
}

/// Returns the words of a bitmap for so many descriptors.
fn words(descriptors: usize) -> usize {
    descriptors.min(DESCRIPTORS_MAX).div_ceil(WORD_BITS)
}

impl Select<'_> {
    /// Makes a selector for up to `capacity` sources, the waker included.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn new(capacity: usize) -> Result<Self, Error> {
        let sources = SourceTable::new(capacity)?;
        let words = words(sources.descriptors());
        Ok(Self {
            watched: Bitmaps::new(words)?,
            ready: Bitmaps::new(words)?,
            words: 0,
            first: 0,
            sources,
            clock: Clock::new(),
            borrowed: PhantomData,
        })
    }

    /// Returns the bytes that a selector for `capacity` sources takes from the heap, where a
    /// process may open `hard_limit` descriptors.
    pub(super) fn memory(capacity: usize, hard_limit: u64) -> usize {
        let bitmaps = 2 * Bitmaps::memory(words(SourceIndex::entries(hard_limit)));
        SourceTable::<()>::memory(capacity, hard_limit) + bitmaps
    }

    /// Checks that a descriptor can be watched in this mode.
    fn supported(fd: RawFd, mode: Mode) -> Result<(), Error> {
        let fits = usize::try_from(fd).is_ok_and(|fd| fd < DESCRIPTORS_MAX);
        if fits && mode != Mode::Edge { Ok(()) } else { Err(Error::new(ErrorKind::Unsupported)) }
    }

    /// Watches a descriptor for exactly `interest` from now on.
    fn watch(&mut self, fd: RawFd, interest: Interest) {
        let Ok(fd) = usize::try_from(fd) else { return };
        self.watched.set(fd, Readiness::from_bits(u32::from(interest.bits())));
        if !interest.is_empty() {
            self.words = self.words.max(fd / WORD_BITS + 1);
        }
    }

    /// Makes the system call. Returns the number of results, or the error number.
    fn call(&mut self, timeout: Option<Duration>) -> Result<usize, c_int> {
        let time = timeout.map(clock::timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let [read, write, except] = self.ready.as_mut_ptrs();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            reason = "descriptors are below 2^22"
        )]
        let width = (self.words * WORD_BITS) as c_int;
        // SAFETY: the bitmaps have at least `width` bits each, and the time is null or valid for
        // the call; a null signal mask leaves the mask alone.
        let count = unsafe { libc::pselect(width, read, write, except, time, std::ptr::null()) };
        usize::try_from(count).map_err(|_| errno::number())
    }

    /// Removes the closed descriptors from the sets of the next call and marks them (one-bad-fd).
    /// Returns true if there were any.
    fn sweep(&mut self) -> bool {
        let width = self.words * WORD_BITS;
        let mut found = false;
        let mut from = 0;
        while let Some(fd) = self.ready.next(from, width) {
            if !is_open(fd) {
                self.ready.set(fd, Readiness::ERROR);
                found = true;
            }
            from = fd + 1;
        }
        found
    }

    /// Adds events for the descriptors of a range that are ready. Returns false if there was no
    /// room for all of them.
    fn scan(&mut self, range: Range<usize>, events: &mut Events<'_>) -> bool {
        let mut from = range.start;
        while let Some(fd) = self.ready.next(from, range.end) {
            if !self.report(fd, events) {
                self.first = fd;
                return false;
            }
            from = fd + 1;
        }
        true
    }

    /// Adds an event for a descriptor. Returns false if there was no room.
    fn report(&mut self, fd: usize, events: &mut Events<'_>) -> bool {
        let found = RawFd::try_from(fd).ok().and_then(|fd| self.sources.find(fd));
        let Some((token, ..)) = found else { return true };
        if events.push(Event { token, readiness: readiness(self.ready.get(fd)) }).is_err() {
            return false;
        }
        if self.sources.mark_fired(token.index()) {
            self.watched.set(fd, Readiness::NONE);
        }
        self.sources.drain_waker(token);
        true
    }
}

impl<'fd> Selector for Select<'fd> {
    type Source = BorrowedFd<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        Self::supported(fd, mode)?;
        // no-hangup: refused alone, no addition beside another interest.
        let interest = without_hangup(interest)?;
        self.sources.check_vacant(fd, token)?;
        self.watch(fd, interest);
        self.sources.insert(fd, token, interest, mode, ());
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
        Self::supported(fd, mode)?;
        let interest = without_hangup(interest)?;
        self.sources.get(fd, token)?;
        self.watch(fd, interest);
        self.sources.update(token, interest, mode);
        Ok(())
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        self.sources.get(fd, token)?;
        self.watch(fd, Interest::NONE);
        self.sources.remove(fd, token);
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.poll_now(events)
    }

    fn capabilities(&self) -> Capabilities {
        // no-hangup: neither ends nor failures can be reported.
        Capabilities::PRIORITY | Capabilities::WAKER
    }

    fn capacity(&self) -> usize {
        self.sources.capacity()
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
        self.sources.check_waker_vacant(token)?;
        let source = WakeSource::new(token)?;
        Self::supported(source.source(), Mode::Level)?;
        let waker = source.waker();
        self.watch(source.source(), Interest::READABLE);
        self.sources.insert_waker(source, ());
        Ok(waker)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        let waker = self.sources.remove_waker(token)?;
        self.watch(waker.source(), Interest::NONE);
        Ok(())
    }
}

// SAFETY: a descriptor is used while its bits are set, which ends with the deregistration.
unsafe impl FdSelector for Select<'static> {
    fn token_of(&self, fd: BorrowedFd<'_>) -> Option<Token> {
        self.sources.token_of(fd.as_raw_fd())
    }
}

impl SysWait for Select<'_> {
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<Woken, Error> {
        while self.words > 0 && self.watched.word(self.words - 1) == 0 {
            self.words -= 1;
        }
        self.ready.copy_from(&self.watched, self.words);
        let mut result = self.call(timeout);
        while result == Err(libc::EBADF) && self.sweep() {
            // one-bad-fd: there is something to report now, so this call must not sleep.
            result = self.call(Some(Duration::ZERO));
        }
        match result {
            Ok(_) => {}
            Err(code) => return interrupted_or_error(code, timeout),
        }
        let before = events.len();
        let width = self.words * WORD_BITS;
        let first = if self.first < width { self.first } else { 0 };
        let _ = self.scan(first..width, events) && self.scan(0..first, events);
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

/// Converts what is ready (no-hangup). A closed descriptor is readable and writable: the next read
/// or write returns the reason.
fn readiness(ready: Readiness) -> Readiness {
    ready.with_implied() - Readiness::ERROR
}

/// Returns true if a descriptor is open.
fn is_open(fd: usize) -> bool {
    // SAFETY: the call takes no pointers.
    RawFd::try_from(fd).is_ok_and(|fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1)
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};

    use super::*;
    use crate::sys::file;

    /// Returns a duplicate of a descriptor that has at least this number.
    fn at_least(fd: &OwnedFd, number: RawFd) -> OwnedFd {
        // SAFETY: the call takes no pointers.
        let duplicate = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number) };
        assert!(duplicate >= number, "no descriptor beyond {number}");
        // SAFETY: the descriptor is new, so it has no other owner.
        unsafe { OwnedFd::from_raw_fd(duplicate) }
    }

    fn polled(selector: &mut Select<'_>) -> Vec<Event> {
        let mut slots = [Event::EMPTY; 8];
        let mut events = Events::new(&mut slots);
        selector.poll(Instant::ZERO, &mut events).unwrap();
        events.as_slice().to_vec()
    }

    #[test]
    fn a_bad_descriptor_is_readable_and_writable() {
        let both = Readiness::READABLE | Readiness::WRITABLE;
        assert_eq!(readiness(Readiness::ERROR), both);
        assert_eq!(
            readiness(Readiness::READABLE | Readiness::PRIORITY),
            Readiness::READABLE | Readiness::PRIORITY
        );
    }

    #[test]
    fn descriptors_beyond_1023_are_watched_or_refused() {
        if let Err(limit) = crate::raise_descriptor_limit(3000) {
            eprintln!("not checked beyond descriptor 1023: {limit}");
            return;
        }
        let (_read, write) = file::pipe().unwrap();
        let high = at_least(&write, 2500);
        let mut selector = Select::new(1).unwrap();
        let token = Token::new(0, 1);
        let result = selector.register(high.as_fd(), token, Interest::WRITABLE, Mode::Level);
        if DESCRIPTORS_MAX < 2500 {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
            return;
        }
        result.unwrap();
        assert_eq!(polled(&mut selector), [Event { token, readiness: Readiness::WRITABLE }]);
        selector.deregister(high.as_fd(), token).unwrap();
        assert_eq!(polled(&mut selector), []);
        assert_eq!(selector.words, 0, "the bitmaps shrink with what is watched");
    }

    #[test]
    fn a_bad_descriptor_is_reported_and_the_others_go_on() {
        let (_read, write) = file::pipe().unwrap();
        // A number that no other test is given while this one has it closed.
        let bad = at_least(&write, 900).into_raw_fd();
        // SAFETY: the descriptor was open a moment ago; that it is used when it is not any more is
        // what this test is about.
        let borrowed = unsafe { BorrowedFd::borrow_raw(bad) };
        let mut selector = Select::new(2).unwrap();
        let (healthy, broken) = (Token::new(0, 1), Token::new(1, 1));
        selector.register(write.as_fd(), healthy, Interest::WRITABLE, Mode::Level).unwrap();
        selector.register(borrowed, broken, Interest::READABLE, Mode::Level).unwrap();
        // SAFETY: nothing else uses the descriptor.
        assert_eq!(unsafe { libc::close(bad) }, 0);
        for _ in 0..3 {
            let mut tokens: Vec<_> =
                polled(&mut selector).iter().map(|event| event.token).collect();
            tokens.sort();
            assert_eq!(tokens, [healthy, broken]);
        }
        selector.deregister(borrowed, broken).unwrap();
        assert_eq!(
            polled(&mut selector),
            [Event { token: healthy, readiness: Readiness::WRITABLE }]
        );
    }
}
