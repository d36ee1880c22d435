//! Interest in hang-ups alone: a peer that is gone is reported, a live one is silent.

use selkie_core::platform::{Capabilities, Selector};
use selkie_core::{ErrorKind, Interest, Mode, Readiness, Token};

use crate::harness::{Harness, PATIENCE, Registered};
use crate::outcome::{Answer, Check, Stop, ensure, fail};
use crate::{Fixture, MakeFixture};

/// Readiness that says that a peer is gone.
const GONE: Readiness = Readiness::ERROR.union(Readiness::CLOSED);

impl<F: Fixture> Harness<F> {
    /// Makes a platform that watches hang-ups. Not applicable where it does not.
    #[track_caller]
    fn with_hangup(make: MakeFixture<'_, F>) -> Check<Self> {
        let mut harness = Self::new(make, 4)?;
        if harness.can(Capabilities::HANGUP) {
            Ok(harness)
        } else {
            Err(Stop::not_applicable(format_args!("the platform does not watch hang-ups alone")))
        }
    }

    /// Polls until `token` is reported gone.
    #[track_caller]
    fn expect_gone(&mut self, token: Token) -> Check<Readiness> {
        for _ in 0..PATIENCE {
            let seen = self.look(token)?;
            if seen.intersects(GONE) {
                return Ok(seen);
            }
            ensure!(seen.is_empty(), "{token:?} was reported {seen:?} before its hang-up");
            self.fixture.settle();
        }
        fail!("{token:?} should be reported gone, and was not")
    }

    /// Resets a connection from its far end.
    #[track_caller]
    fn reset(&mut self, registered: Registered<F>) -> Check {
        self.fixture.peer_reset(registered.peer).ability("reset")
    }
}

pub(crate) fn a_peer_that_reset_is_reported<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_hangup(make)?;
    let gone = harness.watch(Interest::HANGUP, Mode::Level)?;
    let other = harness.watch(Interest::HANGUP, Mode::Level)?;
    harness.reset(gone)?;
    harness.expect_gone(gone.token)?;
    harness.expect_gone(gone.token)?;
    harness.expect_silence(other.token, "while its peer lives")
}

pub(crate) fn a_reset_from_before_is_reported<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_hangup(make)?;
    let watched = harness.watch(Interest::NONE, Mode::Level)?;
    harness.reset(watched)?;
    harness.expect_silence(watched.token, "with no interest")?;
    harness.modify(watched, Interest::HANGUP, Mode::Level)?;
    harness.expect_gone(watched.token)?;
    Ok(())
}

pub(crate) fn a_live_peer_is_silent<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    for mode in [Mode::Level, Mode::Oneshot] {
        let mut harness = Harness::with_hangup(make)?;
        let watched = harness.watch(Interest::HANGUP, mode)?;
        harness.expect_silence(watched.token, "while its peer lives")?;
        harness.send(watched.peer, b"x")?;
        harness.expect_silence(watched.token, "with bytes to read and a peer that lives")?;
        harness.modify(watched, Interest::READABLE, Mode::Level)?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.read_exactly(watched.source, 1)?;
    }
    Ok(())
}

pub(crate) fn a_half_closed_peer_is_silent<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_hangup(make)?;
    let watched = harness.watch(Interest::HANGUP, Mode::Level)?;
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    harness.expect_silence(watched.token, "with a peer that still reads")?;
    let taken = harness.fixture.write(watched.source, b"still there?").must("writing")?;
    harness.receive(watched.peer, taken)?;
    harness.expect_silence(watched.token, "with a peer that still reads")
}

pub(crate) fn a_half_closed_peer_that_resets_is_reported<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::with_hangup(make)?;
    let watched = harness.watch(Interest::READABLE, Mode::Level)?;
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.modify(watched, Interest::HANGUP, Mode::Level)?;
    harness.expect_silence(watched.token, "with a peer that still reads")?;
    harness.reset(watched)?;
    harness.expect_gone(watched.token)?;
    Ok(())
}

pub(crate) fn no_interest_stays_silent<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::with_hangup(make)?;
    let watched = harness.watch(Interest::HANGUP, Mode::Level)?;
    harness.modify(watched, Interest::NONE, Mode::Level)?;
    harness.reset(watched)?;
    harness.expect_silence(watched.token, "with no interest")
}

pub(crate) fn beside_another_interest_it_changes_nothing<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::READABLE | Interest::HANGUP, Mode::Level)?;
    harness.still_works(watched)?;
    harness.modify(watched, Interest::WRITABLE | Interest::HANGUP, Mode::Level)?;
    harness.expect(watched.token, Readiness::WRITABLE)?;
    harness.modify(watched, Interest::READABLE | Interest::HANGUP, Mode::Level)?;
    harness.still_works(watched)
}

pub(crate) fn it_is_refused_where_it_is_not_watched<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    if harness.can(Capabilities::HANGUP) {
        return Err(Stop::not_applicable(format_args!("the platform watches hang-ups")));
    }
    let (source, _) = harness.pair()?;
    let token = harness.token()?;
    let refused = harness.platform().register(source, token, Interest::HANGUP, Mode::Level);
    refused.must_fail("watching hang-ups alone", &[ErrorKind::Unsupported])
}
