//! A framed protocol on a microcontroller as an `async fn`: a task for each connection.
//!
//! ```text
//! cargo run --profile firmware --bin async_frames
//! printf '\0\6uhello' | nc -q 1 127.0.0.1 7000 | od -c
//! ```
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::lm3s6965::Lm3s6965;
use firmware::settings::{PORT, SOCKETS};
use firmware::{Listen, Memory, Tasks};
use selkie_async::size_of_task;
use selkie_services::tasks::frames;

static MEMORY: Memory<Lm3s6965, ()> = Memory::new();
static TASKS: Tasks<{ size_of_task(frames) }> = Tasks::new();

#[entry]
fn main() -> ! {
    let listen = Listen { port: PORT, sockets: SOCKETS };
    firmware::run(&MEMORY, listen, || TASKS.service(frames))
}
