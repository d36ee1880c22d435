//! The clock of embassy: `SysTick`, each millisecond.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use critical_section::Mutex;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;
use firmware::board::{Board, lm3s6965::Lm3s6965};

/// The milliseconds since the start, and who waits for which.
struct Ticks {
    count: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static TICKS: Ticks = Ticks {
    count: Mutex::new(Cell::new(0)),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

impl Driver for Ticks {
    fn now(&self) -> u64 {
        critical_section::with(|section| self.count.borrow(section).get())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            // Each tick looks at it anyway.
            self.queue.borrow_ref_mut(section).schedule_wake(at, waker);
        });
    }
}

/// Starts the clock.
pub(crate) fn start() {
    let Some(peripherals) = cortex_m::Peripherals::take() else { return };
    let mut counter = peripherals.SYST;
    // It fits, as a millisecond is some ten thousand ticks.
    #[allow(clippy::cast_possible_truncation, reason = "see above")]
    counter.set_reload((1_000_000 / Lm3s6965::NANOSECONDS_PER_TICK) as u32 - 1);
    counter.set_clock_source(SystClkSource::Core);
    counter.clear_current();
    counter.enable_interrupt();
    counter.enable_counter();
}

#[exception]
fn SysTick() {
    critical_section::with(|section| {
        let now = TICKS.count.borrow(section).get() + 1;
        TICKS.count.borrow(section).set(now);
        TICKS.queue.borrow_ref_mut(section).next_expiration(now);
    });
}
