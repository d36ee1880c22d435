//! `poll`, for everything POSIX.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *hup-always*: HUP, ERR and NVAL are reported for no events too. So an entry without an
//!   interest has the complement of its descriptor, which is negative and so skipped.
//! * *closed-is-nval*: a descriptor that is closed is reported as NVAL on its own entry; the others
//!   go on.
//! * *scan-order*: the entries are scanned in order, which would favour the first ones. So a scan
//!   begins at the entry for which the previous batch had no room.
//! * *hup-half*: Apple's systems report HUP also when only the peer's direction is closed, and
//!   other systems differ. So HUP means that both are closed only on Linux and FreeBSD.
//! * *milliseconds*: `poll` counts in milliseconds; `ppoll`, where there is one, in nanoseconds.
//! * *entry-limit*: more entries than the process's limit of descriptors are refused (EINVAL), and
//!   the limit can be lowered while they are open. Then the entries are passed in several calls.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use super::source_table::SourceTable;
use super::{FdSelector, SysWait, Woken, interrupted_or_error, without_hangup};
use crate::storage::try_zeroed_slice;
use crate::sys::clock::{self, Clock};
use crate::sys::fd::HUP_IS_CLOSED;
use crate::sys::{errno, rlimit};
use crate::waker::{WakeSource, Waker};

/// A selector over `poll`. Each call costs in proportion to the number of sources, silent or not.
#[derive(Debug)]
pub struct Poll<'fd> {
    /// The registered sources, without gaps.
    entries: Box<[libc::pollfd]>,
    /// scan-order: position at which the next scan begins.
    first: usize,
    /// Each with the position of its entry.
    sources: SourceTable<u32>,
    clock: Clock,
    borrowed: PhantomData<BorrowedFd<'fd>>,
}

impl Poll<'_> {
    /// Makes a selector for up to `capacity` sources, the waker included.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn new(capacity: usize) -> Result<Self, Error> {
        Ok(Self {
            sources: SourceTable::new(capacity)?,
            entries: try_zeroed_slice(capacity)?,
            first: 0,
            clock: Clock::new(),
            borrowed: PhantomData,
        })
    }

    /// Appends the entry of a source that is about to be recorded, and returns its position.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "positions are below a capacity of 32 bits"
    )]
    fn append(&mut self, fd: RawFd, interest: Interest) -> u32 {
        let position = self.sources.len();
        self.entries[position] = entry(fd, interest);
        position as u32
    }

    /// Removes the entry of a source that was just removed from the table.
    fn remove_entry(&mut self, position: u32) {
        // The last entry moves into the gap.
        let last = self.entries[self.sources.len()];
        self.entries[position as usize] = last;
        let moved = self.sources.token_of(descriptor(last));
        if let Some(Ok(moved)) = moved.map(|token| self.sources.value(token)) {
            *moved = position;
        }
    }

    /// Adds an event for the entry at `position`, if it has one. Returns false if there was no
    /// room.
    fn report(&mut self, position: usize, events: &mut Events<'_>) -> bool {
        let reported = self.entries[position].revents;
        if reported == 0 {
            return true;
        }
        let fd = descriptor(self.entries[position]);
        let Some((token, ..)) = self.sources.find(fd) else { return true };
        if events.push(Event { token, readiness: readiness(reported) }).is_err() {
            return false;
        }
        if self.sources.mark_fired(token.index()) {
            self.entries[position].fd = !fd;
        }
        self.sources.drain_waker(token);
        true
    }
}

impl<'fd> Selector for Poll<'fd> {
    type Source = BorrowedFd<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        let interest = supported(interest, mode)?;
        self.sources.check_vacant(fd, token)?;
        let position = self.append(fd, interest);
        self.sources.insert(fd, token, interest, mode, position);
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
        let interest = supported(interest, mode)?;
        self.sources.get(fd, token)?;
        let position = *self.sources.value(token)?;
        self.entries[position as usize] = entry(fd, interest);
        self.sources.update(token, interest, mode);
        Ok(())
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        self.sources.get(fd, token)?;
        let position = *self.sources.value(token)?;
        self.sources.remove(fd, token);
        self.remove_entry(position);
        Ok(())
    }
    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.poll_now(events)
    }

    fn capabilities(&self) -> Capabilities {
        let common = Capabilities::ERROR | Capabilities::PRIORITY | Capabilities::WAKER;
        // hup-half: elsewhere a hang-up may be the end of one direction only.
        let closed = if HUP_IS_CLOSED {
            Capabilities::CLOSED | Capabilities::HANGUP
        } else {
            Capabilities::NONE
        };
        let read_closed =
            if RDHUP.is_some() { Capabilities::READ_CLOSED } else { Capabilities::NONE };
        common | closed | read_closed
    }

    fn capacity(&self) -> usize {
        self.sources.capacity()
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
        self.sources.check_waker_vacant(token)?;
        let source = WakeSource::new(token)?;
        let waker = source.waker();
        let position = self.append(source.fd(), Interest::READABLE);
        self.sources.insert_waker(source, position);
        Ok(waker)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        let position = self.sources.value(token).map(|position| *position);
        self.sources.remove_waker(token)?;
        self.remove_entry(position?);
        Ok(())
    }
}

// SAFETY: a descriptor is used while its entry is in the array, which ends with the deregistration.
unsafe impl FdSelector for Poll<'static> {
    fn token_of(&self, fd: BorrowedFd<'_>) -> Option<Token> {
        self.sources.token_of(fd.as_raw_fd())
    }
}

impl SysWait for Poll<'_> {
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<Woken, Error> {
        let length = self.sources.len();
        let result = match sys_poll(&mut self.entries[..length], timeout) {
            // entry-limit: nothing else in the arguments can be invalid.
            Err(libc::EINVAL) => poll_in_chunks(&mut self.entries[..length], timeout),
            result => result,
        };
        let mut ready = match result {
            Ok(ready) => ready,
            Err(code) => return interrupted_or_error(code, timeout),
        };
        let before = events.len();
        let first = if self.first < length { self.first } else { 0 };
        for position in (first..length).chain(0..first) {
            if ready == 0 {
                break;
            }
            ready -= usize::from(self.entries[position].revents != 0);
            if !self.report(position, events) {
                self.first = position;
                break;
            }
        }
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

/// Makes the system call. Returns the number of entries with events, or the error number.
fn sys_poll(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> Result<usize, c_int> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "some systems count in 32 bits, as does the capacity"
    )]
    let length = entries.len() as libc::nfds_t;
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    let ready = {
        let time = timeout.map(clock::timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the array has `length` entries, and the time is null or valid for the call; a
        // null signal mask leaves the mask alone.
        unsafe { libc::ppoll(entries.as_mut_ptr(), length, time, std::ptr::null()) }
    };
    // milliseconds: rounded up, never down.
    // SAFETY: the array has `length` entries.
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), length, clock::milliseconds(timeout)) };
    usize::try_from(ready).map_err(|_| errno::number())
}

/// Longest sleep of [`poll_in_chunks`], during which it looks at one chunk only.
const CHUNK_SLEEP: Duration = Duration::from_millis(10);

/// Performs [`sys_poll`] in calls of as many entries as the process's limit of descriptors
/// allows (entry-limit). All entries are looked at; a sleep is short, as it can look at the first
/// chunk only.
fn poll_in_chunks(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> Result<usize, c_int> {
    let limit = usize::try_from(rlimit::soft_limit()?).unwrap_or(usize::MAX);
    if limit == 0 {
        return Err(libc::EINVAL);
    }
    let mut ready = 0;
    for chunk in entries.chunks_mut(limit) {
        ready += sys_poll(chunk, Some(Duration::ZERO))?;
    }
    if ready > 0 {
        return Ok(ready);
    }
    let sleep = timeout.map_or(CHUNK_SLEEP, |timeout| timeout.min(CHUNK_SLEEP));
    entries.chunks_mut(limit).next().map_or(Ok(0), |chunk| sys_poll(chunk, Some(sleep)))
}

/// Refuses edges, which `poll` does not have, and hang-ups alone where HUP is ambiguous (hup-half).
fn supported(interest: Interest, mode: Mode) -> Result<Interest, Error> {
    if mode == Mode::Edge {
        return Err(Error::new(ErrorKind::Unsupported));
    }
    if HUP_IS_CLOSED { Ok(interest) } else { without_hangup(interest) }
}

/// The bit for a peer that will send nothing more, where the system has it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const RDHUP: Option<i16> = Some(libc::POLLRDHUP);
/// The system has no such bit.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RDHUP: Option<i16> = None;

/// Returns the entry of a source.
fn entry(fd: RawFd, interest: Interest) -> libc::pollfd {
    let mut events = 0;
    if interest.contains(Interest::READABLE) {
        events |= libc::POLLIN | RDHUP.unwrap_or(0);
    }
    if interest.contains(Interest::WRITABLE) {
        events |= libc::POLLOUT;
    }
    if interest.contains(Interest::PRIORITY) {
        events |= libc::POLLPRI;
    }
    // hup-always: a negative descriptor is skipped.
    libc::pollfd { fd: if interest.is_empty() { !fd } else { fd }, events, revents: 0 }
}

/// Returns the descriptor of an entry, with an interest or without one.
const fn descriptor(entry: libc::pollfd) -> RawFd {
    if entry.fd < 0 { !entry.fd } else { entry.fd }
}

/// Converts what the system reports.
fn readiness(reported: i16) -> Readiness {
    let mut readiness = Readiness::NONE;
    if reported & libc::POLLIN != 0 {
        readiness |= Readiness::READABLE;
    }
    if reported & libc::POLLOUT != 0 {
        readiness |= Readiness::WRITABLE;
    }
    if reported & libc::POLLPRI != 0 {
        readiness |= Readiness::PRIORITY;
    }
    // closed-is-nval: the next read or write of the source finds out that it is closed.
    if reported & (libc::POLLERR | libc::POLLNVAL) != 0 {
        readiness |= Readiness::ERROR;
    }
    if reported & libc::POLLHUP != 0 {
        // hup-half: elsewhere the source is worth a look in both directions.
        readiness |= if HUP_IS_CLOSED {
            Readiness::CLOSED
        } else {
            Readiness::READABLE | Readiness::WRITABLE
        };
    }
    if RDHUP.is_some_and(|rdhup| reported & rdhup != 0) {
        readiness |= Readiness::READ_CLOSED;
    }
    readiness
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::fd;

    #[test]
    fn converts_both_ways() {
        assert_eq!(
            entry(3, Interest::WRITABLE | Interest::PRIORITY).events,
            libc::POLLOUT | libc::POLLPRI
        );
        assert_eq!(entry(3, Interest::READABLE).events, libc::POLLIN | RDHUP.unwrap_or(0));
        assert!(entry(3, Interest::NONE).fd < 0);
        assert_eq!(descriptor(entry(3, Interest::NONE)), 3);
        assert_eq!(
            readiness(libc::POLLIN | libc::POLLPRI),
            Readiness::READABLE | Readiness::PRIORITY
        );
        assert_eq!(readiness(libc::POLLNVAL), Readiness::ERROR);
        assert!(readiness(libc::POLLHUP).is_readable() && readiness(libc::POLLHUP).is_writable());
    }

    #[test]
    fn the_last_entry_fills_the_gap() {
        let pipes: Vec<_> = (0..3).map(|_| fd::pipe().unwrap()).collect();
        let mut selector = Poll::new(3).unwrap();
        for (index, (_, write)) in (0..).zip(&pipes) {
            selector
                .register(write.as_fd(), Token::new(index, 1), Interest::WRITABLE, Mode::Level)
                .unwrap();
        }
        selector.deregister(pipes[0].1.as_fd(), Token::new(0, 1)).unwrap();
        selector.deregister(pipes[2].1.as_fd(), Token::new(2, 1)).unwrap();
        let mut slots = [Event::EMPTY; 3];
        let mut events = Events::new(&mut slots);
        selector.poll(Instant::ZERO, &mut events).unwrap();
        assert_eq!(
            events.as_slice(),
            [Event { token: Token::new(1, 1), readiness: Readiness::WRITABLE }]
        );
    }
}
