//! Nothing to wait for: an error, where it would otherwise be a sleep for ever.

use core::time::Duration;

use selkie_core::{ErrorKind, Event, Events, Interest, Mode, Readiness, Wait};

use crate::outcome::{Answer, Check, ensure};
use crate::stage::Stage;
use crate::{Make, WaitFixture};

/// Checks that a wait without a deadline refuses to sleep.
#[track_caller]
fn refuses<F: WaitFixture>(stage: &mut Stage<F>) -> Check {
    for _ in 0..2 {
        let mut slots = [Event::EMPTY; 4];
        let mut events = Events::new(&mut slots);
        let wait = stage.platform().wait(&mut events, None);
        wait.must_fail("waiting for nothing", &[ErrorKind::NothingToWaitFor])?;
        ensure!(events.is_empty(), "a wait for nothing reported {:?}", events.as_slice());
    }
    Ok(())
}

pub(crate) fn to_wait_for_on_an_empty_platform<F: WaitFixture>(make: Make<'_, F>) -> Check {
    refuses(&mut Stage::new(make, 2)?)
}

pub(crate) fn to_wait_for_when_all_are_silenced<F: WaitFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    stage.watch(Interest::NONE, Mode::Level)?;
    refuses(&mut stage)?;
    let watched = stage.reader()?;
    stage.send(watched.peer, b"x")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    stage.modify(watched, Interest::NONE, Mode::Oneshot)?;
    refuses(&mut stage)
}

pub(crate) fn to_wait_for_when_oneshots_were_reported<F: WaitFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    for _ in 0..2 {
        let watched = stage.watch(Interest::READABLE, Mode::Oneshot)?;
        stage.send(watched.peer, b"x")?;
        stage.wait_until(watched.token, Readiness::READABLE, None)?;
        refuses(&mut stage)?;
        stage.modify(watched, Interest::READABLE, Mode::Oneshot)?;
        stage.wait_until(watched.token, Readiness::READABLE, None)?;
        refuses(&mut stage)?;
    }
    Ok(())
}

pub(crate) fn to_wait_for_when_all_were_deregistered<F: WaitFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        for report in [false, true] {
            let watched = stage.watch(Interest::READABLE, mode)?;
            if report {
                stage.send(watched.peer, b"x")?;
                stage.expect(watched.token, Readiness::READABLE)?;
            }
            stage.deregister(watched.source, watched.token)?;
            refuses(&mut stage)?;
        }
    }
    Ok(())
}

pub(crate) fn to_wait_for_is_not_the_end<F: WaitFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    refuses(&mut stage)?;
    let watched = stage.reader()?;
    stage.send(watched.peer, b"x")?;
    stage.wait_until(watched.token, Readiness::READABLE, None)?;
    stage.read_exactly(watched.source, 1)?;
    stage.still_works(watched)
}

pub(crate) fn to_wait_for_but_a_deadline_is_a_sleep<F: WaitFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    stage.watch(Interest::NONE, Mode::Level)?;
    refuses(&mut stage)?;
    stage.sleep(Duration::from_millis(2))?;
    refuses(&mut stage)
}
