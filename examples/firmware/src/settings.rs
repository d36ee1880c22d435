//! The settings of all firmwares, so that one can be measured against the other.

use core::time::Duration;

use smoltcp::iface::{Config, Interface};
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

/// The address that QEMU's network gives to its guest.
pub const ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
/// The gateway of QEMU's network.
pub const GATEWAY: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);
/// The port of the echo service, by RFC 862.
pub const PORT: u16 = 7;
/// The number of clients that are served at once.
pub const CONNECTIONS: usize = 4;
/// The number of sockets: for those clients, and for two more that wait.
pub const SOCKETS: usize = CONNECTIONS + 2;
/// The size of a socket's buffer in each direction.
pub const BUFFER: usize = 1024;
/// The longest frame: a full buffer behind the headers of Ethernet, IPv4 and TCP.
pub const FRAME_MAX: usize = 14 + 20 + 20 + BUFFER;
/// The station's address: one of those that anyone may use.
pub const HARDWARE_ADDRESS: [u8; 6] = [0x02, 0x00, 0x00, 0x53, 0x4B, 0x31];
/// The number of bytes that are copied at once from input to output.
pub const SCRATCH: usize = 512;
/// The time that a client may be silent.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Creates the interface over the board's Ethernet.
///
/// # Panics
///
/// Never: there is room for one address and one route.
#[must_use]
pub fn interface(ethernet: &mut impl Device, seed: u64) -> Interface {
    let mut config = Config::new(EthernetAddress(HARDWARE_ADDRESS).into());
    config.random_seed = seed;
    let mut interface = Interface::new(config, ethernet, Instant::ZERO);
    interface.update_ip_addrs(|list| {
        list.push(Ipv4Cidr::new(ADDRESS, 24).into()).expect("room for one address");
    });
    interface.routes_mut().add_default_ipv4_route(GATEWAY).expect("room for one route");
    interface
}
