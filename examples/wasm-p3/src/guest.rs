//! The server: a platform, memory for it, and a service.

use core::mem::ManuallyDrop;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use core::panic::PanicInfo;
use core::time::Duration;

use selkie_core::memory::{StaticLoop, StaticServer};
use selkie_core::{Config, Error, EventLoop, Server};
use selkie_services::UndrainedEcho;
use selkie_wasi::{Socket, StaticWaitableSet, WaitableSet};
use static_cell::ConstStaticCell;

use crate::console;

/// The number of clients that are served at once: 64, or the environment variable's value when this
/// was compiled.
const CAPACITY: usize = match option_env!("SELKIE_CAPACITY") {
    Some(text) => number(text.as_bytes()).expect("SELKIE_CAPACITY is a number"),
    None => 64,
};
/// One for the listener.
const SLOTS: usize = CAPACITY + 1;
/// The most events of one wait.
const EVENTS: usize = 32;
/// The number of blocks for bytes that wait: two for each client that stalls, or as many as will
/// do.
const BLOCKS: usize = if SLOTS < 1024 { 2 * SLOTS } else { 2048 };
/// The most bytes of pending output to a client before nothing more is read from it.
const BLOCK_SIZE: usize = 1024;

static PLATFORM: ConstStaticCell<StaticWaitableSet<SLOTS>> =
    ConstStaticCell::new(StaticWaitableSet::new());
static LOOP: ConstStaticCell<StaticLoop<SLOTS, EVENTS>> = ConstStaticCell::new(StaticLoop::new());
static SERVER: ConstStaticCell<
    StaticServer<Socket, (), SLOTS, BLOCKS, { BLOCKS * BLOCK_SIZE }, BLOCK_SIZE>,
> = ConstStaticCell::new(StaticServer::new());

/// Parses a text of digits. The standard library's parser would be one for each type.
const fn number(text: &[u8]) -> Option<usize> {
    match digits(text) {
        Some((value, [])) => Some(value),
        _ => None,
    }
}

/// Parses the number that a text begins with, and returns it with the rest of the text.
const fn digits(text: &[u8]) -> Option<(usize, &[u8])> {
    let (mut value, mut rest) = (0_usize, text);
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        if value > 9_999_999 {
            return None;
        }
        value = value * 10 + (*digit - b'0') as usize;
        rest = behind;
    }
    if rest.len() == text.len() { None } else { Some((value, rest)) }
}

/// Implements `run` of `wasi:cli`: 0 for success, 1 for failure.
#[unsafe(export_name = "wasi:cli/run@0.3.0#run")]
extern "C" fn run() -> u32 {
    let Some((address, capacity, idle_timeout)) = arguments() else {
        console::print(
            b"expected: [ADDRESS [CAPACITY [IDLE_SECONDS]]], such as 127.0.0.1:7000 64 60\n",
        );
        return 1;
    };
    u32::from(serve(address, capacity, idle_timeout).is_err())
}

/// Parses the command line: the address to listen on, the number of clients to serve at once, and
/// the time without a byte after which one is disconnected.
fn arguments() -> Option<(SocketAddr, usize, Option<Duration>)> {
    let mut text = [0; console::ARGUMENT_MAX];
    let address = address(console::argument(1, &mut text).unwrap_or(b"127.0.0.1:7000"))?;
    let capacity = console::argument(2, &mut text).map_or(Some(CAPACITY), number)?;
    let idle = match console::argument(3, &mut text) {
        Some(seconds) => Some(Duration::from_secs(number(seconds)? as u64)),
        None => None,
    };
    (1..=CAPACITY).contains(&capacity).then_some((address, capacity, idle))
}

/// Parses an IPv4 address and a port.
fn address(mut text: &[u8]) -> Option<SocketAddr> {
    let mut octets = [0; 4];
    for (octet, separator) in octets.iter_mut().zip(b"...:") {
        let (value, rest) = digits(text)?;
        *octet = u8::try_from(value).ok()?;
        text = rest.strip_prefix(&[*separator])?;
    }
    let port = u16::try_from(number(text)?).ok()?;
    Some(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(octets), port)))
}

/// Serves without end, or as long as the host permits.
fn serve(
    address: SocketAddr,
    capacity: usize,
    idle_timeout: Option<Duration>,
) -> Result<(), Error> {
    // Neither this nor the loop is dropped: what they have open ends with the component.
    let mut platform = ManuallyDrop::new(WaitableSet::new(PLATFORM.take().storage()));
    let listener = platform.listen(address, 4096).inspect_err(|_| {
        console::print(
            b"cannot listen there; is the address in use, or `-S inherit-network` missing?\n",
        );
    })?;
    console::announce(platform.local_address(listener)?, capacity);
    let config = Config::DEFAULT.connections_max(capacity).idle_timeout(idle_timeout);
    let event_loop = EventLoop::new(ManuallyDrop::into_inner(platform), LOOP.take());
    let mut event_loop = ManuallyDrop::new(event_loop);
    let mut server = Server::new(UndrainedEcho, config, SERVER.take());
    server.listen(&mut event_loop.context(), listener)?;
    event_loop.run(&mut server)
}

/// Traps, so that the host reports where the guest panicked, which is not meant to happen.
#[panic_handler]
fn panic(_information: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
