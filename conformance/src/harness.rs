//! The part that the cases share: a platform with its world, tokens, and patience with a bound.

use selkie_core::memory::{Registry, Slot};
use selkie_core::platform::{Capabilities, Events, Selector};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

use crate::outcome::{Answer, Check, Stop, ensure, fail};
use crate::{Fixture, MakeFixture, SourceOf};

/// Maximum number of tokens in a case.
pub(crate) const SLOTS: usize = 1_300;

/// Capacity of the harness's own batches.
const BATCH: usize = 32;

/// Maximum number of calls of `settle` until an expected event must have happened.
pub(crate) const PATIENCE: usize = 1_000;

/// Number of calls of `settle` before the harness decides that nothing happens.
const QUIET: usize = 3;

/// Size of a single read or write, in bytes.
const CHUNK: usize = 4_096;

/// Limit of the bytes written to fill a connection.
const FILL_MAX: usize = 256 << 20;

/// A fixture, and the registry that issues tokens for its platform.
pub(crate) struct Harness<F: Fixture> {
    pub(crate) fixture: F,
    pub(crate) registry: Registry<[Slot; SLOTS]>,
}

/// A registered connection.
pub(crate) struct Registered<F: Fixture> {
    pub(crate) token: Token,
    pub(crate) source: SourceOf<F>,
    pub(crate) peer: F::Peer,
}

impl<F: Fixture> Clone for Registered<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Fixture> Copy for Registered<F> {}

impl<F: Fixture> Harness<F> {
    /// Makes a fresh platform with room for `capacity` sources.
    #[track_caller]
    pub(crate) fn new(make: MakeFixture<'_, F>, capacity: usize) -> Check<Self> {
        match make(capacity) {
            Ok(mut fixture) => {
                let given = fixture.platform().capacity();
                ensure!(
                    given >= capacity,
                    "asked for a capacity of {capacity}, the platform has {given}"
                );
                Ok(Self { fixture, registry: Registry::new([Slot::EMPTY; SLOTS]) })
            }
            Err(error) if no_room(error) => Err(Stop::not_applicable(format_args!(
                "no room for a platform of {capacity} sources: {error}"
            ))),
            Err(error) => Err(Stop::failed(format_args!(
                "making a platform of {capacity} sources failed: {error}"
            ))),
        }
    }

    /// Returns the platform under test.
    pub(crate) fn platform(&mut self) -> &mut F::Platform {
        self.fixture.platform()
    }

    /// Returns whether the platform claims these capabilities.
    pub(crate) fn can(&mut self, capabilities: Capabilities) -> bool {
        self.platform().capabilities().contains(capabilities)
    }

    /// Issues a token that was never used before.
    #[track_caller]
    pub(crate) fn token(&mut self) -> Check<Token> {
        self.registry.insert().must("taking a token")
    }

    /// Opens a connection without registering it.
    #[track_caller]
    pub(crate) fn pair(&mut self) -> Check<(SourceOf<F>, F::Peer)> {
        match self.fixture.pair() {
            Err(error) if no_room(error) => {
                Err(Stop::not_applicable(format_args!("no room for another connection: {error}")))
            }
            pair => pair.must("opening a connection"),
        }
    }

    /// Opens a connection and registers it under a token of its own.
    #[track_caller]
    pub(crate) fn watch(&mut self, interest: Interest, mode: Mode) -> Check<Registered<F>> {
        let (source, peer) = self.pair()?;
        let token = self.token()?;
        self.platform().register(source, token, interest, mode).must("registering a connection")?;
        Ok(Registered { token, source, peer })
    }

    /// Opens a connection and registers it for reading in level mode.
    #[track_caller]
    pub(crate) fn reader(&mut self) -> Check<Registered<F>> {
        self.watch(Interest::READABLE, Mode::Level)
    }

    /// Registers a source that has no far end.
    #[track_caller]
    pub(crate) fn register(&mut self, source: SourceOf<F>, interest: Interest) -> Check<Token> {
        let token = self.token()?;
        self.platform()
            .register(source, token, interest, Mode::Level)
            .must("registering a source")?;
        Ok(token)
    }

    /// Changes what a connection is watched for.
    #[track_caller]
    pub(crate) fn modify(
        &mut self,
        watched: Registered<F>,
        interest: Interest,
        mode: Mode,
    ) -> Check {
        self.platform()
            .modify(watched.source, watched.token, interest, mode)
            .must("modifying a registration")
    }

    /// Deregisters a connection and takes its token back.
    #[track_caller]
    pub(crate) fn deregister(&mut self, source: SourceOf<F>, token: Token) -> Check {
        self.platform().deregister(source, token).must("deregistering")?;
        self.registry.remove(token).must("taking a token back")
    }

    /// Deregisters a connection and closes both of its ends.
    #[track_caller]
    pub(crate) fn drop_connection(&mut self, watched: Registered<F>) -> Check {
        self.deregister(watched.source, watched.token)?;
        self.fixture.close(watched.source).must("closing a near end")?;
        self.fixture.peer_close(watched.peer).must("closing a far end")
    }

    /// Polls once into `events`.
    #[track_caller]
    pub(crate) fn poll(&mut self, events: &mut Events<'_>) -> Check {
        let now: Instant = self.fixture.now();
        let len = events.len();
        let polled = self.platform().poll(now, events);
        let added = events.len().saturating_sub(len);
        ensure!(
            polled.is_ok() || added == 0,
            "a poll failed after it had added {added} events, which its caller loses"
        );
        polled.must("polling")?;
        ensure!(events.len() >= len, "a poll took events out of the batch");
        for event in &events.as_slice()[len..] {
            ensure!(
                !event.readiness.is_empty(),
                "{:?} was reported ready for nothing",
                event.token
            );
        }
        Ok(())
    }

    /// Returns what one poll reports for `token`. More than one event for it fails the case.
    #[track_caller]
    pub(crate) fn look(&mut self, token: Token) -> Check<Readiness> {
        let mut slots = [Event::EMPTY; BATCH];
        let mut events = Events::new(&mut slots);
        self.poll(&mut events)?;
        let mut found = Readiness::NONE;
        let mut times = 0;
        for event in &events {
            if event.token == token {
                // What follows from an end or a failure need not be said.
                found |= event.readiness.with_implied();
                times += 1;
            } else {
                let live = self.registry.contains(event.token);
                ensure!(live, "{:?} was reported, and is not registered", event.token);
            }
        }
        ensure!(times <= 1, "{token:?} was reported {times} times in one batch");
        Ok(found)
    }

    /// Polls until `token` was reported ready for all of `wanted`, and returns all that was
    /// reported for it.
    #[track_caller]
    pub(crate) fn expect(&mut self, token: Token, wanted: Readiness) -> Check<Readiness> {
        let mut seen = Readiness::NONE;
        for _ in 0..PATIENCE {
            seen |= self.look(token)?;
            if seen.contains(wanted) {
                return Ok(seen);
            }
            self.fixture.settle();
        }
        fail!("{token:?} should be reported {wanted:?}, and was reported {seen:?}")
    }

    /// Fails the case if `token` is reported at all.
    #[track_caller]
    pub(crate) fn expect_silence(&mut self, token: Token, why: &str) -> Check {
        for round in 0..=QUIET {
            let found = self.look(token)?;
            ensure!(found.is_empty(), "{token:?} was reported {found:?}, {why}");
            if round < QUIET {
                self.fixture.settle();
            }
        }
        Ok(())
    }

    /// Fails the case if `token` is reported ready for `unwanted` again and again. Now and then is
    /// allowed.
    #[track_caller]
    pub(crate) fn expect_calm(&mut self, token: Token, unwanted: Readiness, why: &str) -> Check {
        for _ in 0..=QUIET {
            if !self.look(token)?.intersects(unwanted) {
                return Ok(());
            }
            self.fixture.settle();
        }
        fail!("{token:?} is reported {unwanted:?} again and again, {why}")
    }

    /// Writes all of `bytes` at the far end.
    #[track_caller]
    pub(crate) fn send(&mut self, peer: F::Peer, bytes: &[u8]) -> Check {
        let mut sent = 0;
        for _ in 0..PATIENCE {
            match self.fixture.peer_write(peer, &bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => fail!("writing at the far end failed: {error}"),
            }
            if sent == bytes.len() {
                return Ok(());
            }
            self.fixture.settle();
        }
        fail!("the far end took {sent} of {} bytes", bytes.len())
    }

    /// Reads at the near end until there is nothing left, and returns the number of bytes.
    #[track_caller]
    pub(crate) fn drain(&mut self, source: SourceOf<F>) -> Check<usize> {
        let mut buffer = [0; CHUNK];
        let mut total = 0;
        loop {
            match self.fixture.read(source, &mut buffer) {
                Ok(0) => return Ok(total),
                Ok(count) => total += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
                Err(error) => fail!("reading at the near end failed: {error}"),
            }
        }
    }

    /// Reads until the near end has `wanted` bytes, however they are cut.
    #[track_caller]
    pub(crate) fn read_exactly(&mut self, source: SourceOf<F>, wanted: usize) -> Check {
        let mut total = 0;
        for _ in 0..PATIENCE {
            total += self.drain(source)?;
            if total == wanted {
                return Ok(());
            }
            self.fixture.settle();
        }
        fail!("{total} bytes arrived at the near end, and should have been {wanted}")
    }

    /// Writes at the near end until nothing more is taken, and returns the number of bytes that
    /// were.
    #[track_caller]
    pub(crate) fn fill(&mut self, source: SourceOf<F>) -> Check<usize> {
        let bytes = [b'f'; CHUNK];
        let mut total = 0;
        let mut refusals = 0;
        while total < FILL_MAX {
            match self.fixture.write(source, &bytes) {
                Ok(0) => fail!("a write took nothing, and should have said that it would block"),
                Ok(count) => {
                    total += count;
                    refusals = 0;
                }
                // Between refusals the system may still move bytes from this end to the other, so
                // one is not enough.
                Err(error) if error.kind() == ErrorKind::WouldBlock && refusals == QUIET => {
                    return Ok(total);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    refusals += 1;
                    self.fixture.settle();
                }
                Err(error) => fail!("writing at the near end failed: {error}"),
            }
        }
        Err(Stop::not_applicable(format_args!(
            "a connection takes {total} bytes without being full"
        )))
    }

    /// Reads at the far end until `wanted` bytes arrived.
    #[track_caller]
    pub(crate) fn receive(&mut self, peer: F::Peer, wanted: usize) -> Check {
        let mut total = 0;
        let mut idle = 0;
        let mut buffer = [0; CHUNK];
        while total < wanted && idle < PATIENCE {
            match self.fixture.peer_read(peer, &mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    total += count;
                    idle = 0;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    idle += 1;
                    self.fixture.settle();
                }
                Err(error) => fail!("reading at the far end failed: {error}"),
            }
        }
        ensure!(
            total == wanted,
            "{total} bytes arrived at the far end, and should have been {wanted}"
        );
        Ok(())
    }

    /// Checks that a connection works as a level reader under its token: for use after something
    /// that should have changed nothing.
    #[track_caller]
    pub(crate) fn still_works(&mut self, watched: Registered<F>) -> Check {
        self.send(watched.peer, b"ping")?;
        self.expect(watched.token, Readiness::READABLE)?;
        self.read_exactly(watched.source, 4)?;
        self.expect_calm(watched.token, Readiness::READABLE, "after all bytes were read")
    }
}

/// Returns whether an error only says that the machine is too small for what the case wants.
fn no_room(error: Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Full
            | ErrorKind::OutOfDescriptors
            | ErrorKind::OutOfMemory
            | ErrorKind::Unsupported
    )
}
