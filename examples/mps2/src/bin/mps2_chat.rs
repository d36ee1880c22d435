//! The chat of `examples/firmware` on the MPS2.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::settings::SOCKETS;
use firmware::{Listen, Memory, SLOTS};
use mps2::Mps2;
use selkie_services::{Chat, Member, Seat};
use static_cell::ConstStaticCell;

static MEMORY: Memory<Mps2, Member> = Memory::new();
static SEATS: ConstStaticCell<[Seat; SLOTS]> = ConstStaticCell::new([Seat::EMPTY; SLOTS]);

#[entry]
fn main() -> ! {
    let listen = Listen { port: 7000, sockets: SOCKETS };
    firmware::run(&MEMORY, listen, || Chat::new(SEATS.take()))
}
