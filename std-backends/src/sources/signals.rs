//! Signals as a source.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *block-first*: a signal that is not blocked acts before any descriptor reports it.
//! * *coalesced*: several signals of one kind that wait are reported once.
//! * *still-pending*: kqueue reports a blocked signal and leaves it pending.

use std::ffi::c_int;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use selkie_core::Error;
#[cfg(not(any(target_os = "linux", target_os = "android", has_kqueue)))]
use selkie_core::ErrorKind;

use crate::sys::errno;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sys::retry::retried;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sys::socket::owned;

/// Signals that are read from a descriptor and do nothing else.
///
/// They are blocked in this thread and in threads that it starts from now on: make this first in
/// `main`. They stay blocked when this value is dropped. Programs that are started by
/// [`std::process::Command`] have nothing blocked.
///
/// Linux and Android have it (`signalfd`), the BSDs and Apple's systems (`EVFILT_SIGNAL`); other
/// systems answer [`Unsupported`](selkie_core::ErrorKind::Unsupported).
///
/// ```standalone_crate
/// use std::os::fd::AsFd;
/// use std::time::Duration;
///
/// use selkie_core::platform::{Events, Selector, Wait};
/// use selkie_core::{Event, Interest, Mode, Token};
/// use selkie_std::selectors::DefaultSelector;
/// use selkie_std::sources::Signals;
///
/// let mut signals = Signals::new(&[Signals::HANGUP, Signals::TERMINATE])?;
/// let lent = signals.source()?;
/// let mut selector = DefaultSelector::new(4)?;
/// selector.register(lent.as_fd(), Token::new(0, 1), Interest::READABLE, Mode::Level)?;
///
/// # let id = std::process::id().to_string();
/// # let kill = std::process::Command::new("kill").args(["-HUP", &id]).status();
/// # if !kill.is_ok_and(|status| status.success()) { return Ok(()) }
/// let mut slots = [Event::EMPTY; 4];
/// selector.wait_for(&mut Events::new(&mut slots), Duration::from_secs(10))?;
/// assert_eq!(signals.read()?, Signals::HANGUP);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// The terminal is gone; for services by custom: read the configuration again.
    pub const HANGUP: i32 = libc::SIGHUP;
    /// Ctrl-C.
    pub const INTERRUPT: i32 = libc::SIGINT;
    /// The request to end.
    pub const TERMINATE: i32 = libc::SIGTERM;
    /// The first signal without a meaning of its own.
    pub const USER_1: i32 = libc::SIGUSR1;
    /// The second signal without a meaning of its own.
    pub const USER_2: i32 = libc::SIGUSR2;
    /// A child process has ended or stopped.
    pub const CHILD: i32 = libc::SIGCHLD;

    /// Blocks these signals in this thread, and opens a descriptor that reports them.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](selkie_core::ErrorKind::InvalidInput) for a number that is no signal,
    /// [`OutOfDescriptors`](selkie_core::ErrorKind::OutOfDescriptors),
    /// [`Unsupported`](selkie_core::ErrorKind::Unsupported).
    pub fn new(signals: &[i32]) -> Result<Self, Error> {
        // SAFETY: all bits zero is a valid value of a set, which the next call empties.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is a valid place.
        unsafe { libc::sigemptyset(&raw mut set) };
        for &signal in signals {
            // SAFETY: the set is initialized.
            errno::check(unsafe { libc::sigaddset(&raw mut set, signal) })?;
        }
        let fd = open(signals, &set)?;
        // block-first: after the descriptor is open, so that a failure changes nothing.
        // SAFETY: the set is initialized, and the old one is not asked for.
        let code =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if code == 0 { Ok(Self { fd }) } else { Err(errno::from_errno(code)) }
    }

    /// Takes one signal that has arrived, and returns its number. Several of one kind that arrive
    /// together count as one.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](selkie_core::ErrorKind::WouldBlock) if none has arrived.
    pub fn read(&mut self) -> Result<i32, Error> {
        take(self.fd.as_raw_fd())
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

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Signals").field("fd", &self.fd).finish()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn open(_: &[c_int], set: &libc::sigset_t) -> Result<OwnedFd, Error> {
    // SAFETY: the set is initialized.
    owned(unsafe { libc::signalfd(-1, set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn take(fd: c_int) -> Result<i32, Error> {
    // SAFETY: all bits zero is a valid value of this struct of integers.
    let mut signal: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: the struct is valid for writes of its size.
    retried(|| unsafe { libc::read(fd, (&raw mut signal).cast(), size) })?;
    Ok(signal.ssi_signo.cast_signed())
}

#[cfg(all(has_kqueue, not(any(target_os = "linux", target_os = "android"))))]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "a set is large on other systems")]
fn open(signals: &[c_int], _: &libc::sigset_t) -> Result<OwnedFd, Error> {
    let queue = super::child_exit::queue()?;
    for &signal in signals {
        super::child_exit::add(&queue, signal, libc::EVFILT_SIGNAL, 0)?;
    }
    Ok(queue)
}

#[cfg(all(has_kqueue, not(any(target_os = "linux", target_os = "android"))))]
fn take(fd: c_int) -> Result<i32, Error> {
    // still-pending: harmless, as it stays blocked.
    super::child_exit::fetch(fd)
}

#[cfg(not(any(target_os = "linux", target_os = "android", has_kqueue)))]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "a set is large on other systems")]
fn open(_: &[c_int], _: &libc::sigset_t) -> Result<OwnedFd, Error> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android", has_kqueue)))]
fn take(_: c_int) -> Result<i32, Error> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use selkie_core::ErrorKind;

    use super::*;
    use crate::sys::poll;

    /// Sends a signal to this thread alone, as the other tests' threads do not block it.
    fn raise(signal: c_int) {
        // SAFETY: the signal is blocked in this thread, and the call takes no pointers.
        let code = unsafe { libc::pthread_kill(libc::pthread_self(), signal) };
        assert_eq!(code, 0);
    }

    #[test]
    fn signals_are_read_one_by_one_and_several_of_a_kind_once() {
        let mut signals = Signals::new(&[Signals::USER_1, Signals::USER_2]).unwrap();
        assert_eq!(signals.read(), Err(Error::WOULD_BLOCK));
        // coalesced: the second of a kind finds one that waits.
        for signal in [Signals::USER_2, Signals::USER_1, Signals::USER_2] {
            raise(signal);
        }
        assert!(poll::is_readable(signals.as_fd().as_raw_fd()));
        let mut read = [signals.read().unwrap(), signals.read().unwrap()];
        read.sort_unstable();
        assert_eq!(read, [Signals::USER_1, Signals::USER_2]);
        assert_eq!(signals.read(), Err(Error::WOULD_BLOCK));
    }

    #[test]
    fn a_number_that_is_no_signal_is_refused() {
        assert_eq!(Signals::new(&[4096]).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
