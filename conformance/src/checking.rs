//! Checks: a peer that is gone is noticed without reading, and a live one is not disturbed.

use selkie_core::platform::{Capabilities, Close, Transport};
use selkie_core::{ErrorKind, Interest, Mode};

use crate::harness::{Harness, PATIENCE};
use crate::outcome::{Answer, Check, Stop, ensure, fail};
use crate::{MakeFixture, SourceOf, TransportFixture};

impl<F: TransportFixture> Harness<F> {
    /// Makes a platform that checks. Not applicable where it does not.
    #[track_caller]
    fn with_check(make: MakeFixture<'_, F>) -> Check<Self> {
        let mut harness = Self::new(make, 2)?;
        if harness.can(Capabilities::CHECK) {
            Ok(harness)
        } else {
            Err(Stop::not_applicable(format_args!("the platform has no check")))
        }
    }

    /// Checks an established connection a few times.
    #[track_caller]
    fn passes(&mut self, source: SourceOf<F>, what: &str) -> Check {
        for _ in 0..3 {
            self.platform().check(source).must(what)?;
            self.nudge()?;
        }
        Ok(())
    }
}

pub(crate) fn a_live_peer_passes<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_check(make)?;
    let watched = harness.watch(Interest::NONE, Mode::Level)?;
    harness.passes(watched.source, "checking an idle connection")?;
    harness.send(watched.peer, b"x")?;
    harness.passes(watched.source, "checking a connection with bytes to read")?;
    harness.modify(watched, Interest::READABLE, Mode::Level)?;
    harness.read_exactly(watched.source, 1)?;
    harness.still_works(watched)
}

pub(crate) fn a_full_connection_passes<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_check(make)?;
    let watched = harness.watch(Interest::NONE, Mode::Level)?;
    let filled = harness.fill(watched.source)?;
    harness.passes(watched.source, "checking a full connection")?;
    harness.receive(watched.peer, filled)
}

pub(crate) fn a_half_closed_peer_passes<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_check(make)?;
    let watched = harness.watch(Interest::NONE, Mode::Level)?;
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    harness.passes(watched.source, "checking a connection whose peer still reads")?;
    let taken = harness.write(watched.source, b"still there?").must("writing")?;
    harness.receive(watched.peer, taken)
}

pub(crate) fn a_check_takes_nothing<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_check(make)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"abc")?;
    harness.passes(watched.source, "checking a connection with bytes to read")?;
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    harness.passes(watched.source, "checking a connection with bytes to read")?;
    harness.read_exactly(watched.source, 3)
}

pub(crate) fn a_peer_that_reset_is_noticed<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_check(make)?;
    let watched = harness.watch(Interest::NONE, Mode::Level)?;
    harness.fixture.peer_reset(watched.peer).ability("reset")?;
    for _ in 0..PATIENCE {
        match harness.platform().check(watched.source) {
            Ok(()) => harness.nudge()?,
            Err(error) => {
                let refused = matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Stale);
                ensure!(!refused, "a check of a connection that was reset failed with {error}");
                return Ok(());
            }
        }
    }
    fail!("{PATIENCE} checks did not notice a reset")
}

pub(crate) fn a_closed_handle_is_stale<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_check(make)?;
    let (source, _) = harness.pair()?;
    harness.close(source, Close::Graceful)?;
    harness.platform().check(source).must_fail("checking a closed stream", &[ErrorKind::Stale])
}

pub(crate) fn it_is_refused_where_there_is_none<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    if harness.can(Capabilities::CHECK) {
        return Err(Stop::not_applicable(format_args!("the platform has a check")));
    }
    let (source, _) = harness.pair()?;
    harness.platform().check(source).must_fail("checking a stream", &[ErrorKind::Unsupported])
}
