//! `epoll`, for Linux and Android.
//!
//! (a) The kernel knows a source by its open file, not by its descriptor: a closed descriptor whose
//! file lives on in a     duplicate keeps firing and can no longer be removed. So deregistering
//! comes before closing, always. (b) HUP and ERR are reported whether asked for or not. So a source
//! without an interest is taken out of the kernel's set     until it has one again.
//! (c) Regular files and directories cannot be added (EPERM): they would always be ready.
//! (d) `epoll_wait` counts in milliseconds. `epoll_pwait2` (Linux 5.11) counts in nanoseconds; a
//! kernel that is older, a     sandbox that filters system calls or an emulator does not know it.
//! (e) A socket that was never connected reports HUP and OUT.
//! (f) Each write to an eventfd is an edge, also when it was readable before. So the waker is
//! watched by edges, and never     has to be told apart from other events or be emptied.

mod room;

use std::ffi::c_int;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use selkie_core::{
    Capabilities, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Readiness, Selector,
    Token, Wait, Wake,
};

use self::room::{Buffer, Room};
use crate::clock::{self, Clock};
use crate::errno;
use crate::sources::{Fetch, Native, Sources, interrupted};
use crate::waker::{WakeSource, Waker};

/// A selector over `epoll`. Its cost does not grow with the number of sources that are silent.
#[derive(Debug)]
pub struct Epoll<'fd> {
    instance: OwnedFd,
    sources: Sources,
    clock: Clock,
    buffer: Buffer,
    /// Whether the kernel has `epoll_pwait2`, as far as is known.
    counts_nanoseconds: bool,
    /// The timeout of a wait without a deadline: none (-1), or where nothing is armed that could
    /// end it, no wait at all.
    endless: c_int,
    /// Up to how many events need more than to be added: none (0), or all of them while there are
    /// oneshot sources.
    special: c_int,
    borrowed: PhantomData<BorrowedFd<'fd>>,
}

impl Epoll<'_> {
    /// A selector for up to `capacity` sources, the waker included.
    ///
    /// # Errors
    ///
    /// [`OutOfDescriptors`](ErrorKind::OutOfDescriptors) or
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn new(capacity: usize) -> Result<Self, Error> {
        // SAFETY: the call takes no pointers.
        let instance = errno::check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self {
            // SAFETY: the descriptor is new, so nobody else owns it.
            instance: unsafe { OwnedFd::from_raw_fd(instance) },
            sources: Sources::new(capacity)?,
            clock: Clock::new(),
            buffer: Buffer::new()?,
            counts_nanoseconds: true,
            endless: 0,
            special: 0,
            borrowed: PhantomData,
        })
    }

    /// Notes what is registered in the form in which a wait asks for it, after that may have
    /// changed.
    fn note(&mut self) {
        self.endless = if self.sources.registrations.armed() > 0 { -1 } else { 0 };
        self.special = if self.sources.registrations.oneshot() > 0 { c_int::MAX } else { 0 };
    }

    /// Adds what the kernel reported to `events`.
    fn add(&mut self, events: &mut Events<'_>, count: usize) {
        let added = self.buffer.add(events, count);
        if self.special > 0 {
            for event in added {
                self.sources.registrations.fired(event.token.index());
            }
            self.note();
        }
    }

    /// [`Wait::wait`] with a deadline, apart from the events that there were before. Says how many
    /// there are in `room` now.
    #[inline]
    fn wait_apart(
        &mut self,
        room: &mut [Event],
        deadline: Option<Instant>,
    ) -> Result<usize, Error> {
        if room.is_empty() {
            return Ok(0);
        }
        let mut events = Events::new(room);
        self.wait_until(&mut events, deadline)?;
        Ok(events.len())
    }

    /// The rest of a wait without a deadline whose sleep had the result `count`, which is not
    /// simply a number of events to add. Says how many there are in `room` now.
    #[cold]
    #[inline(never)]
    fn look_into(&mut self, room: &mut [Event], count: c_int) -> Result<usize, Error> {
        match usize::try_from(count) {
            Ok(count @ 1..) => {
                let mut events = Events::new(room);
                self.add(&mut events, count);
                Ok(events.len())
            }
            // Nothing came, or it failed. Why, is told apart where the call is made again.
            _ => self.wait_apart(room, None),
        }
    }

    /// One change of the kernel's set.
    fn control(&self, operation: c_int, fd: RawFd, token: Token, events: u32) -> Result<(), Error> {
        let mut event = libc::epoll_event { events, u64: token.to_u64() };
        // SAFETY: `event` is valid for the call; the kernel copies it.
        let result =
            unsafe { libc::epoll_ctl(self.instance.as_raw_fd(), operation, fd, &raw mut event) };
        errno::check(result).map(drop).map_err(|error| match error.code() {
            // (c)
            Some(code @ libc::EPERM) => Error::with_code(ErrorKind::Unsupported, code),
            _ => error,
        })
    }

    /// Takes a source out of the kernel's set. That it is no longer in there, since it was closed,
    /// is no failure.
    fn forget(&self, fd: RawFd, token: Token) -> Result<(), Error> {
        match self.control(libc::EPOLL_CTL_DEL, fd, token, 0) {
            Err(error)
                if !matches!(error.code(), Some(libc::ENOENT | libc::EBADF | libc::EPERM)) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
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
        self.sources.vacancy(fd, token)?;
        if !interest.is_empty() {
            self.control(libc::EPOLL_CTL_ADD, fd, token, asked(interest, mode))?;
        }
        self.sources.insert(fd, token, interest, mode);
        self.note();
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
        match (was_added, interest.is_empty()) {
            (false, true) => {}
            // (b)
            (true, true) => self.forget(fd, token)?,
            (false, false) => {
                self.control(libc::EPOLL_CTL_ADD, fd, token, asked(interest, mode))?;
            }
            (true, false) => {
                match self.control(libc::EPOLL_CTL_MOD, fd, token, asked(interest, mode)) {
                    // The descriptor was closed and stands for another file by now; the token is
                    // still the one for it.
                    Err(error) if error.code() == Some(libc::ENOENT) => {
                        self.control(libc::EPOLL_CTL_ADD, fd, token, asked(interest, mode))?;
                    }
                    result => result?,
                }
            }
        }
        self.sources.update(token, interest, mode);
        self.note();
        Ok(())
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        let was_added = !self.sources.get(fd, token)?.interest.is_empty();
        // Whatever the kernel says: a source that stayed here would keep whoever gets its
        // descriptor or its slot next out.
        self.sources.remove(fd, token);
        self.note();
        if was_added { self.forget(fd, token) } else { Ok(()) }
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
            | Capabilities::WAKER
    }

    fn capacity(&self) -> usize {
        self.sources.registrations.capacity()
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
        reason = "what is left of it in a loop without deadlines is a few instructions"
    )]
    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        if deadline.is_none() {
            let room = self.buffer.room(events);
            let count = sleep_milliseconds(&self.instance, &room, self.endless);
            if count > self.special {
                let count = count.cast_unsigned() as usize;
                // SAFETY: `special` is never negative, and the kernel gives no more events than it
                // was told that there is room for.
                unsafe { std::hint::assert_unchecked(0 < count && count <= events.room()) };
                self.buffer.add(events, count);
                return Ok(());
            }
            let added = self.look_into(events.spare(), count)?;
            events.advance(added);
            return Ok(());
        }
        let added = self.wait_apart(events.spare(), deadline)?;
        events.advance(added);
        Ok(())
    }
}

impl Wake for Epoll<'_> {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        self.sources.waker_vacancy(token)?;
        let source = WakeSource::new(token)?;
        // (f)
        self.control(
            libc::EPOLL_CTL_ADD,
            source.fd(),
            token,
            asked(Interest::READABLE, Mode::Edge),
        )?;
        let waker = source.waker();
        self.sources.insert_waker(source);
        self.note();
        Ok(waker)
    }
}

// SAFETY: a source is used in the calls for it only, and the kernel's own reference ends with the
// deregistration or the closing, whichever comes first.
unsafe impl Native for Epoll<'static> {}

impl Fetch for Epoll<'_> {
    fn fetch(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<usize, Error> {
        let room = self.buffer.room(events);
        let Ok(count) =
            usize::try_from(sleep(&self.instance, &mut self.counts_nanoseconds, &room, timeout))
        else {
            return interrupted(errno::number(), timeout);
        };
        self.add(events, count);
        Ok(count)
    }

    #[inline]
    fn sources(&self) -> &Sources {
        &self.sources
    }

    #[inline]
    fn clock(&self) -> Clock {
        self.clock
    }
}

/// What the kernel is asked for. Its bits are those of [`Readiness`].
fn asked(interest: Interest, mode: Mode) -> u32 {
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
    // What is asked for and what is reported rely on these bits being the same.
    assert!(libc::EPOLLIN.cast_unsigned() == Readiness::READABLE.bits());
    assert!(libc::EPOLLPRI.cast_unsigned() == Readiness::PRIORITY.bits());
    assert!(libc::EPOLLOUT.cast_unsigned() == Readiness::WRITABLE.bits());
    assert!(libc::EPOLLERR.cast_unsigned() == Readiness::ERROR.bits());
    assert!(libc::EPOLLHUP.cast_unsigned() == Readiness::CLOSED.bits());
    assert!(RDHUP == Readiness::READ_CLOSED.bits());
};

/// Sleeps until something is ready or the timeout is over: the number of events, -1 for an error.
/// Notes in `counts_nanoseconds` that (d) the kernel cannot.
#[inline]
fn sleep(
    instance: &OwnedFd,
    counts_nanoseconds: &mut bool,
    room: &Room<'_>,
    timeout: Option<Duration>,
) -> c_int {
    match timeout {
        None => sleep_milliseconds(instance, room, -1),
        Some(timeout) => {
            if *counts_nanoseconds && !timeout.is_zero() {
                if let Some(count) = sleep_nanoseconds(instance, room, timeout) {
                    return count;
                }
                *counts_nanoseconds = false;
            }
            sleep_milliseconds(instance, room, clock::milliseconds(Some(timeout)))
        }
    }
}

/// [`sleep`], with a timeout in milliseconds, or with -1 for none.
#[inline]
fn sleep_milliseconds(instance: &OwnedFd, room: &Room<'_>, timeout: c_int) -> c_int {
    // SAFETY: there is as much room as `Room` says.
    unsafe { libc::epoll_wait(instance.as_raw_fd(), room.start(), room.len(), timeout) }
}

/// [`sleep`], with a timeout in nanoseconds; `None` where (d) the kernel cannot.
fn sleep_nanoseconds(instance: &OwnedFd, room: &Room<'_>, timeout: Duration) -> Option<c_int> {
    /// The kernel's own `timespec`, which has 64 bits also where that of the C library has 32.
    #[repr(C)]
    struct KernelTimespec {
        seconds: i64,
        nanoseconds: i64,
    }

    let timeout = clock::clamped(timeout);
    let time = KernelTimespec {
        seconds: timeout.as_secs().cast_signed(),
        nanoseconds: i64::from(timeout.subsec_nanos()),
    };
    // SAFETY: there is as much room as `Room` says, the time is valid for the call, and a null
    // signal mask leaves the mask alone. The size of the mask is then not looked at.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            instance.as_raw_fd(),
            room.start(),
            room.len(),
            &raw const time,
            std::ptr::null::<libc::sigset_t>(),
            0_usize,
        )
    };
    if count < 0 && matches!(errno::number(), libc::ENOSYS | libc::EPERM) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most the room, which is a `c_int`")]
    let count = count as c_int;
    Some(count)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use selkie_core::Event;

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
        assert_eq!(asked(Interest::READABLE, Mode::Level), reading);
        assert_eq!(
            asked(Interest::READABLE, Mode::Oneshot),
            reading | libc::EPOLLONESHOT.cast_unsigned()
        );
        assert_eq!(
            asked(Interest::WRITABLE, Mode::Edge),
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
    fn a_kernel_without_nanoseconds_waits_in_milliseconds() {
        let (near, _far) = UnixStream::pair().unwrap();
        let mut selector = Epoll::new(1).unwrap();
        selector.counts_nanoseconds = false;
        selector.register(near.as_fd(), TOKEN, Interest::READABLE, Mode::Level).unwrap();
        let mut slots = [Event::EMPTY; 2];
        let mut events = Events::new(&mut slots);
        let deadline = selector.now() + Duration::from_micros(1_500);
        selector.wait(&mut events, Some(deadline)).unwrap();
        assert!(events.is_empty() && selector.now() >= deadline);
    }

    #[test]
    fn a_waker_needs_no_emptying() {
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
