//! The LM3S6965 evaluation board, as far as QEMU emulates it: a clock, an Ethernet MAC, a UART, and
//! sleep.
//!
//! Interrupts are masked for good and have no handlers: an interrupt only ends a
//! sleep, after which the main loop looks at the devices. So no state is shared with a handler, and
//! nothing needs a lock. A device that has something before the processor goes to sleep is seen by
//! a last look, one that has it later makes its interrupt pending, with which WFI returns at once;
//! there is no moment between the two.

pub mod clock;
pub mod ethernet;
mod registers;
pub mod stack;
pub mod uart;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{NVIC, SCB};
use cortex_m::{asm, interrupt};
use selkie_core::Instant;

use clock::Clock;
use ethernet::Ethernet;
use registers::Registers;
use uart::Uart;

/// The interrupts that end a sleep, beside the clock's.
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
enum Interrupt {
    Uart = 5,
    Ethernet = 42,
}

// SAFETY: the numbers are those of the LM3S6965's table of interrupts, and no two are the same.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// System control: RCGC1 and RCGC2 give clocks to the devices.
const SYSTEM_CONTROL: usize = 0x400F_E000;
const RCGC1: usize = 0x104;
const RCGC1_UART0: u32 = 1;
const RCGC2: usize = 0x108;
const RCGC2_EMAC0_EPHY0: u32 = 1 << 28 | 1 << 30;

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
        // SAFETY: this is the block of system control, and no other code writes to it.
        let control = unsafe { Registers::new(SYSTEM_CONTROL) };
        control.write(RCGC1, RCGC1_UART0);
        control.write(RCGC2, RCGC2_EMAC0_EPHY0);
        for interrupt in [Interrupt::Uart, Interrupt::Ethernet] {
            // SAFETY: interrupts are disabled and stay so, hence no critical section can be broken
            // by this.
            unsafe { NVIC::unmask(interrupt) };
        }
        // SAFETY: `Peripherals::take` succeeds once, so these are the only owners of the two
        // blocks.
        let (ethernet, uart) = unsafe { (Ethernet::new(), Uart::new()) };
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
    NVIC::unpend(Interrupt::Uart);
    NVIC::unpend(Interrupt::Ethernet);
    SCB::clear_pendst();
    if !clock.arm(deadline) || is_ready() {
        return false;
    }
    asm::dsb();
    asm::wfi();
    true
}
