//! The echo server in RTIC 2: a turn of the loop runs in the task of the Ethernet interrupt, and in
//! that of the clock; between them the processor sleeps.
//!
//! ```text
//! cargo run --profile firmware
//! nc 127.0.0.1 7000
//! ```
#![no_std]
#![no_main]
// The attribute makes items that have no documentation.
#![allow(missing_docs, unreachable_pub, reason = "see above")]

use defmt_semihosting as _;
use firmware::board::lm3s6965::{Lm3s6965, ethernet::Mac};
use firmware::board::{Board, clock::Clock, frame::Ethernet};
use firmware::settings::{self, BUFFER, CONNECTIONS, IDLE_TIMEOUT, PORT, SCRATCH, SOCKETS};
use selkie_core::memory::{ServerStorage, StaticLoop, StaticServer};
use selkie_core::{Config, EventLoop, Server};
use selkie_services::Echo;
use selkie_smoltcp::{Network, Socket, StaticNetwork};
use static_cell::{ConstStaticCell, StaticCell};

/// The clients, and their listener.
const SLOTS: usize = CONNECTIONS + 1;

type Platform = Network<'static, Ethernet<Mac>>;
type Loop = EventLoop<Platform, &'static mut StaticLoop<SLOTS, 4>>;

static NETWORK: ConstStaticCell<StaticNetwork<'static, SOCKETS, 1, SLOTS, BUFFER, BUFFER>> =
    ConstStaticCell::new(StaticNetwork::new());
static LOOP: ConstStaticCell<StaticLoop<SLOTS, 4>> = ConstStaticCell::new(StaticLoop::new());
static SERVER: ConstStaticCell<StaticServer<Socket, (), SLOTS, 0, 0, SCRATCH>> =
    ConstStaticCell::new(StaticServer::new());
static EVENT_LOOP: StaticCell<Loop> = StaticCell::new();

/// The server, its loop, and the time.
#[allow(missing_debug_implementations, reason = "it is public for the attribute only")]
pub struct Echoing {
    event_loop: &'static mut Loop,
    server: Server<Platform, Echo, ServerStorage<'static, Socket, ()>>,
    clock: Clock<Lm3s6965>,
}

impl Echoing {
    /// Serves until there is nothing to do, and sets the clock to fire when there is.
    fn run(&mut self) {
        loop {
            let Ok(next) = self.event_loop.turn(self.clock.now(), &mut self.server) else {
                defmt::panic!("cannot go on")
            };
            let has_frame = self.event_loop.platform.device().is_ready();
            if !has_frame && self.clock.arm(next) {
                break;
            }
        }
    }
}

/// Makes the loop and the server.
fn make(mut clock: Clock<Lm3s6965>, mut ethernet: Ethernet<Mac>) -> Echoing {
    let interface = settings::interface(&mut ethernet, clock.now().as_nanos());
    let config = selkie_smoltcp::Config::DEFAULT;
    let network = Network::new(ethernet, interface, config, NETWORK.take().storage());
    let event_loop = EVENT_LOOP.init(EventLoop::new_at(network, LOOP.take(), clock.now()));
    let config = Config::DEFAULT.connections_max(CONNECTIONS).idle_timeout(Some(IDLE_TIMEOUT));
    let mut server = Server::new(Echo, config, SERVER.take().storage());
    let Ok(listener) = event_loop.platform.listen(PORT, SOCKETS) else {
        defmt::panic!("cannot listen")
    };
    let Ok(_) = server.listen(&mut event_loop.context(), listener) else {
        defmt::panic!("the loop has room for the listener")
    };
    defmt::info!("listening on 10.0.2.15:{=u16}, capacity {=usize}", PORT, CONNECTIONS);
    Echoing { event_loop, server, clock }
}

#[rtic::app(device = lm3s6965, peripherals = false)]
mod app {
    use super::{Board, Clock, Echoing, Ethernet, Lm3s6965, make};

    #[shared]
    struct Shared {
        echo: Echoing,
    }

    #[local]
    struct Local {}

    #[init]
    fn init(context: init::Context) -> (Shared, Local) {
        // SAFETY: interrupts are disabled in this task, which runs once.
        let (mac, _) = unsafe { Lm3s6965::start() };
        let mut echo = make(Clock::new(context.core.SYST), Ethernet::new(mac));
        echo.run();
        (Shared { echo }, Local {})
    }

    #[idle]
    fn idle(_: idle::Context) -> ! {
        loop {
            cortex_m::asm::wfi();
        }
    }

    /// Serves when a frame was received.
    #[task(binds = ETHERNET, shared = [echo])]
    fn ethernet(mut context: ethernet::Context) {
        use rtic::Mutex;
        context.shared.echo.lock(Echoing::run);
    }

    /// Serves when the time has come for which the clock was set, or its counter has wrapped.
    #[task(binds = SysTick, shared = [echo])]
    fn clock(mut context: clock::Context) {
        use rtic::Mutex;
        context.shared.echo.lock(Echoing::run);
    }
}
