//! What every backend of this crate keeps and does alike: who is registered with which descriptor,
//! and how a wait goes on until its deadline.

use std::ffi::c_int;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use selkie_core::{
    Error, ErrorKind, Events, Instant, Interest, Mode, Registration, Registrations, Selector, Token,
};

use crate::clock::Clock;
use crate::errno;
use crate::fd_table::FdTable;
use crate::storage::try_zeroed_slice;
use crate::waker::WakeSource;

/// The tokens and descriptors that a selector watches, and its waker. A backend asks here before it
/// calls the system and records afterwards, so that a failure changes nothing.
#[derive(Debug)]
pub(crate) struct Sources {
    /// By the index of the token.
    pub(crate) registrations: Registrations<Box<[Registration]>>,
    /// By the descriptor.
    pub(crate) fds: FdTable,
    /// The waker, which is registered like a source, under a descriptor that no caller can name.
    waker: Option<WakeSource>,
}

impl Sources {
    /// Nothing registered yet; tokens with an index below `capacity` can be.
    pub(crate) fn new(capacity: usize) -> Result<Self, Error> {
        if u32::try_from(capacity).is_err() {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        let registrations = Registrations::new(try_zeroed_slice(capacity)?);
        Ok(Self { registrations, fds: FdTable::new()?, waker: None })
    }

    /// Whether `fd` could be registered under `token`.
    pub(crate) fn vacancy(&self, fd: RawFd, token: Token) -> Result<(), Error> {
        self.registrations.vacancy(token)?;
        self.fds.vacancy(fd)
    }

    /// Records what [`vacancy`](Self::vacancy) allowed.
    pub(crate) fn insert(&mut self, fd: RawFd, token: Token, interest: Interest, mode: Mode) {
        self.registrations.insert(token, interest, mode);
        self.fds.insert(fd, token);
    }

    /// What is registered under `token`, which must be for `fd`.
    pub(crate) fn get(&self, fd: RawFd, token: Token) -> Result<Registration, Error> {
        let registration = self.registrations.get(token)?;
        self.fds.check(fd, token)?;
        Ok(registration)
    }

    /// Records another interest and mode for what [`get`](Self::get) found.
    pub(crate) fn update(&mut self, token: Token, interest: Interest, mode: Mode) {
        self.registrations.update(token, interest, mode);
    }

    /// Forgets what [`get`](Self::get) found.
    pub(crate) fn remove(&mut self, fd: RawFd, token: Token) {
        self.registrations.remove(token);
        self.fds.remove(fd);
    }

    /// Whether a waker could be made for `token`. There is one for each selector.
    pub(crate) fn waker_vacancy(&self, token: Token) -> Result<(), Error> {
        if self.waker.is_some() {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        self.registrations.vacancy(token)
    }

    /// Records a waker. It counts as an armed source, so a wait that only it can end is a wait.
    pub(crate) fn insert_waker(&mut self, waker: WakeSource) {
        self.insert(waker.fd(), waker.token(), Interest::READABLE, Mode::Level);
        self.waker = Some(waker);
    }

    /// Takes out the wakes that are being reported, if `token` is the waker's. Where wakes are
    /// watched as a level.
    pub(crate) fn drain_waker(&self, token: Token) {
        if let Some(waker) = self.waker.as_ref().filter(|waker| waker.token() == token) {
            waker.drain();
        }
    }
}

/// How long a kernel that has no memory for a wait is left alone. It has it again soon, and
/// meanwhile nothing should spin.
const MEMORY_PAUSE: Duration = Duration::from_millis(1);

/// What the number of an error means that a sleeping call gave: that it is to be made again, or a
/// failure.
///
/// A signal interrupts it (EINTR). `poll` and `select` need memory for what they wait for, and may
/// find none for a moment: Linux then says ENOMEM, others EAGAIN.
#[cold]
pub(crate) fn interrupted(code: c_int, timeout: Option<Duration>) -> Result<usize, Error> {
    match code {
        libc::EINTR => Ok(0),
        libc::EAGAIN | libc::ENOMEM => {
            std::thread::sleep(timeout.map_or(MEMORY_PAUSE, |timeout| timeout.min(MEMORY_PAUSE)));
            Ok(0)
        }
        code => Err(errno::from_errno(code)),
    }
}

/// The one step in which the backends differ, and the waiting around it, in which they do not.
pub(crate) trait Fetch {
    /// One system call: sleeps up to `timeout`, or without end, until something is ready, adds it
    /// to `events`, which has room, and says how much was added. That the call was interrupted
    /// is no error: nothing was added.
    fn fetch(&mut self, events: &mut Events<'_>, timeout: Option<Duration>)
    -> Result<usize, Error>;

    /// [`fetch`](Self::fetch), in a function of its own: for all but the wait without a deadline,
    /// of whose loop it is a part.
    #[inline(never)]
    fn fetch_apart(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<usize, Error> {
        self.fetch(events, timeout)
    }

    /// What is registered.
    fn sources(&self) -> &Sources;

    /// The clock of the deadlines.
    fn clock(&self) -> Clock;

    /// [`Selector::poll`].
    #[inline]
    fn poll_now(&mut self, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() > 0 {
            self.fetch_apart(events, Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// [`selkie_core::Wait::wait`]. A sleep that ends without events before the deadline, since a
    /// signal interrupted it, the system cut it short or what woke it was for nobody, goes on
    /// with what is left.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "what is left of it in a loop without deadlines is a few comparisons"
    )]
    fn wait_until(
        &mut self,
        events: &mut Events<'_>,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        if events.room() == 0 {
            return Ok(());
        }
        if let Some(deadline) = deadline {
            return self.wait_for_deadline(events, deadline);
        }
        if self.sources().registrations.armed() == 0 {
            return Err(Error::new(ErrorKind::NothingToWaitFor));
        }
        if self.fetch(events, None)? == 0 {
            return self.wait_again(events);
        }
        Ok(())
    }

    /// [`wait_until`](Self::wait_until), without a deadline, after a sleep that ended for nothing.
    #[cold]
    fn wait_again(&mut self, events: &mut Events<'_>) -> Result<(), Error> {
        while self.fetch_apart(events, None)? == 0 {}
        Ok(())
    }

    /// [`wait_until`](Self::wait_until), with a deadline. A function of its own, so that a wait
    /// without one is short enough to become part of the loop.
    #[inline(never)]
    fn wait_for_deadline(
        &mut self,
        events: &mut Events<'_>,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut now = self.clock().now();
        loop {
            if self.fetch_apart(events, Some(deadline.saturating_since(now)))? > 0 {
                return Ok(());
            }
            now = self.clock().now();
            if now >= deadline {
                return Ok(());
            }
        }
    }
}

/// A selector that [`Platform`](crate::Platform) can trust with descriptors that it is going to
/// close.
///
/// # Safety
///
/// An implementation uses a source only between its registration and its deregistration, whatever
/// those return, and hands it to nobody else: the descriptor is closed soon afterwards, although
/// the type says that it lives for ever.
pub unsafe trait Native: Selector<Source = BorrowedFd<'static>> {}
