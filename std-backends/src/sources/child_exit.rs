//! The end of a child process as a source.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *gone-already*: kqueue refuses a process that has ended, also one that was not waited for.
//! * *kernel-5.3*: older kernels of Linux have no `pidfd_open`.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;

use selkie_core::Error;
#[cfg(not(any(target_os = "linux", target_os = "android", has_kqueue)))]
use selkie_core::ErrorKind;

use crate::sys::errno;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sys::socket::owned;

/// A source that becomes readable when a child process has ended, and stays so. Then
/// [`Child::try_wait`] returns its status.
///
/// Linux and Android have it from kernel 5.3 on (`pidfd_open`), the BSDs and Apple's systems
/// (`EVFILT_PROC`); other systems answer [`Unsupported`](selkie_core::ErrorKind::Unsupported).
///
/// ```
/// use std::os::fd::AsFd;
/// use std::process::Command;
/// use std::time::Duration;
///
/// use selkie_core::platform::{Events, Selector, Wait};
/// use selkie_core::{Event, Interest, Mode, Token};
/// use selkie_std::selectors::DefaultSelector;
/// use selkie_std::sources::ChildExit;
///
/// let mut child = Command::new("true").spawn()?;
/// let exit = ChildExit::new(&child)?;
/// let mut selector = DefaultSelector::new(4)?;
/// selector.register(exit.as_fd(), Token::new(0, 1), Interest::READABLE, Mode::Level)?;
///
/// let mut slots = [Event::EMPTY; 4];
/// let mut events = Events::new(&mut slots);
/// while events.is_empty() {
///     selector.wait_for(&mut events, Duration::from_secs(10))?;
/// }
/// assert!(child.try_wait()?.is_some_and(|status| status.success()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ChildExit {
    fd: OwnedFd,
}

impl ChildExit {
    /// Opens a descriptor for the end of a child that was not waited for yet.
    ///
    /// # Errors
    ///
    /// [`OutOfDescriptors`](selkie_core::ErrorKind::OutOfDescriptors),
    /// [`Unsupported`](selkie_core::ErrorKind::Unsupported), or another error of the system, such
    /// as for a child that was waited for.
    pub fn new(child: &Child) -> Result<Self, Error> {
        open(child.id()).map(|fd| Self { fd })
    }

    /// Opens a second descriptor of this source, for a [`Platform`](crate::Platform) to adopt.
    ///
    /// # Errors
    ///
    /// [`OutOfDescriptors`](selkie_core::ErrorKind::OutOfDescriptors).
    pub fn source(&self) -> Result<OwnedFd, Error> {
        let cloned = self.fd.try_clone();
        cloned.map_err(|error| errno::from_errno(error.raw_os_error().unwrap_or(0)))
    }
}

impl AsFd for ChildExit {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for ChildExit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ChildExit").field("fd", &self.fd).finish()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn open(process: u32) -> Result<OwnedFd, Error> {
    // kernel-5.3: ENOSYS is `Unsupported`. The C library has no function for it everywhere.
    // SAFETY: the call takes two numbers. Its descriptor is close-on-exec.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    owned(i32::try_from(fd).unwrap_or(-1))
}

#[cfg(not(any(target_os = "linux", target_os = "android", has_kqueue)))]
fn open(_: u32) -> Result<OwnedFd, Error> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(all(has_kqueue, not(any(target_os = "linux", target_os = "android"))))]
pub(super) use queue::{add, fetch, queue};

#[cfg(all(has_kqueue, not(any(target_os = "linux", target_os = "android"))))]
fn open(process: u32) -> Result<OwnedFd, Error> {
    let queue = queue()?;
    let process = process.cast_signed();
    match add(&queue, process, libc::EVFILT_PROC, libc::NOTE_EXIT) {
        Ok(()) => Ok(queue),
        // gone-already: the end of a pipe without a writer is readable, and stays so.
        Err(error) if error.code() == Some(libc::ESRCH) => {
            crate::sys::file::pipe().map(|(reader, _closed)| reader)
        }
        Err(error) => Err(error),
    }
}

/// A queue as a descriptor that is readable when something has happened.
#[cfg(all(has_kqueue, not(any(target_os = "linux", target_os = "android"))))]
mod queue {
    use std::ffi::c_int;
    use std::os::fd::{AsRawFd, OwnedFd};

    use selkie_core::Error;

    use crate::sys::errno;
    use crate::sys::socket::{close_on_exec, owned};

    /// Opens a queue.
    pub(in crate::sources) fn queue() -> Result<OwnedFd, Error> {
        // SAFETY: the call has no preconditions.
        let queue = owned(unsafe { libc::kqueue() })?;
        close_on_exec(queue.as_raw_fd())?;
        Ok(queue)
    }

    /// Adds a signal or a process.
    #[allow(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        clippy::unnecessary_cast,
        reason = "the types of the fields differ from system to system"
    )]
    pub(in crate::sources) fn add<F: TryInto<i64>>(
        queue: &OwnedFd,
        number: c_int,
        filter: F,
        note: u32,
    ) -> Result<(), Error> {
        // SAFETY: all bits zero is a valid value of this struct of integers and a pointer.
        let mut change: libc::kevent = unsafe { std::mem::zeroed() };
        change.ident = number as usize;
        change.filter = filter.try_into().unwrap_or_default() as _;
        // Signals are counted until they are fetched; a process ends once.
        change.flags = libc::EV_ADD as _;
        change.fflags = note as _;
        let no_events = std::ptr::null_mut();
        // SAFETY: one change is valid for the call, and there is room for no event.
        errno::check(unsafe {
            let queue = queue.as_raw_fd();
            libc::kevent(queue, &raw const change, 1, no_events, 0, std::ptr::null())
        })
        .map(drop)
    }

    /// Takes one event, and returns its number.
    pub(in crate::sources) fn fetch(queue: c_int) -> Result<i32, Error> {
        // SAFETY: as above.
        let mut event: libc::kevent = unsafe { std::mem::zeroed() };
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: there is room for one event, and the time is valid for the call.
        let count = errno::check(unsafe {
            libc::kevent(queue, std::ptr::null(), 0, &raw mut event, 1, &raw const at_once)
        })?;
        if count == 0 {
            Err(Error::WOULD_BLOCK)
        } else {
            Ok(i32::try_from(event.ident).unwrap_or(0))
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::AsRawFd;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::poll;

    #[test]
    fn a_child_that_runs_is_silent_and_one_that_has_ended_is_readable() {
        // It ends when its input does.
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("every unix has cat");
        let exit = ChildExit::new(&child).unwrap();
        assert!(!poll::is_readable(exit.as_fd().as_raw_fd()));
        drop(child.stdin.take());
        // SAFETY: `entry` is an array of one, and the time is in milliseconds.
        let ready = unsafe {
            let fd = exit.as_fd().as_raw_fd();
            let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            libc::poll(&raw mut entry, 1, 30_000)
        };
        assert_eq!(ready, 1);
        assert!(child.try_wait().unwrap().is_some_and(|status| status.success()));
        assert!(poll::is_readable(exit.source().unwrap().as_raw_fd()));
    }
}
