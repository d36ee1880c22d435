//! What both firmwares have in common, so that one can be measured against the other.

use core::time::Duration;

use smoltcp::iface::{Config, Interface};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

use crate::board::ethernet::Ethernet;

/// The address that QEMU's network gives to its guest.
pub const ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
/// The way out of QEMU's network.
pub const GATEWAY: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);
/// The port of the echo service, by RFC 862.
pub const PORT: u16 = 7;
/// How many clients are served at once.
pub const CONNECTIONS: usize = 4;
/// How many sockets there are: for those clients, and for two more that wait.
pub const SOCKETS: usize = CONNECTIONS + 2;
/// How many bytes a socket keeps in each direction.
pub const BUFFER: usize = 1024;
/// How many bytes are copied at once from what was received to what is sent.
pub const SCRATCH: usize = 512;
/// How long a client may be silent.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The interface over the board's Ethernet.
///
/// # Panics
///
/// Never: there is room for one address and one route.
#[must_use]
pub fn interface(ethernet: &mut Ethernet, hardware: [u8; 6], seed: u64) -> Interface {
    let mut config = Config::new(EthernetAddress(hardware).into());
    config.random_seed = seed;
    let mut interface = Interface::new(config, ethernet, Instant::ZERO);
    interface.update_ip_addrs(|list| {
        list.push(Ipv4Cidr::new(ADDRESS, 24).into()).expect("room for one address");
    });
    interface.routes_mut().add_default_ipv4_route(GATEWAY).expect("room for one route");
    interface
}
