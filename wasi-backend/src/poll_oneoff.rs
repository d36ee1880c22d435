//! `poll_oneoff`, for WASI 0.1.
//!
//! (a) Where any descriptor is ready, hosts with the code of `wasi-common` report every descriptor that was asked about
//!     (wasmtime up to 46, wasmi). Reported bytes of at most one may mean none; so such a stream is peeked at, and left
//!     out if there is nothing, or the one connection that speaks would have to wait behind all that are silent.
//! (b) An unknown descriptor, and one of a kind that cannot be waited for, fails the whole call. Then each is asked about
//!     by itself; the broken ones are reported under their own tokens from then on, and the others go on without them.
//! (c) HANGUP is said to tell that the peer closed, and some hosts tell so only when both directions are dead. It is
//!     taken as readiness, and the read tells.
//! (d) A connection that was reset is reported with the error IO, and the read gives CONNRESET or, in some hosts, IO.
//! (e) A deadline on the monotonic clock may be absolute, which saves reading the clock; one too far in the future
//!     overflows in the host and fails the call.
//! (f) A call without any subscription is refused.
//! (g) There is no `connect`, no `bind`, and no way to learn an address: the host opens the listener, and hands it over
//!     as a descriptor. There is no way to reset a connection either.

use core::fmt;

use selkie_core::{
    Capabilities, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Readiness, Registration, Selector, Token,
    Wait,
};

use crate::cells::Cells;
use crate::errno;
use crate::handles::{Entry, Socket, UNREGISTERED};
use crate::watched::{Direction, Watch, Watched};

/// What a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Neither of the below, such as standard input.
    Other = 0,
    /// A connection.
    Stream = 1,
    /// A listening socket.
    Listener = 2,
}

/// A descriptor that the platform owns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor {
    pub(crate) fd: wasi::Fd,
    pub(crate) kind: Kind,
    /// (b)
    is_broken: bool,
}

impl Descriptor {
    const NONE: Self = Self::new(0, Kind::Other);

    pub(crate) const fn new(fd: wasi::Fd, kind: Kind) -> Self {
        Self { fd, kind, is_broken: false }
    }

    /// Whether there is something to read: bytes, an end or an error.
    fn has_arrivals(self) -> bool {
        let mut byte = 0_u8;
        let place = [wasi::Iovec { buf: &raw mut byte, buf_len: 1 }];
        // SAFETY: the list names one byte that is valid for writes.
        let peeked = unsafe { wasi::sock_recv(self.fd, &place, wasi::RIFLAGS_RECV_PEEK) };
        peeked != Err(wasi::ERRNO_AGAIN)
    }

    /// What the host's report means.
    fn readiness(self, report: &wasi::Event, direction: Direction) -> Readiness {
        if report.error != wasi::ERRNO_SUCCESS {
            return (Readiness::ERROR | direction.readiness()).with_implied();
        }
        let hung_up = report.fd_readwrite.flags & wasi::EVENTRWFLAGS_FD_READWRITE_HANGUP != 0;
        let is_doubtful = report.fd_readwrite.nbytes <= 1 && !hung_up;
        // (a)
        if direction == Direction::Read && is_doubtful && self.kind == Kind::Stream && !self.has_arrivals() {
            return Readiness::NONE;
        }
        // (c)
        direction.readiness()
    }
}

impl Watch for Descriptor {
    type Item = Subscription;

    fn item(&mut self, direction: Direction) -> Subscription {
        let fd = wasi::SubscriptionFdReadwrite { file_descriptor: self.fd };
        Subscription::new(match direction {
            Direction::Read => {
                wasi::SubscriptionU { tag: wasi::EVENTTYPE_FD_READ.raw(), u: wasi::SubscriptionUU { fd_read: fd } }
            }
            Direction::Write => {
                wasi::SubscriptionU { tag: wasi::EVENTTYPE_FD_WRITE.raw(), u: wasi::SubscriptionUU { fd_write: fd } }
            }
        })
    }

    fn place(item: &mut Subscription, position: usize) {
        item.0.userdata = position as u64;
    }
}

/// One thing that the host is asked to wait for.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Subscription(wasi::Subscription);

impl Subscription {
    /// What the host gives back for what is no item of the list.
    const NOT_AN_ITEM: u64 = u64::MAX;
    /// All zero, so that tables of it lie in `.bss`.
    const NONE: Self = Self(wasi::Subscription {
        userdata: 0,
        u: wasi::SubscriptionU {
            tag: 0,
            u: wasi::SubscriptionUU {
                clock: wasi::SubscriptionClock { id: wasi::CLOCKID_REALTIME, timeout: 0, precision: 0, flags: 0 },
            },
        },
    });

    const fn new(what: wasi::SubscriptionU) -> Self {
        Self(wasi::Subscription { userdata: Self::NOT_AN_ITEM, u: what })
    }

    const fn clock(timeout: u64, flags: wasi::Subclockflags) -> Self {
        Self::new(wasi::SubscriptionU {
            tag: 0,
            u: wasi::SubscriptionUU {
                clock: wasi::SubscriptionClock { id: wasi::CLOCKID_MONOTONIC, timeout, precision: 0, flags },
            },
        })
    }

    /// The end of a call at `deadline`, or at once.
    const fn end(deadline: Option<Instant>) -> Self {
        match deadline {
            Some(deadline) => {
                // (e)
                let nanos = if deadline.as_nanos() < DEADLINE_MAX { deadline.as_nanos() } else { DEADLINE_MAX };
                Self::clock(nanos, wasi::SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME)
            }
            None => Self::clock(0, 0),
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Subscription").field("position", &self.0.userdata).finish_non_exhaustive()
    }
}

/// What the host says of one subscription.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Report(wasi::Event);

impl Report {
    /// All zero, so that tables of it lie in `.bss`.
    const NONE: Self = Self(wasi::Event {
        userdata: 0,
        error: wasi::ERRNO_SUCCESS,
        type_: wasi::EVENTTYPE_CLOCK,
        fd_readwrite: wasi::EventFdReadwrite { nbytes: 0, flags: 0 },
    });
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The latest deadline that the host is asked for, in nanoseconds: 36 years.
const DEADLINE_MAX: u64 = 1 << 60;

/// The memory of a [`PollOneoff`], from a [`StaticPollOneoff`] or, with the feature `std`, from the heap.
#[derive(Debug)]
pub struct PollOneoffStorage<'a> {
    /// One for each token: indices below this many can be registered.
    registrations: &'a mut [Registration],
    /// One for each source.
    sources: &'a mut [Entry<Descriptor>],
    /// Two for each source, and one for the clock.
    subscriptions: &'a mut [Subscription],
    /// As many as there are subscriptions.
    reports: &'a mut [Report],
    /// Two for each source.
    owners: &'a mut [u32],
}

impl PollOneoffStorage<'_> {
    /// The same memory for a loop of at most `slots` sources; what is left of it is for sources that are open and not
    /// registered.
    #[must_use]
    pub fn with_slots(self, slots: usize) -> Self {
        let slots = slots.min(self.registrations.len());
        Self { registrations: &mut self.registrations[..slots], ..self }
    }
}

/// The memory of a [`PollOneoff`] for `SLOTS` sources as one value, for a `static`.
#[derive(Debug)]
pub struct StaticPollOneoff<const SLOTS: usize> {
    registrations: [Registration; SLOTS],
    sources: [Entry<Descriptor>; SLOTS],
    subscriptions: Cells<Subscription, SLOTS>,
    reports: Cells<Report, SLOTS>,
    owners: [[u32; 2]; SLOTS],
}

impl<const SLOTS: usize> StaticPollOneoff<SLOTS> {
    /// No sources yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            registrations: [Registration::EMPTY; SLOTS],
            sources: [Entry::vacant(Descriptor::NONE); SLOTS],
            subscriptions: Cells::new(Subscription::NONE),
            reports: Cells::new(Report::NONE),
            owners: [[0; 2]; SLOTS],
        }
    }

    /// Lends the memory to a platform.
    pub const fn storage(&mut self) -> PollOneoffStorage<'_> {
        PollOneoffStorage {
            registrations: &mut self.registrations,
            sources: &mut self.sources,
            subscriptions: self.subscriptions.as_mut_slice(),
            reports: self.reports.as_mut_slice(),
            owners: self.owners.as_flattened_mut(),
        }
    }
}

impl<const SLOTS: usize> Default for StaticPollOneoff<SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "std")]
impl PollOneoffStorage<'static> {
    /// Memory for `capacity` sources, from the heap, for the rest of the program.
    #[must_use]
    pub fn leaked(capacity: usize) -> Self {
        use crate::leak::leaked;
        Self {
            registrations: leaked(capacity, Registration::EMPTY),
            sources: leaked(capacity, Entry::vacant(Descriptor::NONE)),
            subscriptions: leaked(2 * capacity + 1, Subscription::NONE),
            reports: leaked(2 * capacity + 1, Report::NONE),
            owners: leaked(2 * capacity, 0),
        }
    }
}

/// A platform over `poll_oneoff`, for modules: a selector together with the descriptors that it watches.
///
/// Each wait costs in proportion to the number of sources, silent or not, in the host as well as here.
#[derive(Debug)]
pub struct PollOneoff<'a> {
    pub(crate) watched: Watched<'a, Descriptor>,
    reports: &'a mut [Report],
    /// Whether a source is broken. (b)
    has_broken: bool,
    /// Whether broken sources are the first to be reported this time.
    broken_first: bool,
}

impl<'a> PollOneoff<'a> {
    /// A platform in the memory of `storage`, without any source yet.
    #[must_use]
    pub fn new(storage: PollOneoffStorage<'a>) -> Self {
        let PollOneoffStorage { registrations, sources, subscriptions, reports, owners } = storage;
        Self {
            watched: Watched::new(registrations, sources, subscriptions, owners),
            reports,
            has_broken: false,
            broken_first: false,
        }
    }

    /// One call of the host: waits until `deadline`, or without an end if `is_endless`, adds what is ready to `events`
    /// and says how much that is.
    fn fetch(&mut self, events: &mut Events<'_>, deadline: Option<Instant>, is_endless: bool) -> Result<usize, Error> {
        let before = events.len();
        if self.has_broken && self.broken_first {
            self.report_broken(events);
        }
        let mut count = self.watched.len;
        let is_ready = self.has_broken || events.len() > before;
        if is_ready || !is_endless {
            self.watched.items[count] = Subscription::end(if is_ready { None } else { deadline });
            count += 1;
        }
        match call(&self.watched.items[..count], self.reports) {
            Ok(reported) => {
                self.watched.collect(
                    &self.reports[..reported.min(count)],
                    events,
                    |report| usize::try_from(report.0.userdata).unwrap_or(usize::MAX),
                    |report, descriptor, direction| descriptor.readiness(&report.0, direction),
                );
            }
            Err(wasi::ERRNO_INTR | wasi::ERRNO_AGAIN) => {}
            Err(errno) => self.find_broken(errno)?,
        }
        if self.has_broken && !self.broken_first {
            self.report_broken(events);
        }
        self.broken_first = !self.broken_first;
        Ok(events.len() - before)
    }

    /// Finds the sources because of which the host failed the whole call, and takes them out of the list. (b)
    #[cold]
    fn find_broken(&mut self, errno: wasi::Errno) -> Result<(), Error> {
        let mut found = false;
        let mut position = 0;
        while position < self.watched.len {
            let alone = [self.watched.items[position], Subscription::end(None)];
            let (slot, _) = self.watched.owner(position);
            match call(&alone, &mut [Report::NONE; 2]) {
                Ok(_) | Err(wasi::ERRNO_INTR | wasi::ERRNO_AGAIN) => position += 1,
                Err(_) => {
                    found = true;
                    self.watched.handles.at(slot).platform.is_broken = true;
                    // Other items take its places, so begin again with the next that is here now. The item of its other
                    // direction may have stood earlier, which moves one from the end to there: that one is asked later,
                    // when the call fails again.
                    self.watched.arm(slot, Interest::NONE);
                }
            }
        }
        self.has_broken |= found;
        if found { Ok(()) } else { Err(errno::error(errno)) }
    }

    /// Adds the broken sources that somebody wants to hear of.
    #[cold]
    fn report_broken(&mut self, events: &mut Events<'_>) {
        self.has_broken = false;
        for (_, entry) in self.watched.handles.iter() {
            if !entry.platform.is_broken || entry.token == UNREGISTERED {
                continue;
            }
            let is_armed = self.watched.registrations.get(entry.token).is_ok_and(|it| !it.armed().is_empty());
            if is_armed {
                self.has_broken = true;
                let readiness = Readiness::ERROR.with_implied();
                if events.push(Event { token: entry.token, readiness }).is_err() {
                    break;
                }
                self.watched.registrations.fired(entry.token.index());
            }
        }
    }

    /// Waits again for a source that was broken, if it is to be waited for: perhaps it has been mended.
    fn mend(&mut self, source: Socket) {
        if let Ok((_, entry)) = self.watched.handles.get(source) {
            entry.platform.is_broken = false;
        }
    }
}

/// `poll_oneoff`. There are as many places for reports as there are subscriptions.
fn call(subscriptions: &[Subscription], reports: &mut [Report]) -> Result<usize, wasi::Errno> {
    let count = subscriptions.len().min(reports.len());
    // SAFETY: both are transparent wrappers of what the host takes, and both arrays have at least `count` places.
    unsafe { wasi::poll_oneoff(subscriptions.as_ptr().cast(), reports.as_mut_ptr().cast(), count) }
}

impl Selector for PollOneoff<'_> {
    type Source = Socket;

    fn register(&mut self, source: Socket, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        self.watched.register(source, token, interest, mode)
    }

    fn modify(&mut self, source: Socket, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        self.watched.modify(source, token, interest, mode)?;
        self.mend(source);
        Ok(())
    }

    fn deregister(&mut self, source: Socket, token: Token) -> Result<(), Error> {
        self.watched.deregister(source, token)?;
        self.mend(source);
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() > 0 && self.watched.registrations.armed() > 0 {
            self.fetch(events, None, false)?;
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ERROR
    }

    fn capacity(&self) -> usize {
        self.watched.registrations.capacity()
    }
}

impl Wait for PollOneoff<'_> {
    fn now(&mut self) -> Instant {
        // SAFETY: the call takes no pointers of ours.
        let nanos = unsafe { wasi::clock_time_get(wasi::CLOCKID_MONOTONIC, 0) };
        // Every host has this clock. Without one there would be no deadlines, and none would ever be late.
        Instant::from_nanos(nanos.unwrap_or(0))
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        if events.room() == 0 {
            return Ok(());
        }
        let Some(deadline) = deadline else {
            // (f)
            if self.watched.registrations.armed() == 0 {
                return Err(Error::new(ErrorKind::NothingToWaitFor));
            }
            while self.fetch(events, None, true)? == 0 {}
            return Ok(());
        };
        while self.fetch(events, Some(deadline), false)? == 0 && self.now() < deadline {}
        Ok(())
    }
}
