//! Interest: only what was asked for is reported, and `Interest::NONE` is silence.

use selkie_core::platform::Selector;
use selkie_core::{Interest, Mode, Readiness};

use crate::harness::Harness;
use crate::outcome::{Answer, Check, ensure};
use crate::{Fixture, MakeFixture};

pub(crate) fn only_what_was_asked_for_is_reported<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let reader = harness.watch(Interest::READABLE, Mode::Level)?;
    let writer = harness.watch(Interest::WRITABLE, Mode::Level)?;
    for one in [reader, writer] {
        harness.send(one.peer, b"x")?;
    }
    let seen = harness.expect(reader.token, Readiness::READABLE)?;
    ensure!(!seen.is_writable(), "a reader was reported {seen:?}");
    let seen = harness.expect(writer.token, Readiness::WRITABLE)?;
    ensure!(!seen.is_readable(), "a writer was reported {seen:?}");
    Ok(())
}

pub(crate) fn none_is_silent<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    for mode in [Mode::Level, Mode::Oneshot] {
        let mut harness = Harness::new(make, 2)?;
        let watched = harness.watch(Interest::READABLE | Interest::WRITABLE, mode)?;
        harness.send(watched.peer, b"x")?;
        harness.expect(watched.token, Readiness::WRITABLE)?;
        harness.modify(watched, Interest::NONE, mode)?;
        harness.expect_silence(watched.token, "with no interest")?;
        harness.send(watched.peer, b"x")?;
        harness.expect_silence(watched.token, "with no interest")?;
        let platform = harness.platform();
        let again = platform.register(watched.source, watched.token, Interest::READABLE, mode);
        let kinds = [selkie_core::ErrorKind::AlreadyRegistered];
        again.must_fail("registering a source that is registered without interest", &kinds)?;
    }
    Ok(())
}

pub(crate) fn none_is_silent_when_the_peer_hangs_up<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    for start in [Interest::NONE, Interest::READABLE] {
        let mut harness = Harness::new(make, 2)?;
        let watched = harness.watch(start, Mode::Level)?;
        harness.modify(watched, Interest::NONE, Mode::Level)?;
        harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
        harness.expect_silence(watched.token, "with no interest")?;
        harness.fixture.peer_close(watched.peer).must("closing the far end")?;
        harness.expect_silence(watched.token, "with no interest")?;
        harness.modify(watched, Interest::READABLE, Mode::Level)?;
        harness.expect(watched.token, Readiness::READABLE)?;
    }
    Ok(())
}

pub(crate) fn none_comes_back<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    for _ in 0..3 {
        harness.modify(watched, Interest::NONE, Mode::Level)?;
        harness.modify(watched, Interest::NONE, Mode::Level)?;
        harness.send(watched.peer, b"x")?;
        harness.expect_silence(watched.token, "with no interest")?;
        harness.modify(watched, Interest::READABLE, Mode::Level)?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.read_exactly(watched.source, 1)?;
        harness.still_works(watched)?;
    }
    harness.modify(watched, Interest::NONE, Mode::Level)?;
    harness.drop_connection(watched)?;
    harness.expect_silence(watched.token, "though it was deregistered")
}

pub(crate) fn registering_with_none_is_silent<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let watched = harness.watch(Interest::NONE, mode)?;
        harness.send(watched.peer, b"x")?;
        harness.expect_silence(watched.token, "with no interest")?;
        harness.modify(watched, Interest::READABLE, mode)?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.drop_connection(watched)?;
    }
    Ok(())
}

pub(crate) fn readable_becomes_writable<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"x")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.modify(watched, Interest::WRITABLE, Mode::Level)?;
    let seen = harness.expect(watched.token, Readiness::WRITABLE)?;
    ensure!(!seen.is_readable(), "a writer was reported {seen:?}");
    Ok(())
}

pub(crate) fn writable_becomes_readable<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::WRITABLE, Mode::Level)?;
    harness.expect(watched.token, Readiness::WRITABLE)?;
    harness.modify(watched, Interest::READABLE, Mode::Level)?;
    harness.expect_calm(watched.token, Readiness::READABLE, "and there is nothing to read")?;
    harness.send(watched.peer, b"x")?;
    let seen = harness.expect(watched.token, Readiness::READABLE)?;
    ensure!(!seen.is_writable(), "a reader was reported {seen:?}");
    Ok(())
}

pub(crate) fn withdrawing_writable_stops_it<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
    for _ in 0..3 {
        harness.expect(watched.token, Readiness::WRITABLE)?;
        harness.modify(watched, Interest::READABLE, Mode::Level)?;
        harness.expect_calm(watched.token, Readiness::READABLE, "and there is nothing to read")?;
        let seen = harness.look(watched.token)?;
        ensure!(!seen.is_writable(), "writability was reported after it was withdrawn");
        harness.modify(watched, Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
    }
    Ok(())
}
