//! The board, as far as QEMU emulates it: a clock, an Ethernet MAC, a UART, and sleep. Two boards
//! share all but their drivers: the LM3S6965 evaluation board, and with the feature `mps2-an385`
//! the MPS2 board.
//!
//! Interrupts are masked for good and have no handlers: an interrupt only ends a sleep, after
//! which the main loop looks at the devices. So no state is shared with a handler, and nothing
//! needs a lock. A device that has something before the processor goes to sleep is seen by a last
//! look, one that has it later makes its interrupt pending, with which WFI returns at once; there
//! is no moment between the two.

pub mod clock;
mod frame;
#[cfg(not(feature = "mps2-an385"))]
mod lm3s6965;
#[cfg(feature = "mps2-an385")]
mod mps2_an385;
mod registers;
pub mod stack;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{NVIC, SCB};
use cortex_m::{asm, interrupt};
use selkie_core::Instant;

#[cfg(not(feature = "mps2-an385"))]
use lm3s6965 as drivers;
#[cfg(feature = "mps2-an385")]
use mps2_an385 as drivers;

use clock::Clock;
pub use drivers::{ethernet, uart};
use ethernet::Ethernet;
use uart::Uart;

/// The number of an interrupt of the board's table.
#[derive(Clone, Copy, Debug)]
struct Interrupt(u16);

// SAFETY: the numbers are those of the board's table of interrupts, and do not change.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

/// The board. Its parts are public, since the devices go to different owners.
#[derive(Debug)]
pub struct Board {
    /// The time, and sleeping.
    pub clock: Clock,
    /// The network.
    pub ethernet: Ethernet,
    /// The console.
    pub uart: Uart,
}

impl Board {
    /// Starts the board; once, nothing the second time.
    #[must_use]
    pub fn take() -> Option<Self> {
        let peripherals = cortex_m::Peripherals::take()?;
        interrupt::disable();
        // SAFETY: `Peripherals::take` succeeds once, so this is the first use of the devices.
        unsafe { drivers::power_on() };
        // SAFETY: as above, these are the only owners of the two devices.
        let (ethernet, uart) = unsafe { (Ethernet::new(), Uart::new()) };
        for number in drivers::INTERRUPTS {
            // SAFETY: interrupts are disabled and stay so, hence no critical section can be broken
            // by this.
            unsafe { NVIC::unmask(Interrupt(number)) };
        }
        Some(Self { clock: Clock::new(peripherals.SYST), ethernet, uart })
    }
}

/// Sleeps until an interrupt or the deadline, unless `is_ready` says after a last look that there
/// is something to do.
///
/// It may return earlier; the main loop then finds nothing to do and sleeps again.
pub fn sleep(
    clock: &mut Clock,
    deadline: Option<Instant>,
    is_ready: impl FnOnce() -> bool,
) -> bool {
    for number in drivers::INTERRUPTS {
        NVIC::unpend(Interrupt(number));
    }
    SCB::clear_pendst();
    if !clock.arm(deadline) || is_ready() {
        return false;
    }
    asm::dsb();
    asm::wfi();
    true
}
