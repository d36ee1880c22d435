//! Interest: only what was asked for is reported, and `Interest::NONE` is silence.

use selkie_core::{Interest, Mode, Readiness, Selector};

use crate::outcome::{Answer, Check, ensure};
use crate::stage::Stage;
use crate::{Fixture, Make};

pub(crate) fn only_what_was_asked_for_is_reported<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let reader = stage.watch(Interest::READABLE, Mode::Level)?;
    let writer = stage.watch(Interest::WRITABLE, Mode::Level)?;
    for one in [reader, writer] {
        stage.send(one.peer, b"x")?;
    }
    let seen = stage.expect(reader.token, Readiness::READABLE)?;
    ensure!(!seen.is_writable(), "a reader was reported {seen:?}");
    let seen = stage.expect(writer.token, Readiness::WRITABLE)?;
    ensure!(!seen.is_readable(), "a writer was reported {seen:?}");
    Ok(())
}

pub(crate) fn none_is_silent<F: Fixture>(make: Make<'_, F>) -> Check {
    for mode in [Mode::Level, Mode::Oneshot] {
        let mut stage = Stage::new(make, 2)?;
        let watched = stage.watch(Interest::READABLE | Interest::WRITABLE, mode)?;
        stage.send(watched.peer, b"x")?;
        stage.expect(watched.token, Readiness::WRITABLE)?;
        stage.modify(watched, Interest::NONE, mode)?;
        stage.expect_silence(watched.token, "with no interest")?;
        stage.send(watched.peer, b"x")?;
        stage.expect_silence(watched.token, "with no interest")?;
        let platform = stage.platform();
        let again = platform.register(watched.source, watched.token, Interest::READABLE, mode);
        let kinds = [selkie_core::ErrorKind::AlreadyRegistered];
        again.must_fail("registering a source that is registered without interest", &kinds)?;
    }
    Ok(())
}

pub(crate) fn none_is_silent_when_the_peer_hangs_up<F: Fixture>(make: Make<'_, F>) -> Check {
    for start in [Interest::NONE, Interest::READABLE] {
        let mut stage = Stage::new(make, 2)?;
        let watched = stage.watch(start, Mode::Level)?;
        stage.modify(watched, Interest::NONE, Mode::Level)?;
        stage.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
        stage.expect_silence(watched.token, "with no interest")?;
        stage.fixture.peer_close(watched.peer).must("closing the far end")?;
        stage.expect_silence(watched.token, "with no interest")?;
        stage.modify(watched, Interest::READABLE, Mode::Level)?;
        stage.expect(watched.token, Readiness::READABLE)?;
    }
    Ok(())
}

pub(crate) fn none_comes_back<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    for _ in 0..3 {
        stage.modify(watched, Interest::NONE, Mode::Level)?;
        stage.modify(watched, Interest::NONE, Mode::Level)?;
        stage.send(watched.peer, b"x")?;
        stage.expect_silence(watched.token, "with no interest")?;
        stage.modify(watched, Interest::READABLE, Mode::Level)?;
        stage.expect(watched.token, Readiness::READABLE)?;
        stage.read_exactly(watched.source, 1)?;
        stage.still_works(watched)?;
    }
    stage.modify(watched, Interest::NONE, Mode::Level)?;
    stage.drop_connection(watched)?;
    stage.expect_silence(watched.token, "though it was deregistered")
}

pub(crate) fn registering_with_none_is_silent<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let watched = stage.watch(Interest::NONE, mode)?;
        stage.send(watched.peer, b"x")?;
        stage.expect_silence(watched.token, "with no interest")?;
        stage.modify(watched, Interest::READABLE, mode)?;
        stage.expect(watched.token, Readiness::READABLE)?;
        stage.drop_connection(watched)?;
    }
    Ok(())
}

pub(crate) fn readable_becomes_writable<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    stage.send(watched.peer, b"x")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    stage.modify(watched, Interest::WRITABLE, Mode::Level)?;
    let seen = stage.expect(watched.token, Readiness::WRITABLE)?;
    ensure!(!seen.is_readable(), "a writer was reported {seen:?}");
    Ok(())
}

pub(crate) fn writable_becomes_readable<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(Interest::WRITABLE, Mode::Level)?;
    stage.expect(watched.token, Readiness::WRITABLE)?;
    stage.modify(watched, Interest::READABLE, Mode::Level)?;
    stage.expect_calm(watched.token, Readiness::READABLE, "and there is nothing to read")?;
    stage.send(watched.peer, b"x")?;
    let seen = stage.expect(watched.token, Readiness::READABLE)?;
    ensure!(!seen.is_writable(), "a reader was reported {seen:?}");
    Ok(())
}

pub(crate) fn withdrawing_writable_stops_it<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
    for _ in 0..3 {
        stage.expect(watched.token, Readiness::WRITABLE)?;
        stage.modify(watched, Interest::READABLE, Mode::Level)?;
        stage.expect_calm(watched.token, Readiness::READABLE, "and there is nothing to read")?;
        let seen = stage.look(watched.token)?;
        ensure!(!seen.is_writable(), "writability was reported after it was withdrawn");
        stage.modify(watched, Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
    }
    Ok(())
}
