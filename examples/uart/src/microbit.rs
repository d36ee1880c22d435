//! The micro:bit (`microbit` in QEMU): an nRF51822, with a Cortex-M0 and 16 KiB of RAM.

use core::cell::Cell;

use board_io::registers::Registers;
use board_io::uart::{self, BytePort};
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m::{asm, interrupt};
pub(crate) use cortex_m_rt::entry;
use selkie_core::Instant;

const UART0: usize = 0x4000_2000;
const STARTRX: usize = 0x000;
const STARTTX: usize = 0x008;
/// A byte was received; a byte was sent.
const RXDRDY: usize = 0x108;
const TXDRDY: usize = 0x11C;
const INTENSET: usize = 0x304;
const INTENSET_RXDRDY_TXDRDY: u32 = 1 << 2 | 1 << 7;
const ENABLE: usize = 0x500;
const PSELTXD: usize = 0x50C;
const PSELRXD: usize = 0x514;
const RXD: usize = 0x518;
const TXD: usize = 0x51C;
const BAUDRATE: usize = 0x524;
const BAUDRATE_115200: u32 = 0x01D7_E000;

const TIMER0: usize = 0x4000_8000;
const START: usize = 0x000;
/// Copies the count into the first of the registers `CC`; the second one is the alarm.
const CAPTURE0: usize = 0x040;
const COMPARE1: usize = 0x144;
const INTENSET_COMPARE1: u32 = 1 << 17;
const BITMODE: usize = 0x508;
const BITMODE_32: u32 = 3;
const PRESCALER: usize = 0x510;
const CC0: usize = 0x540;
const CC1: usize = 0x544;
/// The longest sleep, in microseconds: less than the count takes to wrap.
const SLEEP_MAX: u64 = 1 << 31;
/// Shorter sleeps are not worth going to sleep for.
const SLEEP_MIN: u64 = 5;

/// An interrupt of the UART or the timer.
#[derive(Clone, Copy)]
struct Interrupt(u16);

// SAFETY: the numbers are those of the chip's table.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

/// UART0 and TIMER0.
const INTERRUPTS: [Interrupt; 2] = [Interrupt(2), Interrupt(8)];

/// The clock, and sleep.
pub(crate) struct Board {
    timer: Registers,
    /// The last count that was read, and how often it has wrapped.
    last: u32,
    wraps: u32,
}

impl Board {
    /// Starts the devices; called once.
    pub(crate) fn start() -> (Self, Uart) {
        interrupt::disable();
        // SAFETY: these are the blocks of the devices, and nothing else uses them.
        let (timer, uart) = unsafe { (Registers::new(TIMER0), Registers::new(UART0)) };
        timer.write(BITMODE, BITMODE_32);
        // 16 MHz / 2^4: microseconds.
        timer.write(PRESCALER, 4);
        timer.write(INTENSET, INTENSET_COMPARE1);
        timer.write(START, 1);
        uart.write(PSELTXD, 24);
        uart.write(PSELRXD, 25);
        uart.write(BAUDRATE, BAUDRATE_115200);
        uart.write(ENABLE, 4);
        uart.write(INTENSET, INTENSET_RXDRDY_TXDRDY);
        uart.write(STARTRX, 1);
        uart.write(STARTTX, 1);
        for number in INTERRUPTS {
            // SAFETY: interrupts are disabled and stay so.
            unsafe { NVIC::unmask(number) };
        }
        let uart = Uart::new(Port { registers: uart, is_sending: Cell::new(false) });
        (Self { timer, last: 0, wraps: 0 }, uart)
    }

    /// Returns the microseconds since the start. The longest sleep ends before the count wraps.
    fn micros(&mut self) -> u64 {
        self.timer.write(CAPTURE0, 1);
        let count = self.timer.read(CC0);
        self.wraps += u32::from(count < self.last);
        self.last = count;
        u64::from(self.wraps) << 32 | u64::from(count)
    }

    pub(crate) fn now(&mut self) -> Instant {
        Instant::from_nanos(self.micros() * 1000)
    }

    /// Sleeps until an interrupt or the deadline, unless the UART is ready.
    pub(crate) fn sleep(&mut self, deadline: Option<Instant>, uart: &Uart) {
        for number in INTERRUPTS {
            NVIC::unpend(number);
        }
        let now = self.micros();
        let due = deadline.map_or(u64::MAX, |deadline| deadline.as_nanos().div_ceil(1000));
        let left = due.saturating_sub(now).min(SLEEP_MAX);
        if left < SLEEP_MIN || uart.is_ready() {
            return;
        }
        self.timer.write(COMPARE1, 0);
        // The alarm is compared with the lower half of the count.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        self.timer.write(CC1, (now + left) as u32);
        asm::dsb();
        asm::wfi();
    }
}

/// The UART.
pub(crate) type Uart = uart::Uart<Port>;

/// The UART's chip: one byte out, and a few in.
#[derive(Debug)]
pub(crate) struct Port {
    registers: Registers,
    /// A byte is being sent, as far as was looked.
    is_sending: Cell<bool>,
}

impl BytePort for Port {
    fn acknowledge(&self) {
        // What says that the byte was sent, or that one waits, is the interrupt itself; the latter
        // ends with the byte.
        let _ = self.has_room();
    }

    fn has_input(&self) -> bool {
        self.registers.read(RXDRDY) != 0
    }

    fn take(&mut self) -> u8 {
        self.registers.write(RXDRDY, 0);
        let [byte, ..] = self.registers.read(RXD).to_le_bytes();
        byte
    }

    fn has_room(&self) -> bool {
        if self.registers.read(TXDRDY) != 0 {
            self.registers.write(TXDRDY, 0);
            self.is_sending.set(false);
        }
        !self.is_sending.get()
    }

    fn put(&mut self, byte: u8) {
        self.is_sending.set(true);
        self.registers.write(TXD, u32::from(byte));
    }
}
