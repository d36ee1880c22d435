//! The echo server on a microcontroller: the service of the native example, `examples/services`.
//!
//! ```text
//! cargo run --profile firmware
//! nc 127.0.0.1 7000
//! ```
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::lm3s6965::Lm3s6965;
use firmware::settings::{PORT, SOCKETS};
use firmware::{Listen, Memory};
use selkie_services::Echo;

static MEMORY: Memory<Lm3s6965, ()> = Memory::new();

#[entry]
fn main() -> ! {
    firmware::run(&MEMORY, Listen { port: PORT, sockets: SOCKETS }, || Echo)
}
