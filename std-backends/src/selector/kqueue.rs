//! `kqueue`, for the BSDs and Apple's systems; and for Linux, over libkqueue.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *filter-per-direction*: a source that is ready for both directions gives two events. They are
//!   merged within a batch; fetched events beyond the room of the batch are kept for the next one.
//! * *receipts*: changes ask for receipts, so that the call returns nothing else and each failure
//!   by itself. A call that was interrupted has made its changes.
//! * *late-event*: the event of a deleted filter may have been fetched before. Each event has the
//!   generation of its token, and is dropped if that is not registered any more, or not for this
//!   direction.
//! * *oneshot-per-filter*: `EV_ONESHOT` deletes one filter when it fires. The other filter of the
//!   source may still fire, once; that event is dropped.
//! * *old-flags*: adding a filter that exists keeps its old flags on some systems, and fails with
//!   libkqueue. So a filter that gets another mode, or is armed again, is deleted first.
//! * *pipe-without-reader*: adding the write filter of a pipe without a reader fails with EPIPE, and
//!   yet it is added. Deleting a filter that is gone fails with ENOENT.
//! * *regular-files*: a regular file that was read to its end is silent until it grows. So regular
//!   files are refused.
//! * *close-deletes*: a descriptor that is closed takes its filters with it, silently.
//! * *urgent*: only Apple's systems have had a filter for TCP's urgent byte for long.
//! * *fork*: a child process does not inherit the queue, and makes a selector of its own.
//! * *field-types*: the types of the struct's fields differ from system to system.
//! * *takes-the-error*: libkqueue takes the error of a socket when it reports it. The next read then
//!   finds an orderly end, and the result of a connection attempt is lost. No kernel does that.

use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use selkie_core::{
    Capabilities, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Readiness, Selector,
    Token, Wait, Wake,
};

use super::source_table::SourceTable;
use super::{FdSelector, SysWait, retry_or_fail};
use crate::storage::{Zeroable, try_zeroed_slice};
use crate::sys::clock::{self, Clock};
use crate::sys::errno;
use crate::waker::{WakeSource, Waker};

#[cfg(not(target_os = "linux"))]
use libc as sys;
#[cfg(target_os = "linux")]
use libkqueue as sys;
#[cfg(target_os = "linux")]
mod libkqueue;

/// field-types: the type of a filter.
#[cfg(target_os = "netbsd")]
type Filter = u32;
/// field-types: the type of a filter.
#[cfg(not(target_os = "netbsd"))]
type Filter = i16;
/// field-types: the type of the flags.
#[cfg(target_os = "netbsd")]
type Flags = u32;
/// field-types: the type of the flags.
#[cfg(not(target_os = "netbsd"))]
type Flags = u16;
/// field-types: the type of a number of events.
#[cfg(target_os = "netbsd")]
type Count = usize;
/// field-types: the type of a number of events.
#[cfg(not(target_os = "netbsd"))]
type Count = std::ffi::c_int;

/// The filter of each direction, with its flags.
const FILTERS: &[(Interest, Filter, u32)] = &[
    (Interest::READABLE, sys::EVFILT_READ, 0),
    (Interest::WRITABLE, sys::EVFILT_WRITE, 0),
    // urgent: a filter that only Apple's systems have.
    #[cfg(target_vendor = "apple")]
    (Interest::PRIORITY, sys::EVFILT_EXCEPT, sys::NOTE_OOB),
];

/// Largest number of events that one system call fetches.
const FETCHED_MAX: usize = 1024;

// SAFETY: a struct of integers, and of a pointer, which may be null.
unsafe impl Zeroable for sys::kevent {}

/// A selector over `kqueue`. Its cost does not grow with the number of sources that are silent.
#[derive(Debug)]
pub struct Kqueue<'fd> {
    queue: OwnedFd,
    /// filter-per-direction: fetched events; those from `next` to `end` are not delivered yet.
    fetched: Box<[sys::kevent]>,
    next: usize,
    end: usize,
    /// filter-per-direction: positions in the batch, by the index of the token.
    positions: Box<[u32]>,
    sources: SourceTable,
    clock: Clock,
    borrowed: PhantomData<BorrowedFd<'fd>>,
}

// SAFETY: the pointers in the fetched events are numbers and are never dereferenced.
unsafe impl Send for Kqueue<'_> {}
// SAFETY: as above.
unsafe impl Sync for Kqueue<'_> {}

impl Kqueue<'_> {
    /// Makes a selector for up to `capacity` sources, the waker included.
    ///
    /// # Errors
    ///
    /// [`OutOfDescriptors`](ErrorKind::OutOfDescriptors) or
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn new(capacity: usize) -> Result<Self, Error> {
        // SAFETY: the call has no preconditions.
        let queue = errno::check(unsafe { sys::kqueue() })?;
        // SAFETY: the descriptor is new, so it has no other owner.
        let queue = unsafe { OwnedFd::from_raw_fd(queue) };
        // SAFETY: the call takes no pointers.
        errno::check(unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
        Ok(Self {
            queue,
            fetched: try_zeroed_slice(FETCHED_MAX)?,
            next: 0,
            end: 0,
            positions: try_zeroed_slice(capacity)?,
            sources: SourceTable::new(capacity)?,
            clock: Clock::new(),
            borrowed: PhantomData,
        })
    }

    /// Makes the same change to each filter of `interest`. Returns the first failure that matters;
    /// the other changes are made.
    fn change(
        &self,
        fd: RawFd,
        token: Token,
        interest: Interest,
        flags: Flags,
    ) -> Result<(), Error> {
        if interest.is_empty() {
            return Ok(());
        }
        // SAFETY: `Zeroable` says that the zeroed value is valid.
        let mut changes: [sys::kevent; FILTERS.len()] = unsafe { std::mem::zeroed() };
        let mut count = 0;
        for &(_, filter, fflags) in FILTERS.iter().filter(|(wanted, ..)| interest.contains(*wanted))
        {
            let change = &mut changes[count];
            change.ident = fd.cast_unsigned() as usize;
            change.filter = filter;
            // receipts: the call returns one for each change.
            change.flags = flags | sys::EV_RECEIPT;
            change.fflags = fflags;
            // late-event: an event with an old generation is dropped.
            change.udata = std::ptr::without_provenance_mut(token.generation() as usize);
            count += 1;
        }
        let array = changes.as_mut_ptr();
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the array has at least `count` entries, which the call may overwrite with
        // receipts once it has read them, and the time is valid for the call.
        let result = unsafe {
            sys::kevent(
                self.queue.as_raw_fd(),
                array,
                counted(count),
                array,
                counted(count),
                &raw const at_once,
            )
        };
        match errno::check(result) {
            Err(error) if error.code() != Some(libc::EINTR) => return Err(error),
            _ => {}
        }
        let receipts = &changes[..usize::try_from(result).unwrap_or(0)];
        receipts.iter().try_for_each(|receipt| receipt_result(receipt, flags))
    }

    /// Adds the filters of `interest`.
    fn add(&self, fd: RawFd, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        let flags = match mode {
            Mode::Level => sys::EV_ADD,
            Mode::Oneshot => sys::EV_ADD | sys::EV_ONESHOT,
            Mode::Edge => sys::EV_ADD | sys::EV_CLEAR,
        };
        self.change(fd, token, interest, flags)
    }

    /// Deletes the filters of `interest`.
    fn delete(&self, fd: RawFd, token: Token, interest: Interest) -> Result<(), Error> {
        self.change(fd, token, interest, sys::EV_DELETE)
    }

    /// Fetches events for a batch with so much room. An interrupted call fetches none.
    fn refill(&mut self, room: usize, timeout: Option<Duration>) -> Result<(), Error> {
        (self.next, self.end) = (0, 0);
        let time = timeout.map(clock::timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // filter-per-direction: two events for each source that the batch has room for.
        let count = counted(room.saturating_mul(2).min(FETCHED_MAX));
        // SAFETY: the buffer has room for at least `count` events, there are no changes, and the
        // time is null or valid for the call.
        let count = unsafe {
            sys::kevent(
                self.queue.as_raw_fd(),
                std::ptr::null(),
                0,
                self.fetched.as_mut_ptr(),
                count,
                time,
            )
        };
        match usize::try_from(count) {
            Ok(count) => self.end = count,
            Err(_) => return retry_or_fail(errno::number(), timeout).map(drop),
        }
        Ok(())
    }

    /// Moves fetched events into the batch, as far as there is room.
    fn deliver(&mut self, events: &mut Events<'_>) {
        while self.next < self.end && self.report(self.next, events) {
            self.next += 1;
        }
    }

    /// Adds the fetched event at `place` to the batch, if its source is still registered for it.
    /// Returns false if there was no room.
    fn report(&mut self, place: usize, events: &mut Events<'_>) -> bool {
        let kernel = self.fetched[place];
        let fd = RawFd::try_from(kernel.ident).ok();
        let index = fd.and_then(|fd| self.sources.fds.index(fd));
        let Some((token, registration)) =
            index.and_then(|index| self.sources.registrations.at(index))
        else {
            return true;
        };
        // late-event: of an earlier registration, or of a deleted filter.
        if token.generation() as usize != kernel.udata.addr()
            || !registration.interest.contains(direction(&kernel))
        {
            return true;
        }
        let event = Event { token, readiness: readiness(&kernel) };
        if events.merge(self.positions[token.index()] as usize, event) {
            return true;
        }
        // oneshot-per-filter: the other filter has fired already.
        if registration.armed().is_empty() {
            return true;
        }
        let position = events.len();
        if events.push(event).is_err() {
            return false;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a batch with 2^32 events fits no memory"
        )]
        let position = position as u32;
        self.positions[token.index()] = position;
        self.sources.registrations.fired(token.index());
        self.sources.drain_waker(token);
        true
    }
}

impl<'fd> Selector for Kqueue<'fd> {
    type Source = BorrowedFd<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        supported(interest)?;
        self.sources.check_vacant(fd, token)?;
        refuse_regular_file(fd)?;
        if let Err(error) = self.add(fd, token, interest, mode) {
            let _ = self.delete(fd, token, interest);
            return Err(error);
        }
        self.sources.insert(fd, token, interest, mode);
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
        supported(interest)?;
        let old = self.sources.get(fd, token)?;
        // old-flags: only a level filter that stays one is kept.
        let stays = mode == Mode::Level && old.mode == Mode::Level;
        let kept = if stays { old.interest & interest } else { Interest::NONE };
        self.delete(fd, token, old.interest - kept)?;
        if let Err(error) = self.add(fd, token, interest - kept, mode) {
            // Restores the earlier filters, as far as the kernel allows.
            let _ = self.delete(fd, token, interest - kept);
            let _ = self.add(fd, token, old.interest - kept, old.mode);
            return Err(error);
        }
        self.sources.update(token, interest, mode);
        Ok(())
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        let fd = source.as_raw_fd();
        let old = self.sources.get(fd, token)?.interest;
        // Removed even if the kernel fails: a source that stayed in the table would lock out the
        // next owner of its descriptor or its slot.
        self.sources.remove(fd, token);
        self.delete(fd, token, old)
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.poll_now(events)
    }

    fn capabilities(&self) -> Capabilities {
        let common = Capabilities::EDGE
            | Capabilities::READ_CLOSED
            | Capabilities::ERROR
            | Capabilities::WAKER;
        if watchable().contains(Interest::PRIORITY) {
            common | Capabilities::PRIORITY
        } else {
            common
        }
    }

    fn capacity(&self) -> usize {
        self.sources.registrations.capacity()
    }
}

impl Wait for Kqueue<'_> {
    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.wait_until(events, deadline)
    }
}

impl Wake for Kqueue<'_> {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        self.sources.check_waker_vacant(token)?;
        let source = WakeSource::new(token)?;
        self.add(source.fd(), token, Interest::READABLE, Mode::Level)?;
        let waker = source.waker();
        self.sources.insert_waker(source);
        Ok(waker)
    }
}

// SAFETY: a source is used in the calls for it only, and the kernel's filters end with the
// deregistration or the closing, whichever comes first.
unsafe impl FdSelector for Kqueue<'static> {}

impl SysWait for Kqueue<'_> {
    fn wait_once(
        &mut self,
        events: &mut Events<'_>,
        timeout: Option<Duration>,
    ) -> Result<usize, Error> {
        let before = events.len();
        self.deliver(events);
        if events.room() > 0 {
            let timeout = if events.len() > before { Some(Duration::ZERO) } else { timeout };
            self.refill(events.room(), timeout)?;
            self.deliver(events);
        }
        Ok(events.len() - before)
    }

    fn sources(&self) -> &SourceTable {
        &self.sources
    }

    fn clock(&self) -> Clock {
        self.clock
    }
}

/// Converts a number of changes or events to the type of the call.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "at most 1024")]
const fn counted(count: usize) -> Count {
    count as Count
}

/// Returns the interests that have a filter.
fn watchable() -> Interest {
    FILTERS.iter().fold(Interest::NONE, |all, (interest, ..)| all | *interest)
}

/// Refuses an interest that has no filter (urgent).
fn supported(interest: Interest) -> Result<(), Error> {
    if watchable().contains(interest) { Ok(()) } else { Err(Error::new(ErrorKind::Unsupported)) }
}

/// Refuses what would fall silent at its end (regular-files).
fn refuse_regular_file(fd: RawFd) -> Result<(), Error> {
    // SAFETY: all bits zero is a valid value of this struct of integers.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `status` is a valid place for the result.
    errno::check(unsafe { libc::fstat(fd, &raw mut status) })?;
    let is_regular = status.st_mode & libc::S_IFMT == libc::S_IFREG;
    if is_regular { Err(Error::new(ErrorKind::Unsupported)) } else { Ok(()) }
}

/// Returns the failure of a change, unless it is harmless (receipts, pipe-without-reader).
fn receipt_result(receipt: &sys::kevent, flags: Flags) -> Result<(), Error> {
    let code = error_code(receipt);
    let harmless = match code {
        libc::ENOENT | libc::EBADF => flags & sys::EV_DELETE != 0,
        libc::EPIPE => flags & sys::EV_ADD != 0,
        code => code == 0,
    };
    if harmless { Ok(()) } else { Err(errno::from_errno(code)) }
}

/// Returns the error number of a receipt or an event, or 0.
fn error_code(kernel: &sys::kevent) -> i32 {
    if kernel.flags & sys::EV_ERROR == 0 {
        0
    } else {
        i32::try_from(kernel.data).unwrap_or(i32::MAX)
    }
}

/// Returns the direction of a fetched event.
fn direction(kernel: &sys::kevent) -> Interest {
    let filter = FILTERS.iter().find(|(_, filter, _)| *filter == kernel.filter);
    filter.map_or(Interest::NONE, |(interest, ..)| *interest)
}

/// Converts a fetched event.
fn readiness(kernel: &sys::kevent) -> Readiness {
    let mut readiness = Readiness::from_bits(u32::from(direction(kernel).bits()));
    if kernel.flags & sys::EV_EOF != 0 {
        if kernel.filter == sys::EVFILT_READ {
            readiness |= Readiness::READ_CLOSED;
        }
        // The end of a connection that failed comes with its error.
        if kernel.fflags != 0 && direction(kernel) != Interest::PRIORITY {
            readiness |= Readiness::ERROR;
        }
    }
    if error_code(kernel) != 0 {
        readiness |= Readiness::ERROR;
    }
    readiness
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::fd;

    fn kernel(filter: Filter, flags: Flags) -> sys::kevent {
        // SAFETY: `Zeroable` says that the zeroed value is valid.
        let mut kernel: sys::kevent = unsafe { std::mem::zeroed() };
        kernel.filter = filter;
        kernel.flags = flags;
        kernel
    }

    #[test]
    fn converts() {
        assert_eq!(readiness(&kernel(sys::EVFILT_READ, 0)), Readiness::READABLE);
        assert_eq!(readiness(&kernel(sys::EVFILT_WRITE, 0)), Readiness::WRITABLE);
        let end = Readiness::READABLE | Readiness::READ_CLOSED;
        assert_eq!(readiness(&kernel(sys::EVFILT_READ, sys::EV_EOF)), end);
        let mut failed = kernel(sys::EVFILT_WRITE, sys::EV_EOF);
        failed.fflags = 1;
        assert_eq!(readiness(&failed), Readiness::ERROR | Readiness::WRITABLE);
    }

    #[test]
    #[allow(clippy::cast_lossless, reason = "the type differs from system to system")]
    fn receipts_that_mean_nothing_are_no_errors() {
        let mut receipt = kernel(sys::EVFILT_WRITE, sys::EV_ERROR);
        assert_eq!(receipt_result(&receipt, sys::EV_ADD), Ok(()));
        receipt.data = libc::EPIPE as _;
        assert_eq!(receipt_result(&receipt, sys::EV_ADD), Ok(()));
        receipt.data = libc::ENOENT as _;
        assert_eq!(receipt_result(&receipt, sys::EV_DELETE), Ok(()));
        assert!(receipt_result(&receipt, sys::EV_ADD).is_err());
    }

    #[test]
    fn what_does_not_fit_comes_with_the_next_batch_unless_it_is_gone() {
        let pipes: Vec<_> = (0..4).map(|_| fd::pipe().unwrap()).collect();
        let mut selector = Kqueue::new(4).unwrap();
        for (index, (_, write)) in (0..).zip(&pipes) {
            selector
                .register(write.as_fd(), Token::new(index, 1), Interest::WRITABLE, Mode::Edge)
                .unwrap();
        }
        let mut reported = Vec::new();
        let mut poll = |selector: &mut Kqueue<'_>| {
            let mut slots = [Event::EMPTY; 1];
            let mut events = Events::new(&mut slots);
            selector.poll(Instant::ZERO, &mut events).unwrap();
            reported.extend(events.iter().map(|event| event.token));
            reported.clone()
        };
        let first = poll(&mut selector);
        assert_eq!(
            (first.len(), selector.end - selector.next),
            (1, 1),
            "one is delivered, and one is kept"
        );
        for (index, (_, write)) in (0..).zip(&pipes) {
            let token = Token::new(index, 1);
            if !first.contains(&token) {
                selector.deregister(write.as_fd(), token).unwrap();
            }
        }
        assert_eq!(poll(&mut selector), first, "those that left are not reported any more");
    }
}
