//! The echo server with an address from DHCP: sockets of the program's own beside the server, in
//! one set. Messages of UDP are echoed too, and the name server that DHCP names is asked.
//!
//! ```text
//! cargo run --profile firmware
//! nc 127.0.0.1 7000
//! ```
#![no_std]
#![no_main]

mod own;

use core::net::SocketAddr;

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::lm3s6965::{Lm3s6965, ethernet::Mac};
use firmware::board::{self, Parts, frame::Ethernet};
use firmware::settings::{
    BUFFER, CONNECTIONS, HARDWARE_ADDRESS, IDLE_TIMEOUT, PORT, SCRATCH, SOCKETS,
};
use selkie_core::datagrams::{DatagramServer, DatagramService, DatagramSocket, Message};
use selkie_core::memory::{ServerStorage, StaticLoop, StaticServer};
use selkie_core::{Config, Context, Event, EventLoop, Handler, Server, Token};
use selkie_services::Echo;
use selkie_smoltcp::{Network, Socket, StaticNetwork};
use smoltcp::iface::{self, Interface};
use smoltcp::wire::EthernetAddress;
use static_cell::{ConstStaticCell, StaticCell};

/// The clients, their listener, and the socket of messages.
const SLOTS: usize = CONNECTIONS + 2;
/// The sockets of the server, and those of UDP, DHCP and DNS.
const SET: usize = SOCKETS + 3;

type Platform = Network<'static, Ethernet<Mac>>;
type Memory = StaticNetwork<'static, SOCKETS, 2, SLOTS, BUFFER, BUFFER, SET>;

static NETWORK: ConstStaticCell<Memory> = ConstStaticCell::new(StaticNetwork::with_own());
static LOOP: ConstStaticCell<StaticLoop<SLOTS, 4>> = ConstStaticCell::new(StaticLoop::new());
static SERVER: ConstStaticCell<StaticServer<Socket, (), SLOTS, 0, 0, SCRATCH>> =
    ConstStaticCell::new(StaticServer::new());
static EVENT_LOOP: StaticCell<EventLoop<Platform, &'static mut StaticLoop<SLOTS, 4>>> =
    StaticCell::new();

/// Sends each message back to its sender.
struct EchoMessages;

impl DatagramService<SocketAddr> for EchoMessages {
    fn received(
        &mut self,
        socket: &mut DatagramSocket<'_, SocketAddr>,
        message: Message<'_, SocketAddr>,
    ) {
        if let Some(sender) = message.sender {
            // Without room the answer is lost, as messages may be.
            let _ = socket.send_to(message.bytes, &sender);
        }
    }
}

/// Both servers.
struct Servers {
    clients: Server<Platform, Echo, ServerStorage<'static, Socket, ()>>,
    messages: DatagramServer<Platform, EchoMessages, [u8; 512]>,
}

impl Handler<Platform> for Servers {
    fn ready(&mut self, context: &mut Context<'_, Platform>, event: Event) {
        if self.messages.owns(event.token) {
            self.messages.ready(context, event);
        } else {
            self.clients.ready(context, event);
        }
    }

    fn expired(&mut self, context: &mut Context<'_, Platform>, token: Token) {
        self.clients.expired(context, token);
    }
}

#[entry]
fn main() -> ! {
    let Some(Parts { mut clock, mut ethernet, .. }) = Parts::<Lm3s6965>::take() else {
        defmt::panic!("the board starts once")
    };
    let mut config = iface::Config::new(EthernetAddress(HARDWARE_ADDRESS).into());
    config.random_seed = clock.now().as_nanos();
    let interface = Interface::new(config, &mut ethernet, selkie_smoltcp::instant(clock.now()));
    let config = selkie_smoltcp::Config::DEFAULT;
    let network = Network::new(ethernet, interface, config, NETWORK.take().storage());
    let event_loop = EVENT_LOOP.init(EventLoop::new_at(network, LOOP.take(), clock.now()));
    let (mut own, udp) = own::add(&mut event_loop.platform);

    let config = Config::DEFAULT.connections_max(CONNECTIONS).idle_timeout(Some(IDLE_TIMEOUT));
    let mut servers = Servers {
        clients: Server::new(Echo, config, SERVER.take().storage()),
        messages: DatagramServer::new(EchoMessages, [0; 512]),
    };
    let context = &mut event_loop.context();
    let (Ok(listener), Ok(messages)) =
        (context.platform.listen(PORT, SOCKETS), context.platform.datagrams(udp))
    else {
        defmt::panic!("the network has room for the listener and the messages")
    };
    let (Ok(_), Ok(_)) =
        (servers.clients.listen(context, listener), servers.messages.open(context, messages))
    else {
        defmt::panic!("the loop has room for the listener and the messages")
    };
    loop {
        let Ok(next) = event_loop.turn(clock.now(), &mut servers) else {
            defmt::panic!("cannot go on")
        };
        // What it changes is polled before the board sleeps.
        if !own.serve(&mut event_loop.platform) {
            let is_ready = || event_loop.platform.device().is_ready();
            board::sleep(&mut clock, next, is_ready);
        }
    }
}
