//! The selector of WASI 0.1. `mod.rs` lists the quirks.

use selkie_core::platform::{Capabilities, Events, Selector, Wait};
use selkie_core::{Error, ErrorKind, Instant, Interest, Mode, Token};

use super::descriptor::Descriptor;
use super::error;
use super::subscription::{Report, Subscription, call};
use crate::shared::poll_list::{PollList, SubscriptionId};
use crate::shared::socket_table::Socket;
use crate::shared::storage::{StaticStorage, Storage};

/// The memory of a [`PollOneoff`], from a [`StaticPollOneoff`] or, with the feature `std`, from the
/// heap.
pub type PollOneoffStorage<'a> = Storage<'a, Descriptor>;

/// The memory of a [`PollOneoff`] for `SLOTS` sources as one value, for a `static`.
pub type StaticPollOneoff<const SLOTS: usize> = StaticStorage<Descriptor, SLOTS>;

/// A platform over `poll_oneoff`, for modules: a selector together with the descriptors that it
/// watches.
///
/// The cost of each wait grows with the number of sources, silent or not, in the host and in the
/// backend.
#[derive(Debug)]
pub struct PollOneoff<'a> {
    pub(super) list: PollList<'a, Descriptor>,
    reports: &'a mut [Report],
}

impl<'a> PollOneoff<'a> {
    /// Creates a platform without sources in the memory of `storage`.
    #[must_use]
    pub fn new(storage: PollOneoffStorage<'a>) -> Self {
        let (list, reports) = PollList::new(storage);
        Self { list, reports }
    }

    /// Makes one host call: waits until `deadline`, and adds ready sources to `events`.
    fn wait_once(&mut self, events: &mut Events<'_>, deadline: Instant) -> Result<(), Error> {
        let end = self.list.len;
        self.list.items[end].set_clock(SubscriptionId::UNKNOWN, deadline);
        match call(&self.list.items[..=end], self.reports) {
            Ok(reported) => self.list.report(&self.reports[..reported], events),
            Err(errno) => return self.find_broken(errno),
        };
        Ok(())
    }

    /// Finds the sources that made the host fail the whole call with `errno`. Nothing else was
    /// reported.
    #[cold]
    #[inline(never)]
    fn find_broken(&mut self, errno: wasi::Errno) -> Result<(), Error> {
        let mut result = Err(error::error(errno));
        for position in 0..self.list.len {
            let mut alone = [self.list.items[position], Subscription::NONE];
            alone[1].set_clock(SubscriptionId::UNKNOWN, Instant::ZERO);
            if call(&alone, self.reports) == Err(errno) {
                self.list.items[position].set_clock(self.list.ids[position], Instant::ZERO);
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
        self.list.register(source, token, interest, mode)
    }

    fn modify(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.list.modify(source, token, interest, mode)
    }

    fn deregister(&mut self, source: Socket, token: Token) -> Result<(), Error> {
        self.list.deregister(source, token)
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() == 0 { Ok(()) } else { self.wait_once(events, Instant::ZERO) }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ERROR | Capabilities::CHECK
    }

    fn capacity(&self) -> usize {
        self.list.token_slots.len()
    }
}

impl Wait for PollOneoff<'_> {
    fn now(&mut self) -> Instant {
        // SAFETY: the call takes no pointers of ours.
        let nanos = unsafe { wasi::clock_time_get(wasi::CLOCKID_MONOTONIC, 0) };
        // Every host has this clock. Without it no deadline would ever pass.
        Instant::from_nanos(nanos.unwrap_or(0))
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        let before = events.len();
        if events.room() == 0 {
            return Ok(());
        }
        let deadline = match deadline {
            Some(deadline) => deadline,
            None if self.list.len == 0 => return Err(Error::new(ErrorKind::NothingToWaitFor)),
            // empty-list: the call needs a subscription, so wait for a clock decades away.
            None => Instant::MAX,
        };
        loop {
            self.wait_once(events, deadline)?;
            if events.len() > before || self.now() >= deadline {
                return Ok(());
            }
        }
    }
}
