//! A server in static memory, driven from outside with `turn(now)`, as firmware does it.
//!
//! All tables have a size that is known at compile time, so the linker says how much memory the
//! server takes. The main loop is not ours: it asks the server for a turn whenever it likes, and
//! learns until when there is nothing to do.
//!
//! ```text
//! cargo run --example turn
//! nc 127.0.0.1 7000
//! ```

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant as Clock};

use selkie::memory::{StaticBuilder, StaticMemory};
use selkie::platform::{DefaultSelector, Platform, Socket};
use selkie::{Instant, static_memory};
use selkie_services::Echo;

/// Eight clients and a listener, with one buffer of 1 KiB for each client.
const SETTINGS: StaticBuilder = StaticBuilder::new()
    .connections(8)
    .buffers_each(1)
    .buffer_size(1024)
    .idle_timeout(Some(Duration::from_secs(60)));

static MEMORY: Mutex<static_memory!(SETTINGS, Socket, ())> = Mutex::new(StaticMemory::new());

/// The interval of the main loop's other work.
const OTHER_WORK: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned()).parse()?;
    let slots = SETTINGS.slots();
    let mut platform = Platform::new(DefaultSelector::new(slots)?, slots)?;
    let listener = platform.listen(address, 8)?;
    let address = platform.local_address(listener)?;

    // Locked for as long as the program runs: a `static` lends its memory to one user.
    let mut memory = MEMORY.lock().map_err(|_| "in use")?;
    let mut server = SETTINGS.build(platform, Echo, &mut memory, Instant::ZERO);
    server.listen(listener)?;
    println!("listening on {address} ({} bytes of memory)", SETTINGS.memory::<Socket, ()>());

    let start = Clock::now();
    loop {
        let now = Instant::ZERO + start.elapsed();
        let next = server.turn(now)?;
        // Firmware would sleep until an interrupt or the next deadline; this main loop has other
        // work besides.
        let idle = next.map_or(OTHER_WORK, |next| next.saturating_since(now));
        thread::sleep(idle.min(OTHER_WORK));
    }
}
