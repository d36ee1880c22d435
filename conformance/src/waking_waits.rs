//! Waking a platform that sleeps.

use core::time::Duration;

use selkie_core::{Interest, Mode, Readiness};

use crate::harness::Harness;
use crate::outcome::{Answer, Check, ensure};
use crate::{MakeFixture, WaitFixture, WakeFixture};

/// Delay of a wake that is scheduled for later.
const LATER: Duration = Duration::from_millis(20);

pub(crate) fn a_wake_before_the_wait_is_not_lost<F: WaitFixture + WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (waker, token) = harness.waker()?;
    for _ in 0..3 {
        harness.wake(&waker)?;
        harness.wait_until(token, Readiness::READABLE, None)?;
    }
    Ok(())
}

pub(crate) fn a_wake_ends_a_wait<F: WaitFixture + WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    harness.reader()?;
    let (waker, token) = harness.waker()?;
    for far in [Some(Duration::from_secs(60)), None] {
        harness
            .fixture
            .wake_later(&waker, LATER)
            .ability("way to wake while the platform waits")?;
        let deadline = far.map(|far| harness.clock() + far);
        harness.wait_until(token, Readiness::READABLE, deadline)?;
    }
    Ok(())
}

pub(crate) fn a_wake_ends_a_wait_for_silent_sources<F: WaitFixture + WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    harness.watch(Interest::NONE, Mode::Level)?;
    let (waker, token) = harness.waker()?;
    harness.fixture.wake_later(&waker, LATER).ability("way to wake while the platform waits")?;
    harness.wait_until(token, Readiness::READABLE, None)
}

pub(crate) fn a_waker_is_something_to_wait_for<F: WaitFixture + WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (waker, token) = harness.waker()?;
    harness.fixture.wake_later(&waker, LATER).ability("way to wake while the platform waits")?;
    harness.wait_until(token, Readiness::READABLE, None)?;
    harness.fixture.wake_later(&waker, LATER).ability("way to wake while the platform waits")?;
    harness.wait_until(token, Readiness::READABLE, None)
}

pub(crate) fn a_wait_after_a_wake_sleeps_again<F: WaitFixture + WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::READABLE, Mode::Level)?;
    let (waker, token) = harness.waker()?;
    for _ in 0..3 {
        harness.wake(&waker)?;
        harness.wake(&waker)?;
        harness.wait_until(token, Readiness::READABLE, None)?;
        ensure!(
            harness.sleep(Duration::from_millis(3))? <= 1,
            "a wait spins after a wake was reported"
        );
    }
    harness.still_works(watched)
}
