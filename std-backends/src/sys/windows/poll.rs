//! `WSAPoll`: its entries, and the call.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *nothing-to-poll*: a call fails if no entry has a socket. It is a sleep then.
//! * *silent-is-nval*: an entry without a socket (a negative number) is reported as NVAL.
//! * *all-invalid*: a call fails if no entry has an open socket, in place of reporting each.
//! * *fin-is-hup*: POLLHUP is the end of the peer's stream, and no more.
//! * *no-urgent*: POLLPRI is refused.
//! * *no-refusal*: Windows before version 2004 of Windows 10 does not report a connection that was
//!   refused; the attempt's own timeout ends it.
//! * *milliseconds*: the call counts in milliseconds.

use std::time::Duration;

use selkie_core::platform::Capabilities;
use selkie_core::{Interest, Readiness};
use windows_sys::Win32::Networking::WinSock::{
    POLLERR, POLLHUP, POLLNVAL, POLLRDNORM, POLLWRNORM, SOCKET, WSAENOTSOCK, WSAPOLLFD, WSAPoll,
};

use super::source::{RawSource, winsock};
use super::{clock, errno};

/// An entry of the array, as `WSAPOLLFD`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    fd: SOCKET,
    events: i16,
    revents: i16,
}

const _: () = assert!(size_of::<Entry>() == size_of::<WSAPOLLFD>());

/// The kinds of readiness that can be watched and reported (no-urgent).
pub(crate) const CAPABILITIES: Capabilities = Capabilities::ERROR.union(Capabilities::READ_CLOSED);

/// Waits up to `timeout` until entries are ready. Returns their number, or the error number.
pub(crate) fn wait(entries: &mut [Entry], timeout: Option<Duration>) -> Result<usize, i32> {
    let milliseconds = clock::milliseconds(timeout);
    if entries.iter().all(|entry| is_silent(entry.fd)) {
        // nothing-to-poll: `None` is not asked for, as nothing could end the wait.
        for entry in &mut *entries {
            entry.revents = 0;
        }
        std::thread::sleep(Duration::from_millis(milliseconds.into()));
        return Ok(0);
    }
    let milliseconds = if timeout.is_none() { -1 } else { bounded(milliseconds) };
    #[expect(clippy::cast_possible_truncation, reason = "the capacity has 32 bits")]
    let length = entries.len() as u32;
    // SAFETY: the array has `length` entries.
    let ready = unsafe { WSAPoll(entries.as_mut_ptr().cast(), length, milliseconds) };
    if ready < 0 {
        let code = errno::number();
        if code != WSAENOTSOCK {
            return Err(code);
        }
        // all-invalid: each is reported under its own token.
        for entry in &mut *entries {
            entry.revents = POLLNVAL;
        }
    }
    // silent-is-nval: that is no report.
    let mut count = 0;
    for entry in entries {
        if is_silent(entry.fd) {
            entry.revents = 0;
        }
        count += usize::from(entry.revents != 0);
    }
    Ok(count)
}

/// Converts milliseconds to a signed number (milliseconds).
fn bounded(milliseconds: u32) -> i32 {
    i32::try_from(milliseconds).unwrap_or(i32::MAX)
}

/// Returns true if the number of a socket is negative.
const fn is_silent(socket: SOCKET) -> bool {
    socket.cast_signed() < 0
}

/// Returns the entry of a source.
pub(crate) fn entry(source: RawSource, interest: Interest) -> Entry {
    let mut events = 0;
    if interest.contains(Interest::READABLE) {
        events |= POLLRDNORM;
    }
    if interest.contains(Interest::WRITABLE) {
        events |= POLLWRNORM;
    }
    let fd = winsock(source);
    // silent-is-nval: without an interest even errors are not asked for.
    Entry { fd: if events == 0 { !fd } else { fd }, events, revents: 0 }
}

/// Silences an entry.
pub(crate) const fn silence(entry: &mut Entry) {
    if !is_silent(entry.fd) {
        entry.fd = !entry.fd;
    }
}

/// Returns the source of an entry, with an interest or without one.
pub(crate) const fn source(entry: Entry) -> RawSource {
    (if is_silent(entry.fd) { !entry.fd } else { entry.fd }) as RawSource
}

/// Returns what the last call reported for an entry, if it did.
pub(crate) fn reported(entry: Entry) -> Option<Readiness> {
    (entry.revents != 0).then(|| readiness(entry.revents))
}

/// Returns true if a source can be read now.
#[cfg(test)]
pub(crate) fn is_readable(source: RawSource) -> bool {
    wait(&mut [entry(source, Interest::READABLE)], Some(Duration::ZERO)) == Ok(1)
}

/// Converts what the system reports.
fn readiness(reported: i16) -> Readiness {
    let mut readiness = Readiness::NONE;
    if reported & POLLRDNORM != 0 {
        readiness |= Readiness::READABLE;
    }
    if reported & POLLWRNORM != 0 {
        readiness |= Readiness::WRITABLE;
    }
    if reported & (POLLERR | POLLNVAL) != 0 {
        // no-refusal: older systems report nothing of a refused attempt to connect.
        readiness |= Readiness::ERROR;
    }
    if reported & POLLHUP != 0 {
        // fin-is-hup: the other direction may be open.
        readiness |= Readiness::READ_CLOSED;
    }
    readiness
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_both_ways() {
        assert_eq!(entry(8, Interest::WRITABLE).events, POLLWRNORM);
        assert_eq!(entry(8, Interest::READABLE).events, POLLRDNORM);
        assert!(is_silent(entry(8, Interest::NONE).fd));
        assert_eq!(source(entry(8, Interest::NONE)), 8);
        assert_eq!(readiness(POLLRDNORM | POLLHUP), Readiness::READABLE | Readiness::READ_CLOSED);
        assert_eq!(readiness(POLLNVAL), Readiness::ERROR);
    }

    #[test]
    fn a_call_without_sockets_sleeps() {
        let start = std::time::Instant::now();
        let mut entries = [entry(8, Interest::NONE)];
        assert_eq!(wait(&mut entries, Some(Duration::from_millis(20))), Ok(0));
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert_eq!(reported(entries[0]), None);
    }

    #[test]
    fn a_call_with_closed_sockets_alone_reports_each() {
        // Numbers of handles are multiples of 4.
        let mut entries = [
            entry(0x7fff_fffd, Interest::READABLE),
            entry(8, Interest::NONE),
            entry(0x7fff_fff9, Interest::WRITABLE),
        ];
        assert_eq!(wait(&mut entries, None), Ok(2));
        assert_eq!(entries.map(reported), [Some(Readiness::ERROR), None, Some(Readiness::ERROR)]);
    }
}
