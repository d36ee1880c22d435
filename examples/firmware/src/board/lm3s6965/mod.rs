//! The LM3S6965 evaluation board (`lm3s6965evb` in QEMU), with 256 KiB of flash and 64 KiB of RAM.

pub mod ethernet;
pub mod uart;

use super::Board;
use super::registers::Registers;
use ethernet::Mac;
use uart::Pl011;

/// System control: RCGC1 and RCGC2 give clocks to the devices.
const SYSTEM_CONTROL: usize = 0x400F_E000;
const RCGC1: usize = 0x104;
const RCGC1_UART0: u32 = 1;
const RCGC2: usize = 0x108;
const RCGC2_EMAC0_EPHY0: u32 = 1 << 28 | 1 << 30;

/// The board.
#[derive(Debug)]
pub struct Lm3s6965;

impl Board for Lm3s6965 {
    type FramePort = Mac;
    type BytePort = Pl011;

    // The processor runs at 12.5 MHz.
    const NANOSECONDS_PER_TICK: u64 = 80;
    // UART0 and Ethernet.
    const INTERRUPTS: &'static [u16] = &[5, 42];

    unsafe fn start() -> (Mac, Pl011) {
        // SAFETY: this is the block of system control, and no other code writes to it.
        let control = unsafe { Registers::new(SYSTEM_CONTROL) };
        control.write(RCGC1, RCGC1_UART0);
        control.write(RCGC2, RCGC2_EMAC0_EPHY0);
        // SAFETY: the caller says that no other code uses the devices.
        unsafe { (Mac::new(), Pl011::new()) }
    }
}
