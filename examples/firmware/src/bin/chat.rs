//! The chat on a microcontroller: `Chat` of `examples/services`, with a seat for each client.
//!
//! ```text
//! SELKIE_BOARD_PORT=7000 cargo run --profile firmware --bin chat
//! nc 127.0.0.1 7000
//! ```
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::lm3s6965::Lm3s6965;
use firmware::settings::SOCKETS;
use firmware::{Listen, Memory, SLOTS};
use selkie_services::{Chat, Member, Seat};
use static_cell::ConstStaticCell;

static MEMORY: Memory<Lm3s6965, Member> = Memory::new();
static SEATS: ConstStaticCell<[Seat; SLOTS]> = ConstStaticCell::new([Seat::EMPTY; SLOTS]);

#[entry]
fn main() -> ! {
    let listen = Listen { port: 7000, sockets: SOCKETS };
    firmware::run(&MEMORY, listen, || Chat::new(SEATS.take()))
}
