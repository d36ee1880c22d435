//! `epoll`, for Linux and Android.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *open-file*: the kernel knows a source by its open file, not by its descriptor. A closed
//!   descriptor whose file is still open as a duplicate keeps firing and can no longer be removed.
//!   So sources are deregistered before they are closed, always.
//! * *hup-always*: HUP and ERR are reported for interest NONE too. So a source without an interest
//!   is removed from the kernel's set until it has one again.
//! * *no-regular-files*: regular files and directories cannot be added (EPERM).
//! * *milliseconds*: `epoll_wait` counts in milliseconds. `epoll_pwait2` (Linux 5.11) counts in
//!   nanoseconds; older kernels, some sandboxes and some emulators do not have it.
//! * *unconnected-hup*: a socket that was never connected reports HUP and OUT.
//! * *eventfd-edge*: each write to an eventfd is an edge, also when it was readable before. So the
//!   waker is watched by edges, and needs neither to be drained nor to be recognised.

mod event_buffer;
mod waiting;

use std::ffi::c_int;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use super::source_table::SourceTable;
use super::{FdSelector, SysWait, Woken, interrupted_or_error};
use crate::sys::clock::Clock;
use crate::sys::errno;
use crate::waker::{WakeSource, Waker};
use event_buffer::EventBuffer;
use waiting::{epoll_wait, epoll_wait_for};

/// A selector over `epoll`. Its cost does not grow with the number of sources that are silent.
#[derive(Debug)]
pub struct Epoll<'fd> {
    instance: OwnedFd,
    sources: SourceTable,
    clock: Clock,
    buffer: EventBuffer,
    /// False once the kernel has refused `epoll_pwait2`.
    has_pwait2: bool,
    /// Timeout of a wait without a deadline: -1 (none), or 0 while no source is armed, since
    /// nothing could end that wait.
    no_deadline_timeout: c_int,
    /// Waits that return at most this many events take the slow path: 0, or `c_int::MAX` while a
    /// oneshot source is registered.
    slow_path_max: c_int,
    borrowed: PhantomData<BorrowedFd<'fd>>,
}

impl Epoll<'_> {
    /// Makes a selector for up to `capacity` sources, the waker included.
    ///
    /// # Errors
    ///
    /// [`OutOfDescriptors`](ErrorKind::OutOfDescriptors) or
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn new(capacity: usize) -> Result<Self, Error> {
        // SAFETY: the call takes no pointers.
        let instance = errno::check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self {
            // SAFETY: the descriptor is new, so it has no other owner.
            instance: unsafe { OwnedFd::from_raw_fd(instance) },
            sources: SourceTable::new(capacity)?,
            clock: Clock::new(),
            buffer: EventBuffer::new(capacity)?,
            has_pwait2: true,
            no_deadline_timeout: 0,
            slow_path_max: 0,
            borrowed: PhantomData,
        })
    }

    /// Returns the bytes that a selector for `capacity` sources takes from the heap, where a
    /// process may open `hard_limit` descriptors.
    pub(super) fn memory(capacity: usize, hard_limit: u64) -> usize {
        SourceTable::<()>::memory(capacity, hard_limit) + EventBuffer::memory(capacity)
    }

    /// Prepares the arguments of the next wait, after the registrations may have changed.
    fn cache_wait_args(&mut self) {
        self.no_deadline_timeout = if self.sources.armed() > 0 { -1 } else { 0 };
        self.slow_path_max = if self.sources.oneshot() > 0 { c_int::MAX } else { 0 };
    }

    /// Makes one change to the kernel's set.
    fn epoll_ctl(
        &self,
        operation: c_int,
        fd: RawFd,
        token: Token,
        events: u32,
    ) -> Result<(), Error> {
        let mut event = libc::epoll_event { events, u64: token.to_u64() };
        // SAFETY: `event` is valid for the call; the kernel copies it.
        let result =
            unsafe { libc::epoll_ctl(self.instance.as_raw_fd(), operation, fd, &raw mut event) };
        errno::check(result).map(drop).map_err(|error| match error.code() {
            // no-regular-files: EPERM is about the kind of file, not about a permission.
            Some(code @ libc::EPERM) => Error::with_code(ErrorKind::Unsupported, code),
            _ => error,
        })
    }

    /// Removes a source from the kernel's set. A source that is no longer in the set, because it
    /// was closed, is no failure.
    fn epoll_del(&self, fd: RawFd, token: Token) -> Result<(), Error> {
        match self.epoll_ctl(libc::EPOLL_CTL_DEL, fd, token, 0) {
            Err(error)
                if !matches!(error.code(), Some(libc::ENOENT | libc::EBADF | libc::EPERM)) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Adds the `count` events that the kernel wrote to `events`.
    fn add(&mut self, events: &mut Events<'_>, count: usize) {
        let added = self.buffer.add(events, count);
        if self.slow_path_max > 0 {
            for event in added {
                self.sources.mark_fired(event.token.index());
            }
            self.cache_wait_args();
        }
    }

    /// Finishes a wait without a deadline whose system call returned `count`, where that is not
    /// just a number of events to add. Returns how many events are in `room` now.
    #[cold]
    #[inline(never)]
    fn slow_path(&mut self, room: &mut [Event], count: c_int) -> Result<usize, Error> {
        match usize::try_from(count) {
            Ok(count @ 1..) => {
                let mut events = Events::new(room);
                self.add(&mut events, count);
                Ok(events.len())
            }
            // The caller may want to look at the flags of its signal handler.
            Err(_) if errno::number() == libc::EINTR => Ok(0),
            // No armed source, or a failure: the repeated call finds out which.
            _ => self.wait_into(room, None),
        }
    }

    /// Waits with the events in a batch of their own, so that the fast path keeps its batch in
    /// registers. Returns how many events are in `room` now.
    #[inline(never)]
    fn wait_into(&mut self, room: &mut [Event], deadline: Option<Instant>) -> Result<usize, Error> {
        if room.is_empty() {
            return Ok(0);
        }
        let mut events = Events::new(room);
        self.wait_until(&mut events, deadline)?;
        Ok(events.len())
    }
}

impl<'fd> Selector for Epoll<'fd> {
    type Source = BorrowedFd<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        self.sources.check_vacant(fd, token)?;
        // hup-always: without an interest the source stays out of the set.
        if !interest.is_empty() {
            self.epoll_ctl(libc::EPOLL_CTL_ADD, fd, token, interest_to_epoll(interest, mode))?;
        }
        self.sources.insert(fd, token, interest, mode, ());
        self.cache_wait_args();
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
        let was_added = !self.sources.get(fd, token)?.interest.is_empty();
        let asked = interest_to_epoll(interest, mode);
        match (was_added, interest.is_empty()) {
            (false, true) => {}
            // hup-always: without an interest the source leaves the set.
            (true, true) => self.epoll_del(fd, token)?,
            (false, false) => self.epoll_ctl(libc::EPOLL_CTL_ADD, fd, token, asked)?,
            (true, false) => match self.epoll_ctl(libc::EPOLL_CTL_MOD, fd, token, asked) {
                // open-file: the descriptor was closed and names another file by now; the token
                // is still the one for it.
                Err(error) if error.code() == Some(libc::ENOENT) => {
                    self.epoll_ctl(libc::EPOLL_CTL_ADD, fd, token, asked)?;
                }
                result => result?,
            },
        }
        self.sources.update(token, interest, mode);
        self.cache_wait_args();
        Ok(())
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        let was_added = !self.sources.get(fd, token)?.interest.is_empty();
        // Removed even if the kernel fails: a source that stayed in the table would lock out the
        // next owner of its descriptor or its slot.
        self.sources.remove(fd, token);
        self.cache_wait_args();
        if was_added { self.epoll_del(fd, token) } else { Ok(()) }
    }

    #[inline]
    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.poll_now(events)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::EDGE
            | Capabilities::READ_CLOSED
            | Capabilities::CLOSED
            | Capabilities::ERROR
            | Capabilities::PRIORITY
            | Capabilities::HANGUP
            | Capabilities::WAKER
    }

    fn capacity(&self) -> usize {
        self.sources.capacity()
    }
}

impl Wait for Epoll<'_> {
    #[inline]
    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "a loop without deadlines is left with a few instructions"
    )]
    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        if deadline.is_none() {
            let room = self.buffer.room(events);
            let count = epoll_wait(&self.instance, &room, self.no_deadline_timeout);
            if count > self.slow_path_max {
                let count = count.cast_unsigned() as usize;
                // SAFETY: `slow_path_max` is never negative, and the kernel returns no more events
                // than the room that it was given.
                unsafe { std::hint::assert_unchecked(0 < count && count <= events.room()) };
                self.buffer.add(events, count);
                return Ok(());
            }
            let added = self.slow_path(events.spare(), count)?;
            events.advance(added);
            return Ok(());
        }
        let added = self.wait_into(events.spare(), deadline)?;
        events.advance(added);
        Ok(())
    }
}

impl Wake for Epoll<'_> {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        self.sources.check_waker_vacant(token)?;
        let source = WakeSource::new(token)?;
        // eventfd-edge: an edge for each wake, so nothing has to be drained.
        let asked = interest_to_epoll(Interest::READABLE, Mode::Edge);
        self.epoll_ctl(libc::EPOLL_CTL_ADD, source.source(), token, asked)?;
        let waker = source.waker();
        self.sources.insert_waker(source, ());
        self.cache_wait_args();
        Ok(waker)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        let waker = self.sources.remove_waker(token)?;
        self.cache_wait_args();
        // open-file: handles keep the eventfd open, so it has to be removed.
        self.epoll_del(waker.source(), token)
    }
}

impl AsFd for Epoll<'_> {
    /// Returns the instance, which is readable while it has events: another selector can watch it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.instance.as_fd()
    }
}

// SAFETY: a source is used only in the calls for it, and the kernel's own reference ends with the
// deregistration or the closing, whichever is first.
unsafe impl FdSelector for Epoll<'static> {
    fn token_of(&self, fd: BorrowedFd<'_>) -> Option<Token> {
        self.sources.token_of(fd.as_raw_fd())
    }
}

impl SysWait for Epoll<'_> {
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<Woken, Error> {
        let room = self.buffer.room(events);
        let count = epoll_wait_for(&self.instance, &mut self.has_pwait2, &room, timeout);
        let Ok(count) = usize::try_from(count) else {
            return interrupted_or_error(errno::number(), timeout);
        };
        self.add(events, count);
        Ok(Woken::with(count))
    }

    #[inline]
    fn armed(&self) -> usize {
        self.sources.armed()
    }

    #[inline]
    fn clock(&self) -> Clock {
        self.clock
    }
}

/// Converts an interest into the kernel's bits, which are those of [`Readiness`].
/// [`Interest::HANGUP`] is EPOLLHUP, which the kernel reports for every source in its set
/// (hup-always).
fn interest_to_epoll(interest: Interest, mode: Mode) -> u32 {
    let mut asked = u32::from(interest.bits());
    if interest.contains(Interest::READABLE) {
        asked |= RDHUP;
    }
    match mode {
        Mode::Level => asked,
        Mode::Oneshot => asked | libc::EPOLLONESHOT.cast_unsigned(),
        Mode::Edge => asked | libc::EPOLLET.cast_unsigned(),
    }
}

/// The kernel's bit for a peer that will send nothing more.
const RDHUP: u32 = libc::EPOLLRDHUP.cast_unsigned();
const _: () = {
    // Interests and reported events are not converted: these bits are the same.
    assert!(libc::EPOLLIN.cast_unsigned() == Readiness::READABLE.bits());
    assert!(libc::EPOLLPRI.cast_unsigned() == Readiness::PRIORITY.bits());
    assert!(libc::EPOLLOUT.cast_unsigned() == Readiness::WRITABLE.bits());
    assert!(libc::EPOLLERR.cast_unsigned() == Readiness::ERROR.bits());
    assert!(libc::EPOLLHUP.cast_unsigned() == Readiness::CLOSED.bits());
    assert!(RDHUP == Readiness::READ_CLOSED.bits());
};

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    const TOKEN: Token = Token::new(0, 1);

    fn polled(selector: &mut Epoll<'_>) -> Option<Readiness> {
        let mut slots = [Event::EMPTY; 2];
        let mut events = Events::new(&mut slots);
        selector.poll(Instant::ZERO, &mut events).unwrap();
        assert!(events.len() <= 1);
        events.iter().next().map(|event| event.readiness)
    }

    #[test]
    fn asks_for_the_end_with_the_bytes() {
        let reading = (libc::EPOLLIN | libc::EPOLLRDHUP).cast_unsigned();
        assert_eq!(interest_to_epoll(Interest::READABLE, Mode::Level), reading);
        assert_eq!(
            interest_to_epoll(Interest::READABLE, Mode::Oneshot),
            reading | libc::EPOLLONESHOT.cast_unsigned()
        );
        assert_eq!(
            interest_to_epoll(Interest::WRITABLE, Mode::Edge),
            (libc::EPOLLOUT | libc::EPOLLET).cast_unsigned()
        );
    }

    #[test]
    fn a_source_without_an_interest_is_silent_when_its_peer_hangs_up() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut selector = Epoll::new(1).unwrap();
        selector.register(near.as_fd(), TOKEN, Interest::NONE, Mode::Level).unwrap();
        drop(far);
        assert_eq!(polled(&mut selector), None);
        selector.modify(near.as_fd(), TOKEN, Interest::READABLE, Mode::Level).unwrap();
        assert!(polled(&mut selector).unwrap().contains(Readiness::CLOSED));
        selector.deregister(near.as_fd(), TOKEN).unwrap();
        assert_eq!(polled(&mut selector), None);
    }

    #[test]
    fn an_interest_in_hang_ups_alone_is_silent_until_both_directions_are_closed() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut selector = Epoll::new(1).unwrap();
        selector.register(near.as_fd(), TOKEN, Interest::HANGUP, Mode::Level).unwrap();
        far.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(polled(&mut selector), None);
        drop(far);
        for _ in 0..2 {
            assert_eq!(polled(&mut selector), Some(Readiness::CLOSED));
        }
    }

    #[test]
    fn a_kernel_without_nanoseconds_waits_in_milliseconds() {
        let (near, _far) = UnixStream::pair().unwrap();
        let mut selector = Epoll::new(1).unwrap();
        selector.has_pwait2 = false;
        selector.register(near.as_fd(), TOKEN, Interest::READABLE, Mode::Level).unwrap();
        let mut slots = [Event::EMPTY; 2];
        let mut events = Events::new(&mut slots);
        let deadline = selector.now() + Duration::from_micros(1_500);
        selector.wait(&mut events, Some(deadline)).unwrap();
        assert!(events.is_empty() && selector.now() >= deadline);
    }

    #[test]
    fn a_waker_needs_no_draining() {
        let mut selector = Epoll::new(1).unwrap();
        let waker = selector.waker(TOKEN).unwrap();
        for _ in 0..3 {
            waker.wake();
            waker.wake();
            assert_eq!(polled(&mut selector), Some(Readiness::READABLE));
            assert_eq!(polled(&mut selector), None);
        }
    }
}
