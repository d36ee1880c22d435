//! Nothing to wait for: an error, where it would otherwise be an endless sleep.

use core::time::Duration;

use selkie_core::platform::{Events, Wait};
use selkie_core::{ErrorKind, Event, Interest, Mode, Readiness};

use crate::harness::Harness;
use crate::outcome::{Answer, Check, ensure};
use crate::{MakeFixture, WaitFixture};

/// Checks that a wait without a deadline refuses to sleep.
#[track_caller]
fn refuses<F: WaitFixture>(harness: &mut Harness<F>) -> Check {
    for _ in 0..2 {
        let mut slots = [Event::EMPTY; 4];
        let mut events = Events::new(&mut slots);
        let wait = harness.platform().wait(&mut events, None);
        wait.must_fail("waiting for nothing", &[ErrorKind::NothingToWaitFor])?;
        ensure!(events.is_empty(), "a wait for nothing reported {:?}", events.as_slice());
    }
    Ok(())
}

pub(crate) fn on_an_empty_platform<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    refuses(&mut Harness::new(make, 2)?)
}

pub(crate) fn when_all_are_silenced<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    harness.watch(Interest::NONE, Mode::Level)?;
    refuses(&mut harness)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"x")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.modify(watched, Interest::NONE, Mode::Oneshot)?;
    refuses(&mut harness)
}

pub(crate) fn when_oneshots_were_reported<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    for _ in 0..2 {
        let watched = harness.watch(Interest::READABLE, Mode::Oneshot)?;
        harness.send(watched.peer, b"x")?;
        harness.wait_until(watched.token, Readiness::READABLE, None)?;
        refuses(&mut harness)?;
        harness.modify(watched, Interest::READABLE, Mode::Oneshot)?;
        harness.wait_until(watched.token, Readiness::READABLE, None)?;
        refuses(&mut harness)?;
    }
    Ok(())
}

pub(crate) fn when_all_were_deregistered<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        for report in [false, true] {
            let watched = harness.watch(Interest::READABLE, mode)?;
            if report {
                harness.send(watched.peer, b"x")?;
                harness.expect(watched.token, Readiness::READABLE)?;
            }
            harness.deregister(watched.source, watched.token)?;
            refuses(&mut harness)?;
        }
    }
    Ok(())
}

pub(crate) fn is_not_the_end<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    refuses(&mut harness)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"x")?;
    harness.wait_until(watched.token, Readiness::READABLE, None)?;
    harness.read_exactly(watched.source, 1)?;
    harness.still_works(watched)
}

pub(crate) fn but_a_deadline_is_a_sleep<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    harness.watch(Interest::NONE, Mode::Level)?;
    refuses(&mut harness)?;
    harness.sleep(Duration::from_millis(2))?;
    refuses(&mut harness)
}
