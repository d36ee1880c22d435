//! The selector of WASI 0.2. `mod.rs` lists the quirks.

use selkie_core::platform::{Capabilities, Events, Selector, Wait};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Token};

use super::deadline_pollable::DeadlinePollable;
use super::ration::Ration;
use super::streams::{State, Streams};
use crate::p2::imports::{self, Handle};
use crate::shared::poll_list::PollList;
use crate::shared::poll_list::SubscriptionId;
use crate::shared::socket_table::Socket;
use crate::shared::storage::{StaticStorage, Storage};

/// The memory of an [`IoPoll`], from a [`StaticIoPoll`] or, with the feature `std`, from the heap.
pub type IoPollStorage<'a> = Storage<'a, Streams>;

/// The memory of an [`IoPoll`] for `SLOTS` sources as one value, for a `static`.
pub type StaticIoPoll<const SLOTS: usize> = StaticStorage<Streams, SLOTS>;

/// A platform over `wasi:io/poll`, for components: a selector together with the sockets that it
/// watches.
///
/// In each wait, the cost in the host grows with the number of sources, silent or not; the cost in
/// the backend grows with the number of ready ones.
///
/// A connection that is closed while the host has bytes of it keeps its place for a source until
/// the peer has received them or is gone.
#[derive(Debug)]
pub struct IoPoll<'a> {
    pub(super) list: PollList<'a, Streams>,
    pub(super) ready: &'a mut [SubscriptionId],
    /// The clock of waits with a deadline.
    deadline: DeadlinePollable,
    /// Number of sources that are closed in the background (host-buffers).
    pub(super) closing: usize,
    /// Set if the last batch had no room for all ready sources, so that the next one continues
    /// there.
    pub(super) resumes: bool,
    pub(super) ration: Ration,
    /// Memory for one message of a UDP socket; empty until there is one.
    #[cfg(target_arch = "wasm32")]
    pub(super) message: &'static mut [u8],
}

impl<'a> IoPoll<'a> {
    /// Creates a platform without sources in the memory of `storage`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the program exports another `cabi_realloc` than
    /// this crate's, so that the lists of the host go to other memory. Without the feature `std`,
    /// invoke [`export_cabi_realloc!`](crate::export_cabi_realloc) once in the program.
    pub fn new(storage: IoPollStorage<'a>) -> Result<Self, Error> {
        let (list, ready) = PollList::new(storage);
        let ration = Ration::new();
        // Returns a list of one when the clock has expired, and shows where the list went.
        match imports::poll(&[ration.expired_clock()], ready) {
            Some(_) => Ok(Self {
                list,
                ready,
                deadline: DeadlinePollable::NONE,
                closing: 0,
                resumes: false,
                ration,
                #[cfg(target_arch = "wasm32")]
                message: &mut [],
            }),
            None => Err(Error::new(ErrorKind::Unsupported)),
        }
    }

    /// Returns the pollable of a deadline.
    fn deadline_pollable(&mut self, deadline: Instant) -> Handle {
        let nanos = deadline.as_nanos();
        match self.deadline.kept(nanos) {
            Some(pollable) => pollable,
            // expired-at-birth: take a clock that expired after it was made.
            None if nanos <= imports::now() => self.ration.expired_clock(),
            None => self.deadline.set(nanos),
        }
    }

    /// Closes a source that is not registered. host-buffers: in the background if the host still
    /// has bytes of it.
    pub(super) fn close_source(&mut self, slot: usize) {
        let streams = &mut self.list.sockets.at(slot).platform;
        if streams.state == State::Connected && self.ration.check_write(streams.output) == Ok(0) {
            streams.state = State::Closing;
            self.closing += 1;
            self.list.sockets.disown(slot);
            self.list.arm(slot, Interest::WRITABLE);
        } else {
            self.release(slot);
        }
    }

    /// Drops a source that is not in the list, and frees its place.
    #[inline(never)]
    fn release(&mut self, slot: usize) {
        self.list.sockets.at(slot).platform.drop_all();
        self.list.sockets.vacate(slot);
    }

    /// Releases the sources whose buffer in the host is empty.
    #[cold]
    pub(super) fn drop_closed(&mut self) {
        for position in (0..self.list.len).rev() {
            let slot = self.list.ids[position].slot();
            if self.list.sockets.at(slot).platform.state == State::Closed {
                self.list.arm(slot, Interest::NONE);
                self.release(slot);
                self.closing -= 1;
            }
        }
    }

    /// Blocks until `pollable` is ready, which must not take long, and drops it.
    pub(super) fn block_on(&mut self, pollable: Handle) {
        imports::poll(&[pollable], self.ready);
        imports::drop_pollable(pollable);
    }
}

impl Selector for IoPoll<'_> {
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
        if events.room() > 0 && self.list.len > 0 {
            // no-zero-wait: an expired clock keeps the call from blocking.
            self.wait_once(events, Some(self.ration.expired_clock()));
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::CHECK
    }

    fn capacity(&self) -> usize {
        self.list.token_slots.len()
    }
}

impl Wait for IoPoll<'_> {
    #[inline]
    fn now(&mut self) -> Instant {
        Instant::from_nanos(imports::now())
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        if events.room() == 0 {
            return Ok(());
        }
        let Some(deadline) = deadline else {
            if self.list.len == self.closing {
                return Err(Error::new(ErrorKind::NothingToWaitFor));
            }
            while self.wait_once(events, None) == 0 {}
            return Ok(());
        };
        let pollable = self.deadline_pollable(deadline);
        while self.wait_once(events, Some(pollable)) == 0 && self.now() < deadline {}
        Ok(())
    }
}

impl Drop for IoPoll<'_> {
    /// Waits up to a second for unsent bytes, then drops everything.
    fn drop(&mut self) {
        /// The time for unsent bytes, in nanoseconds.
        const LINGER: u64 = 1_000_000_000;

        for slot in 0..self.list.sockets.capacity() {
            let state = self.list.sockets.find(slot).map(|source| source.platform.state);
            if state.is_some_and(|state| state != State::Closing) {
                self.list.arm(slot, Interest::NONE);
                self.close_source(slot);
            }
        }
        let end = imports::now().saturating_add(LINGER);
        let pollable = self.deadline.set(end);
        let mut slots = [Event::EMPTY];
        while self.closing > 0 && imports::now() < end {
            self.wait_once(&mut Events::new(&mut slots), Some(pollable));
        }
        // Dropping the others would block; they end with the program.
        self.ration.drop_clocks();
        self.deadline.drop_pollable();
    }
}
