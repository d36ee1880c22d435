//! The echo server on a microcontroller as an `async fn`: a task for each connection.
//!
//! ```text
//! cargo run --profile firmware --bin async_echo
//! nc 127.0.0.1 7000
//! ```
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::lm3s6965::Lm3s6965;
use firmware::settings::{PORT, SOCKETS};
use firmware::{Listen, Memory, Tasks};
use selkie_async::size_of_task;
use selkie_services::tasks::echo_in_place;

static MEMORY: Memory<Lm3s6965, ()> = Memory::new();
static TASKS: Tasks<{ size_of_task(echo_in_place) }> = Tasks::new();

#[entry]
fn main() -> ! {
    let listen = Listen { port: PORT, sockets: SOCKETS };
    firmware::run(&MEMORY, listen, || TASKS.service(echo_in_place))
}
