//! The selectors. Each is one file with the same functions in the same order: the struct, `new`,
//! `register`, `modify`, `deregister`, `wait_once`, the conversion of flags, tests.
//!
//! A wait makes one system call and ends when that has events. A signal ends it early and without
//! events (EINTR), so that the caller can look at the flags that its signal handler has set.
//!
//! To add a selector: write its file, declare it below, and add a line to the list in `build.rs`,
//! from which [`AnySelector`], the names, the tests and the benchmarks are generated.

#[cfg(has_afd)]
mod afd;
mod any_selector;
#[cfg(has_epoll)]
mod epoll;
#[cfg(has_kqueue)]
mod kqueue;
mod packed_sources;
mod poll;
#[cfg(test)]
pub(crate) mod recorder;
#[cfg(unix)]
mod select;
mod source_table;
#[cfg(windows)]
mod winsock_select;

use std::time::Duration;

use selkie_core::platform::{Events, Selector};
use selkie_core::{Error, ErrorKind, Instant, Interest, Token};

use crate::sys::clock::Clock;
use crate::sys::errno;
use crate::sys::source::BorrowedSource;

#[cfg(has_afd)]
pub use afd::Afd;
pub use any_selector::{AnySelector, Backend, UnknownBackend};
#[cfg(has_epoll)]
pub use epoll::Epoll;
#[cfg(has_kqueue)]
pub use kqueue::Kqueue;
pub use poll::Poll;
#[cfg(unix)]
pub use select::Select;
#[cfg(windows)]
pub use winsock_select::Select;

/// The best selector of the platform.
#[cfg(has_epoll)]
pub type DefaultSelector<'fd> = Epoll<'fd>;
/// The best selector of the platform.
#[cfg(all(has_kqueue, not(has_epoll)))]
pub type DefaultSelector<'fd> = Kqueue<'fd>;
/// The best selector of the platform.
#[cfg(has_afd)]
pub type DefaultSelector<'fd> = Afd<'fd>;
/// The best selector of the platform.
#[cfg(not(any(has_kqueue, has_epoll, has_afd)))]
pub type DefaultSelector<'fd> = Poll<'fd>;

/// A selector that [`Platform`](crate::Platform) can trust with descriptors that it is going to
/// close.
///
/// # Safety
///
/// An implementation uses a source only between its registration and its deregistration, even if
/// one of those fails, and gives it to no other code: the descriptor is closed soon afterwards,
/// although its lifetime is `'static`.
///
/// [`token_of`](Self::token_of) finds the token of every registered descriptor: the platform
/// deregisters by it.
pub unsafe trait FdSelector: Selector<Source = BorrowedSource<'static>> {
    /// Returns the token that `fd` is registered under.
    fn token_of(&self, fd: BorrowedSource<'_>) -> Option<Token>;
}

/// The way in which a waiting system call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// It added events.
    Ready,
    /// A signal interrupted it (EINTR), and it added nothing.
    Interrupted,
    /// It added nothing: its time is over, or what woke it was for no source.
    Empty,
}

impl Woken {
    /// Returns the end of a call that added `count` events.
    const fn with(count: usize) -> Self {
        if count > 0 { Self::Ready } else { Self::Empty }
    }
}

/// The system call in which the selectors differ, and the waiting around it, in which they do not.
trait SysWait {
    /// Makes one system call: sleeps up to `timeout` (`None`: without end) until a source is
    /// ready, and adds the events to `events`, which has room. An error means that no event was
    /// added.
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<Woken, Error>;

    /// Returns the number of sources that can be reported.
    fn armed(&self) -> usize;

    /// Returns the clock of the deadlines.
    fn clock(&self) -> Clock;

    /// Performs [`Selector::poll`]. A pending signal may interrupt a call that does not sleep too:
    /// it is repeated, since the caller wants to know what is ready.
    #[inline]
    fn poll_now(&mut self, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() > 0 {
            while self.wait_once(events, Some(Duration::ZERO))? == Woken::Interrupted {}
        }
        Ok(())
    }

    /// Performs [`selkie_core::platform::Wait::wait`]: repeats the call until there are events, a
    /// signal arrives or the deadline passes.
    #[inline]
    fn wait_until(
        &mut self,
        events: &mut Events<'_>,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        if events.room() == 0 {
            return Ok(());
        }
        let Some(deadline) = deadline else { return self.wait_for_event(events) };
        let mut now = self.clock().now();
        loop {
            let woken = self.wait_once(events, Some(deadline.saturating_since(now)))?;
            now = self.clock().now();
            match woken {
                // An interrupted call did not look at the sources. After its deadline the caller
                // judges them by this wait, so they get the look that they are due.
                Woken::Interrupted if now >= deadline => return self.poll_now(events),
                Woken::Empty if now < deadline => {}
                _ => return Ok(()),
            }
        }
    }

    /// Waits without a deadline, until there are events or a signal arrives.
    fn wait_for_event(&mut self, events: &mut Events<'_>) -> Result<(), Error> {
        if self.armed() == 0 {
            return Err(Error::new(ErrorKind::NothingToWaitFor));
        }
        while self.wait_once(events, None)? == Woken::Empty {}
        Ok(())
    }
}

/// Pause after the kernel had no memory for a wait. It usually has some again soon, and a loop that
/// repeated the call at once would spin.
const MEMORY_PAUSE: Duration = Duration::from_millis(1);

/// Classifies the error number of a waiting call.
///
/// `poll` and `select` need memory for what they wait for, and may find none for a moment. The call
/// is repeated after a pause.
#[cold]
fn interrupted_or_error(code: i32, timeout: Option<Duration>) -> Result<Woken, Error> {
    match code {
        errno::INTERRUPTED => Ok(Woken::Interrupted),
        code if errno::is_memory_shortage(code) => {
            std::thread::sleep(timeout.map_or(MEMORY_PAUSE, |timeout| timeout.min(MEMORY_PAUSE)));
            Ok(Woken::Empty)
        }
        code => Err(errno::from_errno(code)),
    }
}

/// Refuses [`Interest::HANGUP`] alone where a selector does not watch it, and removes it where it
/// stands beside other interests.
fn without_hangup(interest: Interest) -> Result<Interest, Error> {
    if interest == Interest::HANGUP {
        Err(Error::new(ErrorKind::Unsupported))
    } else {
        Ok(interest - Interest::HANGUP)
    }
}
