//! QEMU's RISC-V machine `virt`: a 16550 UART, a timer of 10 MHz, and an interrupt controller.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use riscv::register::{mie, mstatus};
pub(crate) use riscv_rt::entry;
use selkie_core::Instant;

use crate::registers::Registers;

const UART: usize = 0x1000_0000;
/// Data, interrupts (received, room to send), line state (received, room to send).
const DATA: usize = 0;
const IER: usize = 1;
const IER_RX_TX: u8 = 0b11;
const LSR: usize = 5;
const LSR_RX: u8 = 1;
const LSR_TX: u8 = 1 << 5;

/// The timer: its alarm, and its count.
const CLINT: usize = 0x0200_0000;
const MTIMECMP: usize = 0x4000;
const MTIME: usize = 0xBFF8;
const NANOSECONDS_PER_TICK: u64 = 100;

/// The interrupt controller: the UART's priority, what is enabled, and what is pending.
const PLIC: usize = 0x0C00_0000;
const UART_NUMBER: u32 = 10;
const PRIORITY_UART: usize = 4 * UART_NUMBER as usize;
const ENABLE: usize = 0x2000;
const CLAIM: usize = 0x20_0004;

/// The clock, and sleep.
pub(crate) struct Board {
    clint: Registers,
    plic: Registers,
}

impl Board {
    /// Starts the devices; called once.
    pub(crate) fn start() -> (Self, Uart) {
        // SAFETY: these are the blocks of the devices, and nothing else uses them.
        let (clint, plic, uart) =
            unsafe { (Registers::new(CLINT), Registers::new(PLIC), Registers::new(UART)) };
        plic.write(PRIORITY_UART, 1);
        plic.write(ENABLE, 1 << UART_NUMBER);
        uart.write_byte(IER, 1);
        // SAFETY: interrupts stay disabled as a whole; those of devices and of the timer only end
        // a sleep.
        unsafe {
            mstatus::clear_mie();
            mie::set_mext();
            mie::set_mtimer();
        }
        (Self { clint, plic }, Uart { registers: uart })
    }

    pub(crate) fn now(&mut self) -> Instant {
        let high = self.clint.read(MTIME + 4);
        let low = self.clint.read(MTIME);
        // The low half may have wrapped between the two.
        let (high, low) = match self.clint.read(MTIME + 4) {
            same if same == high => (high, low),
            next => (next, self.clint.read(MTIME)),
        };
        Instant::from_nanos((u64::from(high) << 32 | u64::from(low)) * NANOSECONDS_PER_TICK)
    }

    /// Sleeps until an interrupt or the deadline, unless the UART is ready.
    pub(crate) fn sleep(&mut self, deadline: Option<Instant>, uart: &mut Uart) {
        let due = deadline
            .map_or(u64::MAX, |deadline| deadline.as_nanos().div_ceil(NANOSECONDS_PER_TICK));
        // A count of the past ends the sleep at once.
        #[allow(clippy::cast_possible_truncation, reason = "it is written in halves")]
        let (high, low) = ((due >> 32) as u32, due as u32);
        self.clint.write(MTIMECMP, u32::MAX);
        self.clint.write(MTIMECMP + 4, high);
        self.clint.write(MTIMECMP, low);
        if !uart.is_ready() {
            riscv::asm::wfi();
        }
        // Until it is claimed and completed, the interrupt would end each sleep.
        let number = self.plic.read(CLAIM);
        if number != 0 {
            self.plic.write(CLAIM, number);
        }
    }
}

/// The UART.
pub(crate) struct Uart {
    registers: Registers,
}

impl Uart {
    fn has(&self, state: u8) -> bool {
        self.registers.read_byte(LSR) & state != 0
    }

    fn is_ready(&self) -> bool {
        self.has(LSR_RX)
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.has(LSR_RX))
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        let has_room = self.has(LSR_TX);
        // Room ends a sleep only for a writer that was refused.
        self.registers.write_byte(IER, if has_room { 1 } else { IER_RX_TX });
        Ok(has_room)
    }
}

impl Read for Uart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some(first) = buffer.first_mut() else { return Ok(0) };
        while !self.read_ready()? {}
        *first = self.registers.read_byte(DATA);
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first() else { return Ok(0) };
        while !self.write_ready()? {}
        self.registers.write_byte(DATA, *first);
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while !self.write_ready()? {}
        Ok(())
    }
}
