//! The echo server in a task of embassy's executor, beside another task: the driver is one of
//! embassy's trait, and the loop waits as all tasks do, for an interrupt or a timer.
//!
//! ```text
//! cargo run --profile firmware
//! nc 127.0.0.1 7000
//! ```
#![no_std]
#![no_main]

mod driver;
mod ticks;

use core::future::poll_fn;
use core::task::Poll;

use cortex_m_rt::entry;
use defmt_semihosting as _;
use driver::Mac;
use embassy_executor::{Executor, Spawner};
use embassy_futures::select::select;
use embassy_futures::yield_now;
use embassy_time::Timer;
use firmware::settings::{self, BUFFER, CONNECTIONS, IDLE_TIMEOUT, PORT, SCRATCH, SOCKETS};
use selkie_core::memory::{ServerStorage, StaticLoop, StaticServer};
use selkie_core::{Config, EventLoop, Instant, Server};
use selkie_services::Echo;
use selkie_smoltcp::{DriverDevice, Network, Socket, StaticNetwork};
use static_cell::{ConstStaticCell, StaticCell};

/// The clients, and their listener.
const SLOTS: usize = CONNECTIONS + 1;

type Platform = Network<'static, DriverDevice<Mac>>;
type Loop = EventLoop<Platform, &'static mut StaticLoop<SLOTS, 4>>;
type EchoServer = Server<Platform, Echo, ServerStorage<'static, Socket, ()>>;

static NETWORK: ConstStaticCell<StaticNetwork<'static, SOCKETS, 1, SLOTS, BUFFER, BUFFER>> =
    ConstStaticCell::new(StaticNetwork::new());
static LOOP: ConstStaticCell<StaticLoop<SLOTS, 4>> = ConstStaticCell::new(StaticLoop::new());
static SERVER: ConstStaticCell<StaticServer<Socket, (), SLOTS, 0, 0, SCRATCH>> =
    ConstStaticCell::new(StaticServer::new());
static EVENT_LOOP: StaticCell<Loop> = StaticCell::new();
static ECHO: StaticCell<EchoServer> = StaticCell::new();
static EXECUTOR: StaticCell<Executor> = StaticCell::new();

/// Returns the time on the clock of embassy.
fn now() -> Instant {
    Instant::from_nanos(embassy_time::Instant::now().as_micros() * 1000)
}

/// Waits until the task is woken: by the driver, or by a timer.
async fn woken() {
    let mut has_waited = false;
    poll_fn(|_| {
        let is_woken = core::mem::replace(&mut has_waited, true);
        if is_woken { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Serves as long as the board runs.
#[embassy_executor::task]
async fn serve(event_loop: &'static mut Loop, server: &'static mut EchoServer) {
    loop {
        let turn = poll_fn(|context| {
            event_loop.platform.device().set_waker(context.waker());
            Poll::Ready(event_loop.turn(now(), server))
        });
        match turn.await {
            // A timer would wait for the next tick.
            Ok(Some(next)) if next <= now() => yield_now().await,
            Ok(Some(next)) => {
                let at = embassy_time::Instant::from_micros(next.as_nanos().div_ceil(1000));
                select(woken(), Timer::at(at)).await;
            }
            Ok(None) => woken().await,
            Err(_) => defmt::panic!("cannot go on"),
        }
    }
}

/// Counts seconds, beside the server.
#[embassy_executor::task]
async fn tick() {
    for second in 1_u32.. {
        Timer::after_secs(1).await;
        defmt::info!("{=u32} s in another task", second);
    }
}

/// Makes the loop and the server, and starts the tasks.
fn start(spawner: Spawner) {
    let Some(mac) = Mac::take() else { defmt::panic!("the board starts once") };
    let mut device = DriverDevice::new(mac);
    let interface = settings::interface(&mut device, now().as_nanos());
    let config = selkie_smoltcp::Config::DEFAULT;
    let network = Network::new(device, interface, config, NETWORK.take().storage());
    let event_loop = EVENT_LOOP.init(EventLoop::new_at(network, LOOP.take(), now()));
    let config = Config::DEFAULT.connections_max(CONNECTIONS).idle_timeout(Some(IDLE_TIMEOUT));
    let server = ECHO.init(Server::new(Echo, config, SERVER.take().storage()));
    let Ok(listener) = event_loop.platform.listen(PORT, SOCKETS) else {
        defmt::panic!("cannot listen")
    };
    let Ok(_) = server.listen(&mut event_loop.context(), listener) else {
        defmt::panic!("the loop has room for the listener")
    };
    let (Ok(serve), Ok(tick)) = (serve(event_loop, server), tick()) else {
        defmt::panic!("each task starts once")
    };
    spawner.spawn(serve);
    spawner.spawn(tick);
    defmt::info!("listening on 10.0.2.15:{=u16}, capacity {=usize}", PORT, CONNECTIONS);
}

#[entry]
fn main() -> ! {
    ticks::start();
    EXECUTOR.init(Executor::new()).run(start)
}
