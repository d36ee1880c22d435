//! The echo server on a microcontroller: TCP clients and a console on the UART, served by one loop
//! in static memory.
//!
//! The service is the one of the native example, `examples/services`. The rest is in this
//! file: the platform and its memory, a main loop that sleeps between turns, and a handler that
//! serves the console beside the server.
//!
//! ```text
//! cargo run --profile firmware
//! nc 127.0.0.1 7000
//! ```
#![no_std]
#![no_main]

#[cfg_attr(feature = "tasks", path = "tasks.rs")]
mod service;

use core::time::Duration;

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::{self, Board, clock::Clock, ethernet, stack, uart::Uart};
use firmware::console::{Command, Console};
use firmware::settings::{self, BUFFER, CONNECTIONS, IDLE_TIMEOUT, PORT, SCRATCH, SOCKETS};
use selkie_core::adapters::{Device, DevicePoller, Either, Pair, SelectorOnly};
use selkie_core::memory::{ServerStorage, StaticLoop, StaticServer};
use selkie_core::platform::Transport;
use selkie_core::{
    CloseReason, Config, Context, Event, EventLoop, Handler, Instant, Interest, Mode, Server,
    Service, Token,
};
use selkie_smoltcp::{Network, Socket, StaticNetwork};
use semihosting::process;
use static_cell::{ConstStaticCell, StaticCell};

/// The clients, their listener, and the console.
const SLOTS: usize = CONNECTIONS + 2;
/// The number of sources that one turn serves at most.
const EVENTS: usize = 4;
/// The time that clients have to take pending output once the firmware is asked to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// The time that the sockets have after that to send their last bytes.
const FAREWELL: Duration = Duration::from_millis(500);

type Platform =
    Pair<Network<'static, ethernet::Ethernet>, SelectorOnly<DevicePoller<Uart, 1, SLOTS>>>;
type Source = Either<Socket, Device>;

static NETWORK: ConstStaticCell<StaticNetwork<'static, SOCKETS, 1, SLOTS, BUFFER, BUFFER>> =
    ConstStaticCell::new(StaticNetwork::new());
static LOOP: ConstStaticCell<StaticLoop<SLOTS, EVENTS>> = ConstStaticCell::new(StaticLoop::new());
/// No buffers of its own: input and output stay in the sockets' buffers.
static SERVER: ConstStaticCell<StaticServer<Source, (), SLOTS, 0, 0, SCRATCH>> =
    ConstStaticCell::new(StaticServer::new());
static EVENT_LOOP: StaticCell<EventLoop<Platform, &'static mut StaticLoop<SLOTS, EVENTS>>> =
    StaticCell::new();

/// The server, and the console beside it.
struct Firmware<S: Service> {
    server: Server<Platform, S, ServerStorage<'static, Source, ()>>,
    console: Console,
    uart: Device,
    uart_token: Token,
    /// The UART's current interest.
    uart_interest: Interest,
    /// The number of times that the processor went to sleep.
    sleeps: u64,
}

impl<S: Service<Session = ()>> Handler<Platform> for Firmware<S> {
    fn ready(&mut self, context: &mut Context<'_, Platform>, event: Event) {
        if event.token == self.uart_token {
            self.talk(context);
        } else {
            self.server.ready(context, event);
        }
    }

    fn expired(&mut self, context: &mut Context<'_, Platform>, token: Token) {
        self.server.expired(context, token);
    }
}

impl<S: Service<Session = ()>> Firmware<S> {
    /// Reads what was typed, and prints as much as the UART takes.
    fn talk(&mut self, context: &mut Context<'_, Platform>) {
        let mut bytes = [0; 16];
        let count = context.platform.second.selector.read(self.uart, &mut bytes).unwrap_or(0);
        for &byte in &bytes[..count] {
            match self.console.feed(byte) {
                Some(Command::Report) => self.report(context),
                Some(Command::Drain) => {
                    let deadline = context.now() + DRAIN;
                    self.server.drain(context, deadline);
                }
                None => {}
            }
        }
        while let Ok(count @ 1..) =
            context.platform.second.selector.write(self.uart, self.console.output())
        {
            self.console.advance(count);
        }
        let more =
            if self.console.output().is_empty() { Interest::NONE } else { Interest::WRITABLE };
        let interest = Interest::READABLE | more;
        if interest != self.uart_interest {
            let source = Either::Second(self.uart);
            if context.modify(source, self.uart_token, interest, Mode::Level).is_ok() {
                self.uart_interest = interest;
            }
        }
    }

    /// Prints the counters.
    #[inline(never)]
    fn report(&mut self, context: &mut Context<'_, Platform>) {
        let milliseconds = context.now().as_nanos() / 1_000_000;
        let waiting = context.platform.first.waiting() as u64;
        let stack_max = stack::used_max() as u64;
        let (server, turns) = (self.server.counters(), context.counters());
        self.console.report(&[
            milliseconds,
            server.accepted,
            self.server.open_connections() as u64,
            server.open_max,
            waiting,
            server.closed_for(CloseReason::Finished),
            server.closed_for(CloseReason::Reset),
            server.closed_for(CloseReason::Idle),
            server.bytes_in,
            server.bytes_out,
            turns.turns,
            self.sleeps,
            stack_max,
        ]);
    }
}

/// The parts of the running firmware.
struct Started<S: Service> {
    clock: Clock,
    uart: Device,
    event_loop: &'static mut EventLoop<Platform, &'static mut StaticLoop<SLOTS, EVENTS>>,
    firmware: Firmware<S>,
}

#[entry]
fn main() -> ! {
    let Started { clock, uart, event_loop, firmware } = &mut start();
    defmt::info!("listening on 10.0.2.15:{=u16}, capacity {=usize}", PORT, CONNECTIONS);

    // The end, once it was asked for: the sockets send their last bytes before, for a moment.
    let mut end = Instant::MAX;
    loop {
        let now = clock.now();
        let Ok(next) = event_loop.turn(now, firmware) else { defmt::panic!("cannot go on") };
        if event_loop.is_stopped() {
            end = end.min(now + FAREWELL);
            if next.is_none() || end <= now {
                break;
            }
        }
        let next = next.unwrap_or(Instant::MAX).min(end);
        let Pair { first, second, .. } = &mut event_loop.platform;
        let is_ready = || {
            first.device().is_ready()
                || second.selector.device(*uart).is_some_and(|uart| uart.is_ready())
        };
        firmware.sleeps += u64::from(board::sleep(clock, Some(next), is_ready));
    }
    defmt::info!("drained after {=u64} connections", firmware.server.counters().accepted);
    process::exit(0)
}

/// Puts everything together. It is a function of its own so that its part of the stack is freed.
#[inline(never)]
fn start() -> Started<impl Service<Session = ()>> {
    let Some(Board { mut clock, mut ethernet, uart }) = Board::take() else {
        defmt::panic!("the board starts once")
    };
    let interface = settings::interface(&mut ethernet, clock.now().as_nanos());
    let mut devices = DevicePoller::new();
    let Ok(uart) = devices.add(uart) else {
        defmt::panic!("a poller of one device has room for one")
    };
    let event_loop = EVENT_LOOP.init_with(|| {
        let network = Network::new(
            ethernet,
            interface,
            selkie_smoltcp::Config::DEFAULT,
            NETWORK.take().storage(),
        );
        let platform = Pair::new(network, SelectorOnly::new(devices));
        EventLoop::new_at(platform, LOOP.take(), clock.now())
    });
    let config = Config::DEFAULT.connections_max(CONNECTIONS).idle_timeout(Some(IDLE_TIMEOUT));
    let mut server = Server::new(service::make(), config, SERVER.take().storage());
    let context = &mut event_loop.context();
    let (source, uart_interest) = (Either::Second(uart), Interest::READABLE);
    let Ok(listener) = context.platform.first.listen(PORT, SOCKETS) else {
        defmt::panic!("cannot listen")
    };
    let (Ok(_), Ok(uart_token)) = (
        server.listen(context, Either::First(listener)),
        context.register(source, uart_interest, Mode::Level),
    ) else {
        defmt::panic!("the loop has room for the listener and the UART")
    };
    let firmware =
        Firmware { server, console: Console::new(), uart, uart_token, uart_interest, sleeps: 0 };
    Started { clock, uart, event_loop, firmware }
}
