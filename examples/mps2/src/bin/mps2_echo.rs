//! The echo server of `examples/firmware` on the MPS2.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::settings::{PORT, SOCKETS};
use firmware::{Listen, Memory};
use mps2::Mps2;
use selkie_services::Echo;

static MEMORY: Memory<Mps2, ()> = Memory::new();

#[entry]
fn main() -> ! {
    firmware::run(&MEMORY, Listen { port: PORT, sockets: SOCKETS }, || Echo)
}
