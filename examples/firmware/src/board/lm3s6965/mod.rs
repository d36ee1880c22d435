//! The LM3S6965 evaluation board (`lm3s6965evb` in QEMU), with 256 KiB of flash and 64 KiB of RAM.

pub mod ethernet;
pub mod uart;

use super::registers::Registers;

/// The processor runs at 12.5 MHz.
pub(super) const NANOSECONDS_PER_TICK: u64 = 80;

/// The numbers of the interrupts that end a sleep, beside the clock's: UART0 and Ethernet.
pub(super) const INTERRUPTS: [u16; 2] = [5, 42];

/// System control: RCGC1 and RCGC2 give clocks to the devices.
const SYSTEM_CONTROL: usize = 0x400F_E000;
const RCGC1: usize = 0x104;
const RCGC1_UART0: u32 = 1;
const RCGC2: usize = 0x108;
const RCGC2_EMAC0_EPHY0: u32 = 1 << 28 | 1 << 30;

/// Gives clocks to the devices.
///
/// # Safety
///
/// Only once, before the devices are used.
pub(super) unsafe fn power_on() {
    // SAFETY: this is the block of system control, and no other code writes to it.
    let control = unsafe { Registers::new(SYSTEM_CONTROL) };
    control.write(RCGC1, RCGC1_UART0);
    control.write(RCGC2, RCGC2_EMAC0_EPHY0);
}
