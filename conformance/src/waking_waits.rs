//! Waking a platform that sleeps.

use core::time::Duration;

use selkie_core::{Interest, Mode, Readiness};

use crate::outcome::{Answer, Check, ensure};
use crate::stage::Stage;
use crate::{Make, WaitFixture, WakeFixture};

/// How long a wake that comes later takes to come.
const LATER: Duration = Duration::from_millis(20);

pub(crate) fn a_wake_before_the_wait_is_not_lost<F: WaitFixture + WakeFixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (waker, token) = stage.waker()?;
    for _ in 0..3 {
        stage.wake(&waker)?;
        stage.wait_until(token, Readiness::READABLE, None)?;
    }
    Ok(())
}

pub(crate) fn a_wake_ends_a_wait<F: WaitFixture + WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    stage.reader()?;
    let (waker, token) = stage.waker()?;
    for far in [Some(Duration::from_secs(10)), None] {
        stage.fixture.wake_later(&waker, LATER).ability("way to wake while the platform waits")?;
        let deadline = far.map(|far| stage.clock() + far);
        stage.wait_until(token, Readiness::READABLE, deadline)?;
    }
    Ok(())
}

pub(crate) fn a_wake_ends_a_wait_for_silent_sources<F: WaitFixture + WakeFixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 2)?;
    stage.watch(Interest::NONE, Mode::Level)?;
    let (waker, token) = stage.waker()?;
    stage.fixture.wake_later(&waker, LATER).ability("way to wake while the platform waits")?;
    stage.wait_until(token, Readiness::READABLE, None)
}

pub(crate) fn a_waker_is_something_to_wait_for<F: WaitFixture + WakeFixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (waker, token) = stage.waker()?;
    stage.fixture.wake_later(&waker, LATER).ability("way to wake while the platform waits")?;
    stage.wait_until(token, Readiness::READABLE, None)?;
    stage.fixture.wake_later(&waker, LATER).ability("way to wake while the platform waits")?;
    stage.wait_until(token, Readiness::READABLE, None)
}

pub(crate) fn a_wait_after_a_wake_sleeps_again<F: WaitFixture + WakeFixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(Interest::READABLE, Mode::Level)?;
    let (waker, token) = stage.waker()?;
    for _ in 0..3 {
        stage.wake(&waker)?;
        stage.wake(&waker)?;
        stage.wait_until(token, Readiness::READABLE, None)?;
        ensure!(
            stage.sleep(Duration::from_millis(3))? <= 1,
            "a wait spins after a wake was reported"
        );
    }
    stage.still_works(watched)
}
