//! The UART: a CMSDK APB UART, with room for one byte in each direction.

use firmware::board::registers::Registers;
use firmware::board::uart::BytePort;

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

/// The UART.
#[derive(Debug)]
pub struct Cmsdk(Registers);

impl Cmsdk {
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
        Self(registers)
    }
}

impl BytePort for Cmsdk {
    fn acknowledge(&self) {
        self.0.write(INTCLEAR, INTERRUPTS);
    }

    fn has_input(&self) -> bool {
        self.0.read(STATE) & STATE_RXFULL != 0
    }

    fn take(&mut self) -> u8 {
        let [byte, ..] = self.0.read(DATA).to_le_bytes();
        byte
    }

    fn has_room(&self) -> bool {
        self.0.read(STATE) & STATE_TXFULL == 0
    }

    fn put(&mut self, byte: u8) {
        self.0.write(DATA, u32::from(byte));
    }
}
