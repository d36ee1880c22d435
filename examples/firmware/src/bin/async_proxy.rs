//! A TCP proxy on a microcontroller as an `async fn`: the task of a client connects to a server and
//! relays in both directions. The server is on the host: the emulated network runs a command for
//! each connection to 10.0.2.100.
//!
//! ```text
//! export SELKIE_NETWORK="restrict=on,guestfwd=tcp:10.0.2.100:7100-cmd:nc 127.0.0.1 7100"
//! cargo run --profile firmware --bin async_proxy
//! nc -l 127.0.0.1 7100        # in another terminal: the server
//! nc 127.0.0.1 7000           # in a third one
//! ```
#![no_std]
#![no_main]

use core::future::Future;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::lm3s6965::Lm3s6965;
use firmware::settings::{PORT, SOCKETS};
use firmware::{Listen, Memory, Tasks};
use selkie_async::{Conn, size_of_task};
use selkie_services::tasks;

static MEMORY: Memory<Lm3s6965, ()> = Memory::new();
static TASKS: Tasks<{ size_of_task(proxy) }> = Tasks::new();

/// The server, as the emulated network shows it to the board.
static UPSTREAMS: [SocketAddr; 1] =
    [SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 100), 7100))];

/// Relays for a client.
fn proxy(client: Conn<'_>) -> impl Future<Output = ()> + use<'_> {
    tasks::proxy(client, &UPSTREAMS)
}

#[entry]
fn main() -> ! {
    // A client takes two sockets: its own, and one to the server.
    let listen = Listen { port: PORT, sockets: SOCKETS / 2 };
    firmware::run(&MEMORY, listen, || TASKS.service(proxy).connecting())
}
