//! The HTTP server of `examples/firmware` on the MPS2.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::settings::SOCKETS;
use firmware::{Listen, Memory};
use mps2::Mps2;
use selkie_services::{Http, HttpSession};

static MEMORY: Memory<Mps2, HttpSession> = Memory::new();

#[entry]
fn main() -> ! {
    // The board does not know the time of day, so replies have no `Date`.
    let listen = Listen { port: 80, sockets: SOCKETS };
    firmware::run(&MEMORY, listen, || Http::new(|| None))
}
