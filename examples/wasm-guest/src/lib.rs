//! The echo server as a WebAssembly guest for 64 clients: no standard library, no allocator, static
//! memory.
//!
//! The service and the server layer are those of `examples/echo.rs`; the rest is what the standard
//! library does elsewhere. In this folder:
//!
//! ```text
//! cargo build --release --target wasm32-wasip2
//! wasmtime run -S inherit-network ../../guests/target/wasm32-wasip2/release/echo.wasm
//! nc 127.0.0.1 7000
//! ```
//!
//! or for WASI 0.1:
//!
//! ```text
//! cargo build --release --target wasm32-wasip1
//! wasmtime run -S preview2=n -S tcplisten=127.0.0.1:7000 \
//!     ../../guests/target/wasm32-wasip1/release/echo.wasm
//! ```
//!
//! For WASI 0.3, stable Rust has no target: `ci/build-guest 0.3` makes a component of a module.
#![cfg(target_arch = "wasm32")]
#![no_std]

#[cfg_attr(target_env = "p1", path = "wasi_p1.rs")]
#[cfg_attr(target_env = "p2", path = "wasi_p2.rs")]
#[cfg_attr(target_os = "unknown", path = "wasi_p3.rs")]
mod platform;

use core::mem::ManuallyDrop;
#[cfg(not(target_env = "p1"))]
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use platform::StaticGuest;
use selkie_core::memory::{StaticLoop, StaticServer};
use selkie_core::{Config, Error, EventLoop, Server};
use selkie_services::UndrainedEcho;
use selkie_wasi::Socket;
use static_cell::ConstStaticCell;

/// The address of components. Arguments come as a list of strings, and there is no allocator to put
/// them into.
#[cfg(not(target_env = "p1"))]
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7000);
/// 64 clients and the listener.
const SLOTS: usize = 65;
/// The most bytes of one read, and of pending output to a client.
const BLOCK_SIZE: usize = 1024;
/// The number of blocks for bytes that wait: two for each client, so that none waits for another.
const BLOCKS: usize = 2 * SLOTS;

/// All memory that is used, as one.
struct Memory {
    guest: StaticGuest<SLOTS>,
    event_loop: StaticLoop<SLOTS, 64>,
    server: StaticServer<Socket, (), SLOTS, BLOCKS, { BLOCKS * BLOCK_SIZE }, BLOCK_SIZE>,
}

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory {
    guest: StaticGuest::new(),
    event_loop: StaticLoop::new(),
    server: StaticServer::new(),
});

/// Serves until something stops the platform as a whole.
fn serve() -> Result<(), Error> {
    let memory = MEMORY.take();
    let guest = platform::open(memory.guest.storage())?;
    // What it holds goes with the program.
    let mut event_loop = ManuallyDrop::new(EventLoop::new(guest, &mut memory.event_loop));
    let listener = platform::listen(&mut event_loop.platform)?;
    let config = Config::DEFAULT.idle_timeout(Some(Duration::from_secs(600)));
    let mut server = Server::new(UndrainedEcho, config, &mut memory.server);
    server.listen(&mut event_loop.context(), listener)?;
    event_loop.run(&mut server)
}

/// Traps: there is no one to report to.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
