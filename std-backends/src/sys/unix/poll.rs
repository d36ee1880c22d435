//! `poll`: its entries, and the call.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *hup-always*: HUP, ERR and NVAL are reported for no events too. So an entry without an
//!   interest has the complement of its descriptor, which is negative and so skipped.
//! * *closed-is-nval*: a descriptor that is closed is reported as NVAL on its own entry; the others
//!   go on.
//! * *hup-half*: Apple's systems report HUP also when only the peer's direction is closed, and
//!   other systems differ. So HUP means that both are closed only on Linux and FreeBSD.
//! * *milliseconds*: `poll` counts in milliseconds; `ppoll`, where there is one, in nanoseconds.
//! * *entry-limit*: more entries than the process's limit of descriptors are refused (EINVAL), and
//!   the limit can be lowered while they are open. Then the entries are passed in several calls.

use std::ffi::c_int;
use std::os::fd::RawFd;
use std::time::Duration;

use selkie_core::platform::Capabilities;
use selkie_core::{Interest, Readiness};

use super::clock;
use super::errno;
use super::rlimit;
use super::socket::HUP_IS_CLOSED;

/// An entry of the array.
pub(crate) type Entry = libc::pollfd;

/// The capabilities of `poll` on this system.
pub(crate) const CAPABILITIES: Capabilities = {
    let mut found = Capabilities::ERROR.union(Capabilities::PRIORITY);
    // hup-half: elsewhere a hang-up may be the end of one direction only.
    if HUP_IS_CLOSED {
        found = found.union(Capabilities::CLOSED).union(Capabilities::HANGUP);
    }
    if RDHUP.is_some() { found.union(Capabilities::READ_CLOSED) } else { found }
};

/// Waits up to `timeout` until entries are ready. Returns their number, or the error number.
pub(crate) fn wait(entries: &mut [Entry], timeout: Option<Duration>) -> Result<usize, c_int> {
    match sys_poll(entries, timeout) {
        // entry-limit: nothing else in the arguments can be invalid.
        Err(libc::EINVAL) => poll_in_chunks(entries, timeout),
        result => result,
    }
}

/// Makes the system call. Returns the number of entries with events, or the error number.
fn sys_poll(entries: &mut [Entry], timeout: Option<Duration>) -> Result<usize, c_int> {
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
fn poll_in_chunks(entries: &mut [Entry], timeout: Option<Duration>) -> Result<usize, c_int> {
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

/// The bit for a peer that will send nothing more, where the system has it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const RDHUP: Option<i16> = Some(libc::POLLRDHUP);
/// The system has no such bit.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RDHUP: Option<i16> = None;

/// Returns the entry of a source.
pub(crate) fn entry(fd: RawFd, interest: Interest) -> Entry {
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

/// Silences an entry.
pub(crate) const fn silence(entry: &mut Entry) {
    entry.fd = !source(*entry);
}

/// Returns the source of an entry, with an interest or without one.
pub(crate) const fn source(entry: Entry) -> RawFd {
    if entry.fd < 0 { !entry.fd } else { entry.fd }
}

/// Returns what the last call reported for an entry, if it did.
pub(crate) fn reported(entry: Entry) -> Option<Readiness> {
    (entry.revents != 0).then(|| readiness(entry.revents))
}

/// Returns true if a source can be read now.
#[cfg(test)]
pub(crate) fn is_readable(source: RawFd) -> bool {
    super::socket::poll(source, libc::POLLIN) & libc::POLLIN != 0
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
    use super::*;

    #[test]
    fn converts_both_ways() {
        assert_eq!(
            entry(3, Interest::WRITABLE | Interest::PRIORITY).events,
            libc::POLLOUT | libc::POLLPRI
        );
        assert_eq!(entry(3, Interest::READABLE).events, libc::POLLIN | RDHUP.unwrap_or(0));
        assert!(entry(3, Interest::NONE).fd < 0);
        assert_eq!(source(entry(3, Interest::NONE)), 3);
        assert_eq!(
            readiness(libc::POLLIN | libc::POLLPRI),
            Readiness::READABLE | Readiness::PRIORITY
        );
        assert_eq!(readiness(libc::POLLNVAL), Readiness::ERROR);
        assert!(readiness(libc::POLLHUP).is_readable() && readiness(libc::POLLHUP).is_writable());
    }
}
