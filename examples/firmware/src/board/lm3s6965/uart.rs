//! The UART: a PL011 with FIFOs of 16 bytes.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};

use crate::board::registers::Registers;

const UART0: usize = 0x4000_C000;
/// Data.
const DR: usize = 0x000;
/// Flags: the receive FIFO is empty, the transmit FIFO is full, the transmit FIFO is empty.
const FR: usize = 0x018;
const FR_RXFE: u32 = 1 << 4;
const FR_TXFF: u32 = 1 << 5;
const FR_TXFE: u32 = 1 << 7;
/// Baud rate: 12.5 MHz / (16 * 115,200) = 6 and 50/64.
const IBRD: usize = 0x024;
const FBRD: usize = 0x028;
/// Line: 8 bits, no parity, FIFOs on.
const LCRH: usize = 0x02C;
const LCRH_8N1_FIFO: u32 = 0b111 << 4;
/// Control: on, in both directions.
const CTL: usize = 0x030;
const CTL_ON: u32 = 1 << 9 | 1 << 8 | 1;
/// Interrupts: bytes were received, there is room again, a few bytes have waited for a while.
const IM: usize = 0x038;
const ICR: usize = 0x044;
const INTERRUPTS: u32 = 1 << 4 | 1 << 5 | 1 << 6;
/// The size of the transmit FIFO.
const FIFO: usize = 16;

/// The UART as a device of embedded-io.
#[derive(Debug)]
pub struct Uart {
    registers: Registers,
    /// A writer was refused for lack of room.
    blocked: bool,
}

impl Uart {
    /// Starts the UART.
    ///
    /// # Safety
    ///
    /// Only once: no other code may use the UART.
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: this is the block of the UART, which the caller says is ours.
        let registers = unsafe { Registers::new(UART0) };
        registers.write(IBRD, 6);
        registers.write(FBRD, 50);
        registers.write(LCRH, LCRH_8N1_FIFO);
        registers.write(IM, INTERRUPTS);
        registers.write(CTL, CTL_ON);
        Self { registers, blocked: false }
    }

    /// Returns the number of bytes that a write takes at least.
    #[must_use]
    pub fn room(&self) -> usize {
        match self.registers.read(FR) {
            flags if flags & FR_TXFE != 0 => FIFO,
            flags if flags & FR_TXFF == 0 => 1,
            _ => 0,
        }
    }

    /// Acknowledges the interrupts, and then returns whether the UART has input, or room for a
    /// writer that was refused.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.registers.write(ICR, INTERRUPTS);
        let flags = self.registers.read(FR);
        flags & FR_RXFE == 0 || (self.blocked && flags & FR_TXFF == 0)
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.registers.read(FR) & FR_RXFE == 0)
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        self.blocked = self.room() == 0;
        Ok(!self.blocked)
    }
}

impl Read for Uart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        while count < buffer.len() && (count == 0 || self.read_ready()?) {
            // The low byte is the data; a blocking read, as the trait wants it, waits for the
            // first.
            while !self.read_ready()? {}
            [buffer[count], ..] = self.registers.read(DR).to_le_bytes();
            count += 1;
        }
        Ok(count)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        for &byte in bytes {
            while count == 0 && self.room() == 0 {}
            if self.room() == 0 {
                break;
            }
            self.registers.write(DR, u32::from(byte));
            count += 1;
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while self.registers.read(FR) & FR_TXFE == 0 {}
        Ok(())
    }
}
