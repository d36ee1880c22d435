//! The smallest server on a board: a service, static memory of stated sizes, and a main loop that
//! sleeps between turns. The others have a console beside it.
//!
//! ```text
//! cargo run --profile firmware --bin smallest
//! nc 127.0.0.1 7000
//! ```
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::{self, Parts, lm3s6965::Lm3s6965};
use firmware::settings;
use selkie_core::memory::{StaticBuilder, StaticMemory};
use selkie_core::{Peer, Service, static_memory};
use selkie_smoltcp::{Config, Network, Socket, StaticNetwork};
use static_cell::ConstStaticCell;

/// Four clients; their bytes wait in the sockets' buffers.
const SETTINGS: StaticBuilder =
    StaticBuilder::new().connections(4).buffers_each(0).buffer_size(512);
/// Six sockets, for two clients that wait, with 1 KiB in each direction; one listener.
type Sockets = StaticNetwork<'static, 6, 1, { SETTINGS.slots() }, 1024, 1024>;

static SOCKETS: ConstStaticCell<Sockets> = ConstStaticCell::new(StaticNetwork::new());
static MEMORY: ConstStaticCell<static_memory!(SETTINGS, Socket, ())> =
    ConstStaticCell::new(StaticMemory::new());

/// Sends back what it receives.
struct Echo;

impl Service for Echo {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
        peer.send_some(bytes)
    }
}

#[entry]
fn main() -> ! {
    let Some(Parts { mut clock, mut ethernet, .. }) = Parts::<Lm3s6965>::take() else {
        defmt::panic!("the board starts once")
    };
    let interface = settings::interface(&mut ethernet, clock.now().as_nanos());
    let storage = SOCKETS.take().storage();
    let mut network = Network::new(ethernet, interface, Config::DEFAULT, storage);
    let Ok(listener) = network.listen(7, 6) else { defmt::panic!("six sockets are free") };
    let mut server = SETTINGS.build(network, Echo, MEMORY.take(), clock.now());
    let Ok(_) = server.listen(listener) else { defmt::panic!("a slot is free") };
    defmt::info!("listening on 10.0.2.15:7");
    loop {
        let Ok(next) = server.turn(clock.now()) else { defmt::panic!("cannot go on") };
        board::sleep(&mut clock, next, || server.platform().device().is_ready());
    }
}
