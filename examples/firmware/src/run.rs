//! The firmware around a service: TCP clients and a console on the UART, served by one loop in
//! static memory.
//!
//! The platform and its memory, a main loop that sleeps between turns, and a handler that serves
//! the console beside the server. A binary adds a board and a service.

use core::fmt;
use core::time::Duration;

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

use crate::board::{self, Board, Parts, clock::Clock, frame::Ethernet, stack, uart::Uart};
use crate::console::{Command, Console};
use crate::settings::{self, BUFFER, CONNECTIONS, IDLE_TIMEOUT, SCRATCH, SOCKETS};

/// The clients, their listener, and the console.
pub const SLOTS: usize = CONNECTIONS + 2;
/// The number of sources that one turn serves at most.
const EVENTS: usize = 4;
/// The time that clients have to take pending output once the firmware is asked to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// The time that the sockets have after that to send their last bytes.
const FAREWELL: Duration = Duration::from_millis(500);

type Platform<B> = Pair<
    Network<'static, Ethernet<<B as Board>::FramePort>>,
    SelectorOnly<DevicePoller<Uart<<B as Board>::BytePort>, 1, SLOTS>>,
>;
type Source = Either<Socket, Device>;
type Loop<B> = EventLoop<Platform<B>, &'static mut StaticLoop<SLOTS, EVENTS>>;

static NETWORK: ConstStaticCell<StaticNetwork<'static, SOCKETS, 1, SLOTS, BUFFER, BUFFER>> =
    ConstStaticCell::new(StaticNetwork::new());
static LOOP: ConstStaticCell<StaticLoop<SLOTS, EVENTS>> = ConstStaticCell::new(StaticLoop::new());

/// The memory of a firmware on a board whose service has this session, for a `static`.
pub struct Memory<B: Board, Session: 'static> {
    event_loop: StaticCell<Loop<B>>,
    /// No buffers of its own: input and output stay in the sockets' buffers.
    server: ConstStaticCell<StaticServer<Source, Session, SLOTS, 0, 0, SCRATCH>>,
}

impl<B: Board, Session> Memory<B, Session> {
    /// Returns memory that lies in `.bss`.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "for a `static` only")]
    pub const fn new() -> Self {
        Self { event_loop: StaticCell::new(), server: ConstStaticCell::new(StaticServer::new()) }
    }
}

impl<B: Board, Session> fmt::Debug for Memory<B, Session> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// The listener of a firmware.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// Its port.
    pub port: u16,
    /// Its sockets, of [`SOCKETS`]; what is left can connect to others.
    pub sockets: usize,
}

/// The server, and the console beside it.
struct Firmware<B: Board, S: Service>
where
    S::Session: 'static,
{
    server: Server<Platform<B>, S, ServerStorage<'static, Source, S::Session>>,
    console: Console,
    uart: Device,
    uart_token: Token,
    /// The UART's current interest.
    uart_interest: Interest,
    /// The number of times that the processor went to sleep.
    sleeps: u64,
}

impl<B: Board, S: Service> Handler<Platform<B>> for Firmware<B, S> {
    fn ready(&mut self, context: &mut Context<'_, Platform<B>>, event: Event) {
        if event.token == self.uart_token {
            self.talk(context);
        } else {
            self.server.ready(context, event);
        }
    }

    fn expired(&mut self, context: &mut Context<'_, Platform<B>>, token: Token) {
        self.server.expired(context, token);
    }
}

impl<B: Board, S: Service> Firmware<B, S> {
    /// Reads what was typed, and prints as much as the UART takes.
    fn talk(&mut self, context: &mut Context<'_, Platform<B>>) {
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
    fn report(&mut self, context: &mut Context<'_, Platform<B>>) {
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
struct Started<B: Board, S: Service>
where
    S::Session: 'static,
{
    clock: Clock<B>,
    uart: Device,
    event_loop: &'static mut Loop<B>,
    firmware: Firmware<B, S>,
}

/// Starts the board, and serves with what `make` returns until the console asks for the end.
pub fn run<B: Board, S: Service>(
    memory: &'static Memory<B, S::Session>,
    listen: Listen,
    make: impl FnOnce() -> S,
) -> ! {
    let Started { clock, uart, event_loop, firmware } = &mut start(memory, listen, make);
    defmt::info!("listening on 10.0.2.15:{=u16}, capacity {=usize}", listen.port, CONNECTIONS);

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
fn start<B: Board, S: Service>(
    memory: &'static Memory<B, S::Session>,
    listen: Listen,
    make: impl FnOnce() -> S,
) -> Started<B, S> {
    let Some(Parts { mut clock, mut ethernet, uart }) = Parts::<B>::take() else {
        defmt::panic!("the board starts once")
    };
    let interface = settings::interface(&mut ethernet, clock.now().as_nanos());
    let mut devices = DevicePoller::new();
    let Ok(uart) = devices.add(uart) else {
        defmt::panic!("a poller of one device has room for one")
    };
    let event_loop = memory.event_loop.init_with(|| {
        let network = Network::new(
            ethernet,
            interface,
            selkie_smoltcp::Config::DEFAULT,
            NETWORK.take().storage(),
        );
        let platform = Pair::new(network, SelectorOnly::new(devices));
        EventLoop::new_at(platform, LOOP.take(), clock.now())
    });
    let mut config = Config::DEFAULT.connections_max(CONNECTIONS).idle_timeout(Some(IDLE_TIMEOUT));
    if S::CONNECTS {
        // As many to others as of clients; by default it would be half of all slots.
        config = config.connects_reserved(CONNECTIONS / 2);
    }
    let mut server = Server::new(make(), config, memory.server.take().storage());
    let context = &mut event_loop.context();
    let (source, uart_interest) = (Either::Second(uart), Interest::READABLE);
    let Ok(listener) = context.platform.first.listen(listen.port, listen.sockets) else {
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
