//! `wasi:io/poll` and `wasi:sockets`, for WASI 0.2.
//!
//! (a) An empty list ends the program, as does a write of more bytes than `check-write` has just
//! allowed. (b) The list of pollables is read in place, so the handles stay packed. The list of
//! those that are ready comes in an     order of the host's own, the same each time. So those that
//! were reported stand together, and the next batch begins     behind them if there was no room for
//! all. (c) A pollable is a child of its stream, and a stream of its socket: a parent that is
//! dropped first ends the program.     Each direction has its own pollable, which is made when it
//! is first waited for and kept until the end. (d) A host takes all the bytes of a write, and those
//! that the system does not take stay with it; `check-write` says 0     until they are gone. What
//! dropping the stream does then depends on the host: wasmtime 36 throws them away,     wasmtime 48
//! waits for them, and everybody else with it. So such a stream is closed in the background: it
//! keeps its     place in the table until the host has got rid of the bytes, whether they were to
//! be sent or to be thrown away. (e) Why a stream failed is not told (`network-error-code` is
//! behind a feature that hosts turn off). On a connection     that was established it means in
//! practice that the peer has reset it. (f) There is no way to reset a connection, to see that a
//! peer hung up without reading, or to wait without an end to     the list: a poll that must not
//! block takes along a clock that has long struck. (g) wasmtime rations what a program may do
//! before it has to sleep, and says nothing is ready once that is used up: not     what stands
//! behind, and no room to write that was just promised. `ration.rs` is about that. (h) A stream is
//! ready until a read has found nothing in it, even if the read before took all there was. The poll
//! that     only finds this out costs as much as any other, which with many sources is far more
//! than a read. So the server     reads on after it has answered.
//! (i) A clock that has struck when it is subscribed to is always ready, and a poll that reports
//! anything does not sleep:     so with the ration used up such a poll would report the clock, and
//! nothing else, for ever. One that has struck since     is rationed too. Only such clocks go into
//! a poll that must not block.

mod alarm;
mod error_code;
mod fetch;
mod ration;
mod sockets;
mod streams;
mod transport;

use selkie_core::{
    Capabilities, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Selector, Token, Wait,
};

use self::alarm::Alarm;
use self::ration::Ration;
use self::streams::{State, Streams};
use crate::handles::Socket;
use crate::imports::{self, Handle};
use crate::storage::{StaticStorage, Storage};
use crate::watched::Owner;
use crate::watched::Watched;

/// The memory of an [`IoPoll`], from a [`StaticIoPoll`] or, with the feature `std`, from the heap.
pub type IoPollStorage<'a> = Storage<'a, Streams>;

/// The memory of an [`IoPoll`] for `SLOTS` sources as one value, for a `static`.
pub type StaticIoPoll<const SLOTS: usize> = StaticStorage<Streams, SLOTS>;

/// A platform over `wasi:io/poll`, for components: a selector together with the sockets that it
/// watches.
///
/// The host's part of each wait costs in proportion to the number of sources, silent or not; the
/// backend's in proportion to those that are ready.
///
/// Of its places for sources, connections that were closed while the host still held bytes for them
/// take one each until the peer has taken those, or is gone.
#[derive(Debug)]
pub struct IoPoll<'a> {
    watched: Watched<'a, Streams>,
    ready: &'a mut [Owner],
    /// For waits with a deadline.
    deadline: Alarm,
    /// How many sources are closed in the background. (d)
    closing: usize,
    /// Whether the next batch begins where the last one had no room for all that was ready, rather
    /// than with a new report.
    resumes: bool,
    /// (g)
    ration: Ration,
}

impl<'a> IoPoll<'a> {
    /// A platform in the memory of `storage`, without any source yet.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the program exports another `cabi_realloc` than
    /// this crate's, so that the lists of the host would not come to where they are wanted:
    /// without the feature `std`, say [`export_cabi_realloc!`](crate::export_cabi_realloc) once
    /// in the program.
    pub fn new(storage: IoPollStorage<'a>) -> Result<Self, Error> {
        let (watched, ready) = Watched::new(storage);
        let ration = Ration::new();
        // A first call, which returns a list of one when the clock has struck. (i)
        match imports::poll(&[ration.past()], ready) {
            Some(_) => Ok(Self {
                watched,
                ready,
                deadline: Alarm::NONE,
                closing: 0,
                resumes: false,
                ration,
            }),
            None => Err(Error::new(ErrorKind::Unsupported)),
        }
    }

    /// The pollable for a deadline.
    fn alarm(&mut self, deadline: Instant) -> Handle {
        let nanos = deadline.as_nanos();
        match self.deadline.kept(nanos) {
            Some(pollable) => pollable,
            // (i)
            None if nanos <= imports::now() => self.ration.past(),
            None => self.deadline.set(nanos),
        }
    }

    /// Closes a source that is not registered, in the background if need be. (d)
    fn retire(&mut self, slot: usize) {
        let streams = &mut self.watched.handles.at(slot).platform;
        if streams.state == State::Connected && streams.holds_bytes() {
            streams.state = State::Closing;
            self.closing += 1;
            self.watched.handles.disown(slot);
            self.watched.arm(slot, Interest::WRITABLE);
        } else {
            self.let_go(slot);
        }
    }

    /// Gives back a source that is not in the list.
    #[inline(never)]
    fn let_go(&mut self, slot: usize) {
        self.watched.handles.at(slot).platform.drop_all();
        self.watched.handles.vacate(slot);
    }

    /// Lets go of those whose bytes the host has got rid of.
    #[cold]
    fn drop_closed(&mut self) {
        for position in (0..self.watched.len).rev() {
            let slot = self.watched.owners[position].slot();
            if self.watched.handles.at(slot).platform.state == State::Closed {
                self.watched.arm(slot, Interest::NONE);
                self.let_go(slot);
                self.closing -= 1;
            }
        }
    }

    /// Waits until a pollable of an operation that cannot take long is ready.
    fn block_on(&mut self, pollable: Handle) {
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
        if events.room() > 0 && self.watched.len > 0 {
            // (f)
            self.fetch(events, Some(self.ration.past()));
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn capacity(&self) -> usize {
        self.watched.places.len()
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
            if self.watched.len == self.closing {
                return Err(Error::new(ErrorKind::NothingToWaitFor));
            }
            while self.fetch(events, None) == 0 {}
            return Ok(());
        };
        let alarm = self.alarm(deadline);
        while self.fetch(events, Some(alarm)) == 0 && self.now() < deadline {}
        Ok(())
    }
}

impl Drop for IoPoll<'_> {
    /// Gives what is still to be sent a moment, then lets go of everything.
    fn drop(&mut self) {
        /// That moment, in nanoseconds.
        const LINGER: u64 = 1_000_000_000;

        for slot in 0..self.watched.handles.capacity() {
            if self.watched.handles.is_in_use(slot)
                && self.watched.handles.at(slot).platform.state != State::Closing
            {
                self.watched.arm(slot, Interest::NONE);
                self.retire(slot);
            }
        }
        let end = imports::now().saturating_add(LINGER);
        let alarm = self.deadline.set(end);
        let mut slots = [Event::EMPTY];
        while self.closing > 0 && imports::now() < end {
            self.fetch(&mut Events::new(&mut slots), Some(alarm));
        }
        // Those that are left would block here; they go with the program.
        self.ration.drop_clocks();
        self.deadline.drop_pollable();
    }
}
