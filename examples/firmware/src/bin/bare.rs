//! The echo server by hand on smoltcp alone, which the other firmware is measured against.
//!
//! It has the same board, settings, console and main loop, keeps the same deadlines and limits, and
//! does what a careful author writes who has one service and one kind of source: one pass over the
//! sockets after each poll. Seen from outside the two are the same, as far as `check/clients.py`
//! looks.
#![no_std]
#![no_main]

use core::time::Duration;

use cortex_m_rt::entry;
use defmt_semihosting as _;
use embedded_io::{Read, ReadReady, Write, WriteReady};
use firmware::board::lm3s6965::{Lm3s6965, ethernet::Mac, uart::Pl011};
use firmware::board::{self, Parts, frame::Ethernet, stack, uart::Uart};
use firmware::console::{Command, Console};
use firmware::settings::{self, BUFFER, CONNECTIONS, IDLE_TIMEOUT, PORT, SCRATCH, SOCKETS};
use heapless::Vec;
use selkie_core::Instant;
use semihosting::process;
use smoltcp::iface::{Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time;
use static_cell::{ConstStaticCell, StaticCell};

static BUFFERS: ConstStaticCell<[[[u8; BUFFER]; 2]; SOCKETS]> =
    ConstStaticCell::new([[[0; BUFFER]; 2]; SOCKETS]);
/// Empty at first, as empty places of smoltcp's are not all zero, and would have to be kept in
/// flash.
static STORAGE: ConstStaticCell<Vec<SocketStorage<'static>, SOCKETS>> =
    ConstStaticCell::new(Vec::new());
static INTERFACE: StaticCell<Interface> = StaticCell::new();
static COPY: ConstStaticCell<[u8; SCRATCH]> = ConstStaticCell::new([0; SCRATCH]);

/// The time that a peer has to complete the connection that it began.
const HALF_OPEN_TIMEOUT: time::Duration = time::Duration::from_secs(5);
/// The interval at which a silent peer is probed, and the time that it has to answer.
const KEEP_ALIVE: time::Duration = time::Duration::from_secs(15);
const PEER_TIMEOUT: time::Duration = time::Duration::from_secs(75);

/// The time that clients have to take pending output once the firmware is asked to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// The state of one client.
#[derive(Clone, Copy, Default)]
struct Client {
    handle: SocketHandle,
    open: bool,
    /// The stream to it was ended.
    ended: bool,
    progress: Instant,
}

/// The counters of a report.
#[derive(Default)]
struct Counters {
    accepted: u64,
    open: u64,
    open_max: u64,
    /// Clients that wait until one of those that are served has gone.
    waiting: u64,
    closed_finished: u64,
    closed_reset: u64,
    closed_idle: u64,
    bytes_in: u64,
    bytes_out: u64,
    turns: u64,
    sleeps: u64,
}

#[entry]
fn main() -> ! {
    let Some(Parts { mut clock, mut ethernet, mut uart }) = Parts::<Lm3s6965>::take() else {
        defmt::panic!("the board starts once")
    };
    let seed = clock.now().as_nanos();
    let interface = INTERFACE.init_with(|| settings::interface(&mut ethernet, seed));
    let mut clients = [Client::default(); SOCKETS];
    let mut sockets = make_sockets(&mut clients);
    let (copy, mut console) = (COPY.take(), Console::new());
    let mut counters = Counters::default();
    // The end, once it was asked for.
    let mut end = None;
    defmt::info!("listening on 10.0.2.15:{=u16}, capacity {=usize}", PORT, CONNECTIONS);

    loop {
        let now = clock.now();
        counters.turns += 1;
        counters.waiting = 0;
        poll(interface, &mut ethernet, &mut sockets, now);
        for client in &mut clients {
            serve(client, sockets.get_mut(client.handle), &mut counters, copy, now, end.is_some());
        }
        poll(interface, &mut ethernet, &mut sockets, now);
        if end.is_some_and(|end| counters.open == 0 || end <= now) {
            break;
        }
        if talk(&mut uart, &mut console, &mut counters, now) {
            end = Some(now + DRAIN);
            continue;
        }
        let network = interface.poll_delay(micros(now), &sockets).map(|delay| now + delay.into());
        let idle = clients
            .iter()
            .filter(|client| client.open)
            .map(|client| client.progress + IDLE_TIMEOUT)
            .min();
        let next = Instant::earlier(Instant::earlier(network, idle), end);
        let is_ready = || ethernet.is_ready() || uart.is_ready();
        counters.sleeps += u64::from(board::sleep(&mut clock, next, is_ready));
    }
    defmt::info!("drained after {=u64} connections", counters.accepted);
    process::exit(0)
}

/// Creates the sockets, one for each client.
fn make_sockets(clients: &mut [Client; SOCKETS]) -> SocketSet<'static> {
    let storage = STORAGE.take();
    while storage.push(SocketStorage::default()).is_ok() {}
    let mut sockets = SocketSet::new(&mut storage[..]);
    for (client, [receive, transmit]) in clients.iter_mut().zip(BUFFERS.take()) {
        let mut socket =
            Socket::new(SocketBuffer::new(&mut receive[..]), SocketBuffer::new(&mut transmit[..]));
        socket.set_nagle_enabled(false);
        socket.set_keep_alive(Some(KEEP_ALIVE));
        client.handle = sockets.add(socket);
    }
    sockets
}

/// Moves frames.
fn poll(
    interface: &mut Interface,
    ethernet: &mut Ethernet<Mac>,
    sockets: &mut SocketSet<'static>,
    now: Instant,
) {
    interface.poll(micros(now), ethernet, sockets);
}

fn micros(now: Instant) -> time::Instant {
    time::Instant::from_micros((now.as_nanos() / 1_000).cast_signed())
}

/// Echoes for one client, or listens for the next; or while draining, ends it, and listens no more.
fn serve(
    client: &mut Client,
    socket: &mut Socket<'_>,
    counters: &mut Counters,
    copy: &mut [u8],
    now: Instant,
    draining: bool,
) {
    if !socket.is_open() {
        if core::mem::take(&mut client.open) {
            counters.open -= 1;
            counters.closed_finished += u64::from(client.ended);
            counters.closed_reset += u64::from(!client.ended);
        }
        if !draining && (socket.remote_endpoint().is_none() || socket.state() == State::TimeWait) {
            socket.set_timeout(Some(HALF_OPEN_TIMEOUT));
            if socket.listen(PORT).is_err() {
                defmt::panic!("cannot listen");
            }
        }
        return;
    }
    if !client.open && !accept(client, socket, counters, now, draining) {
        return;
    }
    let room = (socket.send_capacity() - socket.send_queue()).min(copy.len());
    if room > 0
        && let Ok(count @ 1..) = socket.recv_slice(&mut copy[..room])
    {
        counters.bytes_in += count as u64;
        counters.bytes_out += socket.send_slice(&copy[..count]).unwrap_or(0) as u64;
        client.progress = now;
    }
    if draining || !socket.may_recv() {
        socket.close();
        client.ended = true;
    }
    if client.progress + IDLE_TIMEOUT <= now {
        counters.closed_idle += 1;
        counters.open -= 1;
        client.open = false;
        socket.abort();
    }
}

/// Begins to serve a client that has connected, if there is room for one more. Returns whether it
/// is served.
fn accept(
    client: &mut Client,
    socket: &mut Socket<'_>,
    counters: &mut Counters,
    now: Instant,
    draining: bool,
) -> bool {
    if draining {
        socket.abort();
        return false;
    }
    if !socket.may_send() {
        return false;
    }
    socket.set_timeout(Some(PEER_TIMEOUT));
    if counters.open >= CONNECTIONS as u64 {
        counters.waiting += 1;
        return false;
    }
    *client = Client { open: true, ended: false, progress: now, ..*client };
    counters.accepted += 1;
    counters.open += 1;
    counters.open_max = counters.open_max.max(counters.open);
    true
}

/// Serves the console, and says whether it wants the firmware to stop.
fn talk(
    uart: &mut Uart<Pl011>,
    console: &mut Console,
    counters: &mut Counters,
    now: Instant,
) -> bool {
    let mut bytes = [0; 16];
    let count = match uart.read_ready() {
        Ok(true) => uart.read(&mut bytes).unwrap_or(0),
        _ => 0,
    };
    let mut stop = false;
    for &byte in &bytes[..count] {
        match console.feed(byte) {
            Some(Command::Report) => report(console, counters, now),
            Some(Command::Drain) => stop = true,
            None => {}
        }
    }
    while !console.output().is_empty() && matches!(uart.write_ready(), Ok(true)) {
        let count = uart.write(console.output()).unwrap_or(0);
        console.advance(count);
    }
    stop
}

/// Prints the counters.
fn report(console: &mut Console, counters: &Counters, now: Instant) {
    let stack_max = stack::used_max() as u64;
    console.report(&[
        now.as_nanos() / 1_000_000,
        counters.accepted,
        counters.open,
        counters.open_max,
        counters.waiting,
        counters.closed_finished,
        counters.closed_reset,
        counters.closed_idle,
        counters.bytes_in,
        counters.bytes_out,
        counters.turns,
        counters.sleeps,
        stack_max,
    ]);
}
