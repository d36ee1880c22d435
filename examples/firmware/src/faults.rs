//! The end of a firmware that cannot continue: a message in the log, and an exit code, which QEMU
//! returns.

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use semihosting::process;

/// The exit code of a Rust program that panics.
const PANICKED: i32 = 101;
/// The exit code on a fault, such as a stack that has grown out of the RAM.
const FAULTED: i32 = 102;

/// Logs the panic, and its place in a build without optimisation. A release leaves the place out:
/// the names, and the code that passes them on, would take several KiB of flash.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(place) if cfg!(debug_assertions) => {
            defmt::error!("panicked at {=str}:{=u32}", place.file(), place.line());
        }
        _ => defmt::error!("panicked; a build for debugging says where"),
    }
    process::exit(PANICKED)
}

#[defmt::panic_handler]
fn defmt_panic() -> ! {
    process::exit(PANICKED)
}

// SAFETY: the handler neither returns nor touches anything that the interrupted code may have left
// half done.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("fault at {=u32:#x}, called from {=u32:#x}", frame.pc(), frame.lr());
    process::exit(FAULTED)
}
