//! The loop over a selector that reports anything, and over embedded-io devices that are
//! ready as they like: only live tokens are delivered, deadlines are exact, and nothing panics.
#![no_main]

use std::cell::Cell;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use selkie_core::adapters::DevicePoller;
use selkie_core::memory::StaticLoop;
use selkie_core::platform::{Selector, Wait};
use selkie_core::{EventLoop, Instant};
use selkie_fuzz::choices::Choices;
use selkie_fuzz::devices::Whimsical;
use selkie_fuzz::driver::{Driver, Round};
use selkie_fuzz::hostile::Hostile;

const SLOTS: usize = 4;
/// The most rounds of a run.
const ROUNDS_MAX: usize = 300;

type Loop<P, const BATCH: usize> = EventLoop<P, StaticLoop<SLOTS, BATCH>>;

/// A way to drive a loop: by the time, or by a clock of the platform's.
trait Drive<P: Selector> {
    /// Makes a loop.
    fn make<const BATCH: usize>(platform: P) -> Loop<P, BATCH>;

    /// Makes one round, at this time if the platform has no say. Returns the latest time that was
    /// known when it began.
    fn round<const BATCH: usize>(
        event_loop: &mut Loop<P, BATCH>,
        driver: &mut Driver<P::Source>,
        time: Instant,
    ) -> Instant;
}

/// Polls at given times.
struct Turns;

impl<P: Selector> Drive<P> for Turns {
    fn make<const BATCH: usize>(platform: P) -> Loop<P, BATCH> {
        EventLoop::new_at(platform, StaticLoop::new(), Instant::ZERO)
    }

    fn round<const BATCH: usize>(
        event_loop: &mut Loop<P, BATCH>,
        driver: &mut Driver<P::Source>,
        time: Instant,
    ) -> Instant {
        let began_at = event_loop.context().now().max(time);
        driver.looked(began_at);
        let next = event_loop.turn(time, driver).expect("the platform does not fail");
        driver.check_next(&mut event_loop.context(), next);
        began_at
    }
}

/// Waits, on a platform with a clock.
struct Waits;

impl<P: Wait> Drive<P> for Waits {
    fn make<const BATCH: usize>(platform: P) -> Loop<P, BATCH> {
        EventLoop::new(platform, StaticLoop::new())
    }

    fn round<const BATCH: usize>(
        event_loop: &mut Loop<P, BATCH>,
        driver: &mut Driver<P::Source>,
        _time: Instant,
    ) -> Instant {
        let began_at = event_loop.context().now();
        event_loop.run_once(driver).expect("the platform does not fail");
        began_at
    }
}

/// Polls at given times, on a platform that has a clock as well.
struct ClockAndTime;

impl<P: Wait> Drive<P> for ClockAndTime {
    fn make<const BATCH: usize>(platform: P) -> Loop<P, BATCH> {
        EventLoop::new(platform, StaticLoop::new())
    }

    fn round<const BATCH: usize>(
        event_loop: &mut Loop<P, BATCH>,
        driver: &mut Driver<P::Source>,
        time: Instant,
    ) -> Instant {
        let began_at = event_loop.context().now().max(time);
        event_loop.turn(time, driver).expect("the platform does not fail");
        began_at
    }
}

/// The bytes, and when the platform looked at its sources.
struct Run {
    choices: Choices,
    looked_at: Rc<Cell<Instant>>,
}

impl Run {
    fn hostile<D: Drive<Hostile>>(&self) {
        let platform = || Hostile::new(self.choices.clone(), self.looked_at.clone());
        let sources = vec![0, 1, 2];
        match self.choices.below(3) {
            0 => self.rounds::<_, D, 1>(platform(), sources),
            1 => self.rounds::<_, D, 2>(platform(), sources),
            _ => self.rounds::<_, D, 5>(platform(), sources),
        }
    }

    fn devices(&self) {
        let mut poller = DevicePoller::<Whimsical, 3, SLOTS>::new();
        let devices = [(); 3].map(|()| {
            poller
                .add(Whimsical(self.choices.clone()))
                .unwrap_or_else(|_| panic!("there is room for three"))
        });
        self.rounds::<_, Turns, 5>(poller, devices.to_vec());
    }

    /// Makes rounds until the bytes are used up.
    fn rounds<P: Selector, D: Drive<P>, const BATCH: usize>(
        &self,
        platform: P,
        sources: Vec<P::Source>,
    ) {
        let mut event_loop = D::make::<BATCH>(platform);
        let mut driver = Driver::new(self.choices.clone(), sources, self.looked_at.clone());
        for _ in 0..ROUNDS_MAX {
            if self.choices.is_over() {
                return;
            }
            driver.act(&mut event_loop.context());
            let time = driver.time();
            let began_at = D::round(&mut event_loop, &mut driver, time);
            let round = Round { began_at, batch: BATCH, looks: SLOTS.div_ceil(BATCH) };
            driver.check(&mut event_loop.context(), round);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let run = Run { choices: Choices::new(bytes), looked_at: Rc::default() };
    match run.choices.below(4) {
        0 => run.hostile::<Turns>(),
        1 => run.hostile::<Waits>(),
        2 => run.hostile::<ClockAndTime>(),
        _ => run.devices(),
    }
});
