//! `poll_oneoff`, for WASI 0.1.
//!
//! (a) Where any descriptor is ready, hosts with the code of `wasi-common` report every descriptor
//! that was asked about     (wasmtime up to 46, wasmi). Reported bytes of at most one may mean
//! none; so such a stream is peeked at, and left     out if there is nothing, or the one connection
//! that speaks would have to wait behind all that are silent. (b) An unknown descriptor, and one of
//! a kind that cannot be waited for, fails the whole call. Then each is asked about     by itself,
//! and in the place of one that is broken the host gets a clock that has struck long ago: it
//! reports that     at once and every time, and hears of the broken one no more until that is armed
//! again. (c) HANGUP is said to tell that the peer closed, and some hosts tell so only when both
//! directions are dead. It is     taken as readiness, and the read tells.
//! (d) A connection that was reset is reported with the error IO, and the read gives CONNRESET or,
//! in some hosts, IO. (e) A deadline on the monotonic clock may be absolute, which saves reading
//! the clock; one too far in the future     overflows in the host and fails the call.
//! (f) A call without any subscription is refused, so a wait without a deadline has one that is
//! decades away. (g) There is no `connect`, no `bind`, and no way to learn an address: the host
//! opens the listener, and hands it over     as a descriptor. There is no way to reset a connection
//! either.

mod descriptor;
mod errno;
mod preopened;
mod subscription;
mod transport;

use selkie_core::{
    Capabilities, Error, ErrorKind, Events, Instant, Interest, Mode, Selector, Token, Wait,
};

use self::descriptor::Descriptor;
use self::subscription::{Report, Subscription, call};
use crate::handles::Socket;
use crate::storage::{StaticStorage, Storage};
use crate::watched::{Owner, Watched};

/// The memory of a [`PollOneoff`], from a [`StaticPollOneoff`] or, with the feature `std`, from the
/// heap.
pub type PollOneoffStorage<'a> = Storage<'a, Descriptor>;

/// The memory of a [`PollOneoff`] for `SLOTS` sources as one value, for a `static`.
pub type StaticPollOneoff<const SLOTS: usize> = StaticStorage<Descriptor, SLOTS>;

/// A platform over `poll_oneoff`, for modules: a selector together with the descriptors that it
/// watches.
///
/// Each wait costs in proportion to the number of sources, silent or not, in the host as well as
/// here.
#[derive(Debug)]
pub struct PollOneoff<'a> {
    watched: Watched<'a, Descriptor>,
    reports: &'a mut [Report],
}

impl<'a> PollOneoff<'a> {
    /// A platform in the memory of `storage`, without any source yet.
    #[must_use]
    pub fn new(storage: PollOneoffStorage<'a>) -> Self {
        let (watched, reports) = Watched::new(storage);
        Self { watched, reports }
    }

    /// One call of the host: waits until `deadline`, and adds what is ready to `events`.
    fn fetch(&mut self, events: &mut Events<'_>, deadline: Instant) -> Result<(), Error> {
        let end = self.watched.len;
        self.watched.items[end].strike(Owner::NOBODY, deadline);
        match call(&self.watched.items[..=end], self.reports) {
            Ok(reported) => self.watched.collect(&self.reports[..reported], events),
            Err(errno) => return self.find_broken(errno),
        };
        Ok(())
    }

    /// Finds the sources because of which the host failed the whole call with `errno`. Nothing else
    /// was reported. (b)
    #[cold]
    #[inline(never)]
    fn find_broken(&mut self, errno: wasi::Errno) -> Result<(), Error> {
        let mut result = Err(errno::error(errno));
        for position in 0..self.watched.len {
            let mut alone = [self.watched.items[position], Subscription::NONE];
            alone[1].strike(Owner::NOBODY, Instant::ZERO);
            if call(&alone, self.reports) == Err(errno) {
                self.watched.items[position].strike(self.watched.owners[position], Instant::ZERO);
                result = Ok(());
            }
        }
        result
    }
}

impl Selector for PollOneoff<'_> {
    type Source = Socket;

    fn register(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.watched.register(source, token, interest, mode)
    }

    fn modify(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.watched.modify(source, token, interest, mode)
    }

    fn deregister(&mut self, source: Socket, token: Token) -> Result<(), Error> {
        self.watched.deregister(source, token)
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() == 0 { Ok(()) } else { self.fetch(events, Instant::ZERO) }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ERROR
    }

    fn capacity(&self) -> usize {
        self.watched.places.len()
    }
}

impl Wait for PollOneoff<'_> {
    fn now(&mut self) -> Instant {
        // SAFETY: the call takes no pointers of ours.
        let nanos = unsafe { wasi::clock_time_get(wasi::CLOCKID_MONOTONIC, 0) };
        // Every host has this clock. Without one there would be no deadlines, and none would ever
        // be late.
        Instant::from_nanos(nanos.unwrap_or(0))
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        let before = events.len();
        if events.room() == 0 {
            return Ok(());
        }
        let deadline = match deadline {
            Some(deadline) => deadline,
            None if self.watched.len == 0 => return Err(Error::new(ErrorKind::NothingToWaitFor)),
            // (f)
            None => Instant::MAX,
        };
        loop {
            self.fetch(events, deadline)?;
            if events.len() > before || self.now() >= deadline {
                return Ok(());
            }
        }
    }
}
