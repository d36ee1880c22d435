//! The MPS2 board with the AN385 image (`mps2-an385` in QEMU). Of its 4 MiB of code and of data
//! memory the firmware uses as much as the other board has.

pub mod ethernet;
pub mod uart;

/// The processor runs at 25 MHz.
pub(super) const NANOSECONDS_PER_TICK: u64 = 40;

/// The numbers of the interrupts that end a sleep, beside the clock's: UART0's two, and Ethernet.
pub(super) const INTERRUPTS: [u16; 3] = [0, 1, 13];

/// Does nothing: the devices have their clocks at reset.
///
/// # Safety
///
/// As on other boards.
pub(super) unsafe fn power_on() {}
