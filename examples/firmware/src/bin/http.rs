//! The HTTP server on a microcontroller: `Http` of `examples/services`, without a time of day.
//!
//! ```text
//! SELKIE_BOARD_PORT=80 cargo run --profile firmware --bin http
//! curl -i http://127.0.0.1:7000/
//! ```
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::lm3s6965::Lm3s6965;
use firmware::settings::SOCKETS;
use firmware::{Listen, Memory};
use selkie_services::{Http, HttpSession};

static MEMORY: Memory<Lm3s6965, HttpSession> = Memory::new();

#[entry]
fn main() -> ! {
    // The board does not know the time of day, so replies have no `Date`.
    let listen = Listen { port: 80, sockets: SOCKETS };
    firmware::run(&MEMORY, listen, || Http::new(|| None))
}
