//! The UART: a CMSDK APB UART, with room for one byte in each direction.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};

use firmware::board::registers::Registers;

const UART0: usize = 0x4000_4000;
/// Data.
const DATA: usize = 0x000;
/// State: the transmit buffer is full, the receive buffer is full.
const STATE: usize = 0x004;
const STATE_TXFULL: u32 = 1;
const STATE_RXFULL: u32 = 1 << 1;
/// Control: on, with interrupts, in both directions.
const CTRL: usize = 0x008;
const CTRL_ON: u32 = 0b1111;
/// Interrupt status, and their acknowledgement: a byte was sent, a byte was received.
const INTCLEAR: usize = 0x00C;
const INTERRUPTS: u32 = 0b11;
/// Baud rate: 25 MHz / 217 = 115,207.
const BAUDDIV: usize = 0x010;

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
        registers.write(BAUDDIV, 217);
        registers.write(CTRL, CTRL_ON);
        Self { registers, blocked: false }
    }

    /// Acknowledges the interrupts, and then returns whether the UART has input, or room for a
    /// writer that was refused.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.registers.write(INTCLEAR, INTERRUPTS);
        let state = self.registers.read(STATE);
        state & STATE_RXFULL != 0 || (self.blocked && state & STATE_TXFULL == 0)
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.registers.read(STATE) & STATE_RXFULL != 0)
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        self.blocked = self.registers.read(STATE) & STATE_TXFULL != 0;
        Ok(!self.blocked)
    }
}

impl Read for Uart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some(first) = buffer.first_mut() else { return Ok(0) };
        // A blocking read, as the trait wants it, waits for the first byte.
        while !self.read_ready()? {}
        [*first, ..] = self.registers.read(DATA).to_le_bytes();
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(first) = bytes.first() else { return Ok(0) };
        while !self.write_ready()? {}
        self.registers.write(DATA, u32::from(*first));
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while !self.write_ready()? {}
        Ok(())
    }
}
