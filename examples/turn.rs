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

use selkie::memory::{StaticLoop, StaticServer};
use selkie::{Config, DefaultSelector, EventLoop, Instant, Platform, Server, Socket};
use selkie_services::Echo;

/// Eight clients and a listener.
const SLOTS: usize = 9;

static LOOP: Mutex<StaticLoop<SLOTS, 8>> = Mutex::new(StaticLoop::new());
/// Four blocks of 1 KiB for bytes that wait, and 1 KiB to read into.
static SERVER: Mutex<StaticServer<Socket, (), SLOTS, 4, 4096, 1024>> =
    Mutex::new(StaticServer::new());

/// The interval of the main loop's other work.
const OTHER_WORK: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned()).parse()?;
    let mut platform = Platform::new(DefaultSelector::new(SLOTS)?, SLOTS)?;
    let listener = platform.listen(address, 8)?;
    println!("listening on {} (static memory)", platform.local_address(listener)?);

    // Locked for as long as the program runs: a `static` lends its memory to one user.
    let (mut loop_memory, mut server_memory) =
        (LOOP.lock().map_err(|_| "in use")?, SERVER.lock().map_err(|_| "in use")?);
    let mut event_loop = EventLoop::new(platform, &mut *loop_memory);
    let config = Config::DEFAULT.idle_timeout(Some(Duration::from_secs(60)));
    let mut server = Server::new(Echo, config, server_memory.storage());
    server.listen(&mut event_loop.context(), listener)?;

    let start = Clock::now();
    loop {
        let now = Instant::ZERO + start.elapsed();
        let next = event_loop.turn(now, &mut server)?;
        // Firmware would sleep until an interrupt or the next deadline; this main loop has other
        // work besides.
        let idle = next.map_or(OTHER_WORK, |next| next.saturating_since(now));
        thread::sleep(idle.min(OTHER_WORK));
    }
}
