//! The MPS2 board with the AN385 image (`mps2-an385` in QEMU): the drivers that another board
//! takes, and nothing else. Of its 4 MiB of code and of data memory the firmware uses as much as
//! the other board has.
#![no_std]

pub mod ethernet;
pub mod uart;

use ethernet::Lan9118;
use firmware::board::Board;
use uart::Cmsdk;

/// The board.
#[derive(Debug)]
pub struct Mps2;

impl Board for Mps2 {
    type FramePort = Lan9118;
    type BytePort = Cmsdk;

    // The processor runs at 25 MHz.
    const NANOSECONDS_PER_TICK: u64 = 40;
    // UART0's two, and Ethernet.
    const INTERRUPTS: &'static [u16] = &[0, 1, 13];

    unsafe fn start() -> (Lan9118, Cmsdk) {
        // The devices have their clocks at reset.
        // SAFETY: the caller says that no other code uses the devices.
        unsafe { (Lan9118::new(), Cmsdk::new()) }
    }
}
