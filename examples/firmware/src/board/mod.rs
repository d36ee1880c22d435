//! The board: a clock, an Ethernet MAC, a UART, and sleep. A board is what implements [`Board`];
//! all else is the same on all of them. [`lm3s6965`] is the one of this crate; `examples/mps2` has
//! another one, as any crate can.
//!
//! Interrupts are masked for good and have no handlers: an interrupt only ends a sleep, after
//! which the main loop looks at the devices. So no state is shared with a handler, and nothing
//! needs a lock. A device that has something before the processor goes to sleep is seen by a last
//! look, one that has it later makes its interrupt pending, with which WFI returns at once; there
//! is no moment between the two.

pub mod clock;
pub mod frame;
pub mod lm3s6965;
pub mod stack;

pub use board_io::{registers, uart};
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{NVIC, SCB};
use cortex_m::{asm, interrupt};
use selkie_core::Instant;

use clock::Clock;
use frame::{Ethernet, FramePort};
use uart::{BytePort, Uart};

/// The drivers of a board.
pub trait Board: 'static {
    /// The network.
    type FramePort: FramePort;
    /// The console.
    type BytePort: BytePort;

    /// The period of the processor's clock.
    const NANOSECONDS_PER_TICK: u64;
    /// The numbers of the interrupts that end a sleep, beside the clock's.
    const INTERRUPTS: &'static [u16];

    /// Starts the devices.
    ///
    /// # Safety
    ///
    /// Only once, with interrupts disabled: no other code may use the devices.
    unsafe fn start() -> (Self::FramePort, Self::BytePort);
}

/// The number of an interrupt of the board's table.
#[derive(Clone, Copy, Debug)]
struct Interrupt(u16);

// SAFETY: the numbers are those of the board's table of interrupts, and do not change.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

/// The parts of a board. They are public, since the devices go to different owners.
#[derive(Debug)]
pub struct Parts<B: Board> {
    /// The time, and sleeping.
    pub clock: Clock<B>,
    /// The network.
    pub ethernet: Ethernet<B::FramePort>,
    /// The console.
    pub uart: Uart<B::BytePort>,
}

impl<B: Board> Parts<B> {
    /// Starts the board; once, nothing the second time.
    #[must_use]
    pub fn take() -> Option<Self> {
        let peripherals = cortex_m::Peripherals::take()?;
        interrupt::disable();
        // SAFETY: `Peripherals::take` succeeds once, so this is the only use of the devices.
        let (frames, bytes) = unsafe { B::start() };
        for &number in B::INTERRUPTS {
            // SAFETY: interrupts are disabled and stay so, hence no critical section can be broken
            // by this.
            unsafe { NVIC::unmask(Interrupt(number)) };
        }
        let (ethernet, uart) = (Ethernet::new(frames), Uart::new(bytes));
        Some(Self { clock: Clock::new(peripherals.SYST), ethernet, uart })
    }
}

/// Sleeps until an interrupt or the deadline, unless `is_ready` says after a last look that there
/// is something to do.
///
/// It may return earlier; the main loop then finds nothing to do and sleeps again.
pub fn sleep<B: Board>(
    clock: &mut Clock<B>,
    deadline: Option<Instant>,
    is_ready: impl FnOnce() -> bool,
) -> bool {
    for &number in B::INTERRUPTS {
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
