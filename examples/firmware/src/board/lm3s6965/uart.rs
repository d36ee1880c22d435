//! The UART: a PL011 with FIFOs of 16 bytes.

use crate::board::registers::Registers;
use crate::board::uart::BytePort;

const UART0: usize = 0x4000_C000;
/// Data.
const DR: usize = 0x000;
/// Flags: the receive FIFO is empty, the transmit FIFO is full.
const FR: usize = 0x018;
const FR_RXFE: u32 = 1 << 4;
const FR_TXFF: u32 = 1 << 5;
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

/// The UART.
#[derive(Debug)]
pub struct Pl011(Registers);

impl Pl011 {
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
        Self(registers)
    }
}

impl BytePort for Pl011 {
    fn acknowledge(&self) {
        self.0.write(ICR, INTERRUPTS);
    }

    fn has_input(&self) -> bool {
        self.0.read(FR) & FR_RXFE == 0
    }

    fn take(&mut self) -> u8 {
        // The low byte is the data.
        let [byte, ..] = self.0.read(DR).to_le_bytes();
        byte
    }

    fn has_room(&self) -> bool {
        self.0.read(FR) & FR_TXFF == 0
    }

    fn put(&mut self, byte: u8) {
        self.0.write(DR, u32::from(byte));
    }
}
