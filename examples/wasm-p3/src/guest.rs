//! The server: a platform, memory for it, and a service.

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use core::panic::PanicInfo;
use core::time::Duration;

use selkie_core::{Config, Error, EventLoop, Server, StaticLoop, StaticServer};
use selkie_wasi::{Socket, StaticWaitableSet, WaitableSet};
use services::Echo;
use static_cell::ConstStaticCell;

use crate::console;

/// How many clients are served at once: 64, or what the environment variable said when this was compiled.
const CAPACITY: usize = match option_env!("SELKIE_CAPACITY") {
    Some(text) => number(text.as_bytes()).expect("SELKIE_CAPACITY is a number"),
    None => 64,
};
/// One for the listener.
const SLOTS: usize = CAPACITY + 1;
/// How many events one wait reports at most.
const EVENTS: usize = 32;
/// How many blocks there are for bytes that wait: two for each client that stalls, or as many as will do.
const BLOCKS: usize = if SLOTS < 1024 { 2 * SLOTS } else { 2048 };
/// How many bytes may be owed to a client before nothing more is read from it.
const BLOCK_SIZE: usize = 1024;

static PLATFORM: ConstStaticCell<StaticWaitableSet<SLOTS>> = ConstStaticCell::new(StaticWaitableSet::new());
static LOOP: ConstStaticCell<StaticLoop<SLOTS, EVENTS>> = ConstStaticCell::new(StaticLoop::new());
static SERVER: ConstStaticCell<StaticServer<Socket, (), SLOTS, BLOCKS, { BLOCKS * BLOCK_SIZE }, BLOCK_SIZE>> =
    ConstStaticCell::new(StaticServer::new());

/// The number that a text of digits says. The standard library's parser would be one for each type.
const fn number(text: &[u8]) -> Option<usize> {
    let (mut value, mut at) = (0_usize, 0);
    while at < text.len() {
        if !text[at].is_ascii_digit() || value > 9_999_999 {
            return None;
        }
        value = value * 10 + (text[at] - b'0') as usize;
        at += 1;
    }
    if at == 0 { None } else { Some(value) }
}

/// `run` of `wasi:cli`: 0 for success, 1 for failure.
#[unsafe(export_name = "wasi:cli/run@0.3.0#run")]
extern "C" fn run() -> u32 {
    let Some((address, config)) = arguments() else {
        console::print(b"expected: [ADDRESS [CAPACITY [IDLE_SECONDS]]], such as 127.0.0.1:7000 64 60\n");
        return 1;
    };
    u32::from(serve(address, config).is_err())
}

/// What the command line asks for: where to listen, how many clients to serve at once, and after how many seconds without
/// a byte to disconnect one.
fn arguments() -> Option<(SocketAddr, Config)> {
    let mut text = [0; console::ARGUMENT_MAX];
    let address = address(console::argument(1, &mut text).unwrap_or(b"127.0.0.1:7000"))?;
    let connections_max = console::argument(2, &mut text).map_or(Some(CAPACITY), number)?;
    let idle = match console::argument(3, &mut text) {
        Some(seconds) => Some(Duration::from_secs(number(seconds)? as u64)),
        None => None,
    };
    let fits = (1..=CAPACITY).contains(&connections_max);
    fits.then_some((address, Config { connections_max, idle_timeout: idle, ..Config::DEFAULT }))
}

/// An IPv4 address and a port.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let mut parts = text.split(|&byte| byte == b'.' || byte == b':');
    let mut octets = [0; 4];
    for octet in &mut octets {
        *octet = u8::try_from(number(parts.next()?)?).ok()?;
    }
    let port = u16::try_from(number(parts.next()?)?).ok()?;
    let whole = parts.next().is_none();
    whole.then_some(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(octets), port)))
}

/// Serves for ever, or as long as the host lets it.
fn serve(address: SocketAddr, config: Config) -> Result<(), Error> {
    let mut platform = WaitableSet::new(PLATFORM.take().storage());
    let listener = platform.listen(address, 4096).inspect_err(|_| {
        console::print(b"cannot listen there; is the address in use, or `-S inherit-network` missing?\n");
    })?;
    console::announce(platform.local_address(listener)?, config.connections_max);
    let mut event_loop = EventLoop::new(platform, LOOP.take().storage());
    let mut server = Server::new(Echo, config, SERVER.take().storage());
    server.listen(&mut event_loop.context, listener)?;
    event_loop.run(&mut server)
}

/// Nothing here is meant to panic; the host tells where it did.
#[panic_handler]
fn panic(_information: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
