//! The selectors. Each is one file with the same functions in the same order: the struct, `new`,
//! `register`, `modify`, `deregister`, `wait_once`, the conversion of flags, tests.
//!
//! To add one: write its file, declare it below, and add a line to the list in `build.rs`, from
//! which [`AnySelector`], the names, the tests and the benchmarks are generated.

mod any_selector;
#[cfg(has_epoll)]
mod epoll;
mod fd_table;
#[cfg(has_kqueue)]
mod kqueue;
mod poll;
#[cfg(test)]
pub(crate) mod recorder;
mod select;
mod source_table;

use std::ffi::c_int;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use selkie_core::{Error, ErrorKind, Events, Instant, Selector};

use crate::sys::clock::Clock;
use crate::sys::errno;
use source_table::SourceTable;

pub use any_selector::{AnySelector, Backend, UnknownBackend};
#[cfg(has_epoll)]
pub use epoll::Epoll;
#[cfg(has_kqueue)]
pub use kqueue::Kqueue;
pub use poll::Poll;
pub use select::Select;

/// A selector that [`Platform`](crate::Platform) can trust with descriptors that it is going to
/// close.
///
/// # Safety
///
/// An implementation uses a source only between its registration and its deregistration, whatever
/// those return, and gives it to no other code: the descriptor is closed soon afterwards, although
/// its lifetime is `'static`.
pub unsafe trait FdSelector: Selector<Source = BorrowedFd<'static>> {}

/// The system call in which the selectors differ, and the waiting around it, in which they do not.
trait SysWait {
    /// Makes one system call: sleeps up to `timeout` (`None`: without end) until a source is
    /// ready, adds the events to `events`, which has room, and returns how many it added.
    ///
    /// An interrupted call is no error: it adds nothing.
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<usize, Error>;

    /// Returns the table of what is registered.
    fn sources(&self) -> &SourceTable;

    /// Returns the clock of the deadlines.
    fn clock(&self) -> Clock;

    /// Does the work of [`Selector::poll`].
    #[inline]
    fn poll_now(&mut self, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() > 0 {
            self.wait_once(events, Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Does the work of [`selkie_core::Wait::wait`].
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
            if self.wait_once(events, Some(deadline.saturating_since(now)))? > 0 {
                return Ok(());
            }
            now = self.clock().now();
            if now >= deadline {
                return Ok(());
            }
        }
    }

    /// Waits without a deadline.
    fn wait_for_event(&mut self, events: &mut Events<'_>) -> Result<(), Error> {
        if self.sources().registrations.armed() == 0 {
            return Err(Error::new(ErrorKind::NothingToWaitFor));
        }
        while self.wait_once(events, None)? == 0 {}
        Ok(())
    }
}

/// Pause after the kernel had no memory for a wait. It usually has some again soon, and a loop that
/// repeated the call at once would spin.
const MEMORY_PAUSE: Duration = Duration::from_millis(1);

/// Classifies the error number of a sleeping call: `Ok(0)` if the call is to be repeated.
///
/// A signal interrupts the call (EINTR). `poll` and `select` need memory for what they wait for,
/// and may find none for a moment: Linux then returns ENOMEM, other systems EAGAIN.
#[cold]
fn retry_or_fail(code: c_int, timeout: Option<Duration>) -> Result<usize, Error> {
    match code {
        libc::EINTR => Ok(0),
        libc::EAGAIN | libc::ENOMEM => {
            std::thread::sleep(timeout.map_or(MEMORY_PAUSE, |timeout| timeout.min(MEMORY_PAUSE)));
            Ok(0)
        }
        code => Err(errno::from_errno(code)),
    }
}
