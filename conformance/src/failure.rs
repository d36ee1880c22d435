//! Failure: what breaks is reported on its own token or falls silent, and the others go on.

use selkie_core::{Capabilities, ErrorKind, Interest, Mode, Readiness, Selector};

use crate::outcome::{Answer, Check, ensure};
use crate::stage::{Stage, Watched};
use crate::{Fixture, Make};

/// Breaks a source under the platform.
#[track_caller]
fn broken<F: Fixture>(stage: &mut Stage<F>, interest: Interest) -> Check<Watched<F>> {
    let watched = stage.watch(interest, Mode::Level)?;
    stage.look(watched.token)?;
    stage.fixture.break_source(watched.source).ability("way to break a source")?;
    Ok(watched)
}

pub(crate) fn a_broken_source_does_not_stop_the_others<F: Fixture>(make: Make<'_, F>) -> Check {
    for interest in [Interest::READABLE, Interest::WRITABLE, Interest::NONE] {
        let mut stage = Stage::new(make, 4)?;
        let before = stage.reader()?;
        broken(&mut stage, interest)?;
        for _ in 0..3 {
            stage.still_works(before)?;
        }
    }
    Ok(())
}

pub(crate) fn two_broken_sources_do_not_stop_the_others<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 6)?;
    let watched = [stage.reader()?, stage.reader()?];
    let middle = [broken(&mut stage, Interest::READABLE)?, broken(&mut stage, Interest::WRITABLE)?];
    for one in watched {
        stage.still_works(one)?;
        stage.still_works(one)?;
    }
    for one in middle {
        stage.deregister(one.source, one.token)?;
        stage.expect_silence(one.token, "though it was deregistered")?;
    }
    for one in watched {
        stage.still_works(one)?;
    }
    Ok(())
}

pub(crate) fn a_broken_source_is_reported_under_its_own_token<F: Fixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let healthy = stage.reader()?;
    let watched = broken(&mut stage, Interest::READABLE)?;
    for _ in 0..5 {
        let seen = stage.look(watched.token)?;
        let allowed = stage.can(Capabilities::ERROR) || !seen.contains(Readiness::ERROR);
        ensure!(allowed, "ERROR was reported by a platform that does not claim to");
        let reported = seen.is_empty() || seen.intersects(Readiness::ERROR | Readiness::READABLE);
        ensure!(reported, "a broken source was reported {seen:?}");
        let other = stage.look(healthy.token)?;
        let strict = Readiness::ERROR | Readiness::CLOSED | Readiness::READ_CLOSED;
        ensure!(!other.intersects(strict), "a healthy source was reported {other:?}");
        stage.fixture.settle();
    }
    Ok(())
}

pub(crate) fn a_broken_source_can_be_deregistered<F: Fixture>(make: Make<'_, F>) -> Check {
    for interest in [Interest::READABLE, Interest::NONE] {
        let mut stage = Stage::new(make, 4)?;
        let watched = broken(&mut stage, interest)?;
        stage.look(watched.token)?;
        stage.deregister(watched.source, watched.token)?;
        stage.expect_silence(watched.token, "though it was deregistered")?;
        let again = stage.platform().deregister(watched.source, watched.token);
        again.must_fail("deregistering twice", &[ErrorKind::NotRegistered, ErrorKind::Stale])?;
    }
    Ok(())
}

pub(crate) fn a_broken_source_makes_room_for_another<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 1)?;
    for _ in 0..5 {
        let watched = broken(&mut stage, Interest::READABLE)?;
        stage.look(watched.token)?;
        stage.deregister(watched.source, watched.token)?;
        let heir = stage.reader()?;
        stage.still_works(heir)?;
        stage.expect_silence(watched.token, "though it was deregistered")?;
        stage.drop_connection(heir)?;
    }
    Ok(())
}

pub(crate) fn a_never_connected_socket_stops_nobody<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let watched = stage.reader()?;
    let source = stage.fixture.unconnected().ability("socket that was never connected")?;
    let token = stage.register(source, Interest::READABLE | Interest::WRITABLE)?;
    let seen = stage.look(token)?;
    // Linux says hangup and writable here, which is true in a way: neither direction is open.
    ensure!(!seen.contains(Readiness::PRIORITY), "an unconnected socket was reported {seen:?}");
    stage.still_works(watched)?;
    stage
        .platform()
        .modify(source, token, Interest::NONE, Mode::Level)
        .must("silencing an unconnected socket")?;
    stage.expect_silence(token, "with no interest")?;
    stage.deregister(source, token)?;
    stage.expect_silence(token, "though it was deregistered")?;
    stage.fixture.close(source).must("closing an unconnected socket")?;
    stage.still_works(watched)
}

pub(crate) fn a_regular_file_is_ready_or_refused<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let watched = stage.reader()?;
    let source = stage.fixture.regular_file().ability("regular file as a source")?;
    let token = stage.token()?;
    match stage.platform().register(source, token, Interest::READABLE, Mode::Level) {
        Ok(()) => {
            for _ in 0..3 {
                stage.expect(token, Readiness::READABLE)?;
            }
            stage.deregister(source, token)?;
            stage.expect_silence(token, "though it was deregistered")?;
        }
        Err(error) => {
            let clear = matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidSource);
            ensure!(clear, "a regular file was refused with {:?}", error.kind());
            let again = stage.platform().deregister(source, token);
            again.must_fail(
                "deregistering what was refused",
                &[ErrorKind::NotRegistered, ErrorKind::Stale],
            )?;
            let (other, _) = stage.pair()?;
            let platform = stage.platform();
            platform
                .register(other, token, Interest::READABLE, Mode::Level)
                .must("using the token after a refusal")?;
        }
    }
    stage.still_works(watched)
}

pub(crate) fn a_reset_stops_nobody<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let watched = stage.reader()?;
    let reset = stage.reader()?;
    stage.fixture.peer_reset(reset.peer).ability("reset")?;
    stage.expect(reset.token, Readiness::READABLE)?;
    stage.still_works(watched)?;
    stage.deregister(reset.source, reset.token)?;
    stage.fixture.close(reset.source).must("closing a connection that was reset")?;
    stage.still_works(watched)
}
