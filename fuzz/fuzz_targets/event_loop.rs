//! The loop over a selector that reports anything, and over embedded-io devices that are
//! ready as they like: only live tokens are delivered, deadlines are exact, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use selkie_core::adapters::DevicePoller;
use selkie_core::memory::StaticLoop;
use selkie_core::platform::{Selector, Wait};
use selkie_core::{EventLoop, Instant};
use selkie_fuzz::choices::Choices;
use selkie_fuzz::devices::Whimsical;
use selkie_fuzz::driver::Driver;
use selkie_fuzz::hostile::Hostile;

const SLOTS: usize = 4;
const BATCH: usize = 5;
/// The most rounds of a run.
const ROUNDS_MAX: usize = 300;

type Memory = StaticLoop<SLOTS, BATCH>;

/// One round of the loop, at about this time.
type Round<P> = fn(&mut EventLoop<P, Memory>, &mut Driver<<P as Selector>::Source>, Instant);

/// Runs rounds until the bytes are used up.
fn run<P: Selector>(platform: P, sources: Vec<P::Source>, choices: &Choices, round: Round<P>) {
    let mut event_loop = EventLoop::new_at(platform, Memory::new(), Instant::ZERO);
    let mut driver = Driver::new(choices.clone(), sources);
    for _ in 0..ROUNDS_MAX {
        if choices.is_over() {
            return;
        }
        driver.act(&mut event_loop.context());
        let (expired, time) = (driver.expired(), driver.time());
        round(&mut event_loop, &mut driver, time);
        driver.check(&mut event_loop.context(), expired, BATCH);
    }
}

/// Polls.
fn turn<P: Selector>(
    event_loop: &mut EventLoop<P, Memory>,
    driver: &mut Driver<P::Source>,
    time: Instant,
) {
    let next = event_loop.turn(time, driver).expect("the platform does not fail");
    driver.check_next(&mut event_loop.context(), next);
}

/// Waits, on a platform with a clock of its own.
fn run_once<P: Wait>(
    event_loop: &mut EventLoop<P, Memory>,
    driver: &mut Driver<P::Source>,
    _time: Instant,
) {
    event_loop.run_once(driver).expect("the platform does not fail");
}

fuzz_target!(|bytes: &[u8]| {
    let choices = Choices::new(bytes);
    match choices.below(3) {
        0 => run(Hostile::new(choices.clone()), (0..3).collect(), &choices, turn),
        1 => run(Hostile::new(choices.clone()), (0..3).collect(), &choices, run_once),
        _ => {
            let mut scan = DevicePoller::<Whimsical, 3, SLOTS>::new();
            let devices = [(); 3].map(|()| {
                scan.add(Whimsical(choices.clone()))
                    .unwrap_or_else(|_| panic!("there is room for three"))
            });
            run(scan, devices.to_vec(), &choices, turn);
        }
    }
});
