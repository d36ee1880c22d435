//! A network of two hosts in memory: a wire between a [`Network`] under test and a plain smoltcp
//! host, on a virtual clock.

pub(crate) mod host;
pub(crate) mod wire;

use selkie_core::Instant;
use selkie_smoltcp::{Config, Listener, Network, NetworkStorage, Slot, instant};
use smoltcp::iface::{self, Interface, SocketStorage};
use smoltcp::socket::udp;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

use wire::Wire;

/// The address of the network under test.
pub(crate) const LOCAL: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);

/// The address of the host beyond the wire.
pub(crate) const REMOTE: Ipv4Address = Ipv4Address::new(10, 0, 0, 2);

/// The address of another host, for a world in which [`REMOTE`] is gone.
#[allow(dead_code, reason = "not every test has a host that replaces another")]
pub(crate) const ANOTHER: Ipv4Address = Ipv4Address::new(10, 0, 0, 3);

/// Creates an interface with this address over `wire`.
pub(crate) fn interface(wire: &mut Wire, address: Ipv4Address) -> Interface {
    let last = address.octets()[3];
    let config = iface::Config::new(EthernetAddress([0x02, 0, 0, 0, 0, last]).into());
    let mut interface = Interface::new(config, wire, instant(Instant::ZERO));
    interface.update_ip_addrs(|list| {
        list.push(Ipv4Cidr::new(address, 24).into()).expect("room for an address");
    });
    interface
}

/// Creates a socket of UDP with room for so many messages and bytes in each direction.
pub(crate) fn udp_socket(messages: usize, bytes: usize) -> udp::Socket<'static> {
    let buffer =
        || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; messages], vec![0; bytes]);
    udp::Socket::new(buffer(), buffer())
}

/// The sizes of a network under test.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) sockets: usize,
    pub(crate) listeners: usize,
    /// The capacity of the loop.
    pub(crate) slots: usize,
    /// The bytes of a socket's buffer, in each direction.
    pub(crate) bytes: usize,
}

/// Creates a network under test; its memory is never given back, as that of a firmware is not.
pub(crate) fn network(wire: Wire, size: Size, config: Config) -> Network<'static, Wire> {
    network_with_own(wire, size, config, 0)
}

/// Creates a network under test with places for so many sockets of the program's own.
pub(crate) fn network_with_own(
    mut wire: Wire,
    size: Size,
    config: Config,
    own: usize,
) -> Network<'static, Wire> {
    let interface = interface(&mut wire, LOCAL);
    let storage = NetworkStorage {
        slots: vec![Slot::EMPTY; size.sockets].leak(),
        sockets: (0..size.sockets + own).map(|_| SocketStorage::EMPTY).collect::<Vec<_>>().leak(),
        listeners: vec![Listener::EMPTY; size.listeners].leak(),
        capacity: size.slots,
        receive: vec![0; size.sockets * size.bytes].leak(),
        transmit: vec![0; size.sockets * size.bytes].leak(),
    };
    Network::new(wire, interface, config, storage)
}
