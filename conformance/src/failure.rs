//! Failure: what breaks is reported on its own token or falls silent, and the others go on.

use selkie_core::platform::{Capabilities, Events, Selector};
use selkie_core::{ErrorKind, Event, Interest, Mode, Readiness};

use crate::harness::{Harness, PATIENCE, Registered};
use crate::outcome::{Answer, Check, ensure};
use crate::{Fixture, MakeFixture};

/// Breaks a source under the platform.
#[track_caller]
fn broken<F: Fixture>(harness: &mut Harness<F>, interest: Interest) -> Check<Registered<F>> {
    let watched = harness.watch(interest, Mode::Level)?;
    harness.look(watched.token)?;
    harness.fixture.break_source(watched.source).ability("way to break a source")?;
    Ok(watched)
}

pub(crate) fn a_broken_source_does_not_stop_the_others<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    for interest in [Interest::READABLE, Interest::WRITABLE, Interest::NONE] {
        let mut harness = Harness::new(make, 4)?;
        let before = harness.reader()?;
        broken(&mut harness, interest)?;
        for _ in 0..3 {
            harness.still_works(before)?;
        }
    }
    Ok(())
}

pub(crate) fn two_broken_sources_do_not_stop_the_others<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 6)?;
    let watched = [harness.reader()?, harness.reader()?];
    let middle =
        [broken(&mut harness, Interest::READABLE)?, broken(&mut harness, Interest::WRITABLE)?];
    for one in watched {
        harness.still_works(one)?;
        harness.still_works(one)?;
    }
    for one in middle {
        harness.deregister(one.source, one.token)?;
        harness.expect_silence(one.token, "though it was deregistered")?;
    }
    for one in watched {
        harness.still_works(one)?;
    }
    Ok(())
}

pub(crate) fn a_broken_source_is_reported_under_its_own_token<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let healthy = harness.reader()?;
    let watched = broken(&mut harness, Interest::READABLE)?;
    for _ in 0..5 {
        let seen = harness.look(watched.token)?;
        let allowed = harness.can(Capabilities::ERROR) || !seen.contains(Readiness::ERROR);
        ensure!(allowed, "ERROR was reported by a platform that does not claim to");
        let reported = seen.is_empty() || seen.intersects(Readiness::ERROR | Readiness::READABLE);
        ensure!(reported, "a broken source was reported {seen:?}");
        let other = harness.look(healthy.token)?;
        let strict = Readiness::ERROR | Readiness::CLOSED | Readiness::READ_CLOSED;
        ensure!(!other.intersects(strict), "a healthy source was reported {other:?}");
        harness.fixture.settle();
    }
    Ok(())
}

pub(crate) fn a_broken_source_can_be_deregistered<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    for interest in [Interest::READABLE, Interest::NONE] {
        let mut harness = Harness::new(make, 4)?;
        let watched = broken(&mut harness, interest)?;
        harness.look(watched.token)?;
        harness.deregister(watched.source, watched.token)?;
        harness.expect_silence(watched.token, "though it was deregistered")?;
        let again = harness.platform().deregister(watched.source, watched.token);
        again.must_fail("deregistering twice", &[ErrorKind::NotRegistered, ErrorKind::Stale])?;
    }
    Ok(())
}

pub(crate) fn a_broken_source_makes_room_for_another<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 1)?;
    for _ in 0..5 {
        let watched = broken(&mut harness, Interest::READABLE)?;
        harness.look(watched.token)?;
        harness.deregister(watched.source, watched.token)?;
        let heir = harness.reader()?;
        harness.still_works(heir)?;
        harness.expect_silence(watched.token, "though it was deregistered")?;
        harness.drop_connection(heir)?;
    }
    Ok(())
}

pub(crate) fn a_never_connected_socket_does_not_stop_the_others<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let watched = harness.reader()?;
    let source = harness.fixture.unconnected().ability("socket that was never connected")?;
    let token = harness.register(source, Interest::READABLE | Interest::WRITABLE)?;
    let seen = harness.look(token)?;
    // Linux says hangup and writable, which is true in a way: neither direction is open.
    ensure!(!seen.contains(Readiness::PRIORITY), "an unconnected socket was reported {seen:?}");
    harness.still_works(watched)?;
    harness
        .platform()
        .modify(source, token, Interest::NONE, Mode::Level)
        .must("silencing an unconnected socket")?;
    harness.expect_silence(token, "with no interest")?;
    harness.deregister(source, token)?;
    harness.expect_silence(token, "though it was deregistered")?;
    harness.fixture.close(source).must("closing an unconnected socket")?;
    harness.still_works(watched)
}

pub(crate) fn a_regular_file_is_ready_or_refused<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let watched = harness.reader()?;
    let source = harness.fixture.regular_file().ability("regular file as a source")?;
    let token = harness.token()?;
    match harness.platform().register(source, token, Interest::READABLE, Mode::Level) {
        Ok(()) => {
            for _ in 0..3 {
                harness.expect(token, Readiness::READABLE)?;
            }
            harness.deregister(source, token)?;
            harness.expect_silence(token, "though it was deregistered")?;
        }
        Err(error) => {
            let clear = matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidSource);
            ensure!(clear, "a regular file was refused with {:?}", error.kind());
            let again = harness.platform().deregister(source, token);
            again.must_fail(
                "deregistering what was refused",
                &[ErrorKind::NotRegistered, ErrorKind::Stale],
            )?;
            let (other, _) = harness.pair()?;
            let platform = harness.platform();
            platform
                .register(other, token, Interest::READABLE, Mode::Level)
                .must("using the token after a refusal")?;
        }
    }
    harness.still_works(watched)
}

pub(crate) fn a_reset_does_not_stop_the_others<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let watched = harness.reader()?;
    let reset = harness.reader()?;
    harness.fixture.peer_reset(reset.peer).ability("reset")?;
    harness.expect(reset.token, Readiness::READABLE)?;
    harness.still_works(watched)?;
    harness.deregister(reset.source, reset.token)?;
    harness.fixture.close(reset.source).must("closing a connection that was reset")?;
    harness.still_works(watched)
}

pub(crate) fn an_error_is_returned_only_without_events<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let ready = harness.watch(Interest::READABLE, Mode::Oneshot)?;
    let broken = harness.reader()?;
    let later = harness.watch(Interest::READABLE, Mode::Oneshot)?;
    harness.fixture.break_source(broken.source).ability("way to break a source")?;
    for one in [ready, later] {
        harness.send(one.peer, b"x")?;
    }
    for one in [ready, later] {
        let mut seen = Readiness::NONE;
        for _ in 0..PATIENCE {
            let mut slots = [Event::EMPTY; 8];
            let mut events = Events::new(&mut slots);
            let now = harness.fixture.now();
            let polled = harness.platform().poll(now, &mut events);
            ensure!(
                polled.is_ok() || events.is_empty(),
                "a poll failed beside {:?}, which its caller loses",
                events.as_slice()
            );
            for event in events.iter().filter(|event| event.token == one.token) {
                seen |= event.readiness;
            }
            if seen.is_readable() {
                break;
            }
            harness.modify(one, Interest::READABLE, Mode::Oneshot)?;
            harness.fixture.settle();
        }
        ensure!(seen.is_readable(), "{:?} was never reported beside a broken source", one.token);
    }
    Ok(())
}
