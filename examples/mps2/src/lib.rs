//! The MPS2 board with the AN385 image (`mps2-an385` in QEMU): the drivers that another board
//! takes, and nothing else. Of its 4 MiB of code and of data memory the firmware uses as much as
//! the other board has.
#![no_std]

pub mod ethernet;
pub mod uart;

use ethernet::Ethernet;
use firmware::board::Board;
use uart::Uart;

/// The board.
#[derive(Debug)]
pub struct Mps2;

impl Board for Mps2 {
    type Ethernet = Ethernet;
    type Uart = Uart;

    // The processor runs at 25 MHz.
    const NANOSECONDS_PER_TICK: u64 = 40;
    // UART0's two, and Ethernet.
    const INTERRUPTS: &'static [u16] = &[0, 1, 13];

    unsafe fn start() -> (Ethernet, Uart) {
        // The devices have their clocks at reset.
        // SAFETY: the caller says that no other code uses the devices.
        unsafe { (Ethernet::new(), Uart::new()) }
    }

    fn has_frame(ethernet: &Ethernet) -> bool {
        ethernet.is_ready()
    }

    fn is_uart_ready(uart: &Uart) -> bool {
        uart.is_ready()
    }
}
