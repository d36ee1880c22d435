//! The smoltcp backend of the Selkie event loop: TCP without an operating system, in static memory.
//!
//! A [`Network`] owns the device, the interface and the sockets, and is both selector and transport
//! of a loop. What you must provide is a [`Device`](smoltcp::phy::Device) that moves frames, a
//! clock, and a way to sleep until an interrupt.
//!
//! ```text
//!   your main      loop { next = event_loop.turn(now, ..); sleep until next, or an interrupt }
//!      |
//!   Network        poll: frames in, frames out, then what is ready     (selector)
//!      |           accept, read, write, close                          (transport)
//!   smoltcp        Interface, SocketSet  --  your Device
//! ```
//!
//! # Memory
//!
//! All of it is lent in a [`NetworkStorage`]; [`StaticNetwork`] is that memory as one value for a
//! `static`. Each socket has a receive and a transmit buffer of a fixed size, and they are the
//! input buffer and the output buffer of the server layer, which therefore needs no blocks of its
//! own ([`Transport::OWNS_BUFFERS`](selkie_core::platform::Transport::OWNS_BUFFERS)).
//!
//! # A server
//!
//! ```
//! use core::time::Duration;
//! use selkie_core::memory::{StaticLoop, StaticServer};
//! use selkie_core::{EventLoop, Instant, Peer, Server, Service};
//! use selkie_smoltcp::{Config, Network, Socket, StaticNetwork};
//! use smoltcp::iface::{self, Interface};
//! use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
//! # struct Echo;
//! # impl Service for Echo {
//! #     type Session = ();
//! #     fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
//! #         peer.send(bytes).map_or(0, |()| bytes.len())
//! #     }
//! # }
//! # let mut device = smoltcp::phy::Loopback::new(smoltcp::phy::Medium::Ethernet);
//! # let now = Instant::ZERO;
//! # let storage = Box::leak(Box::new(StaticNetwork::<6, 1, 5, 1024, 1024>::new()));
//!
//! let address = EthernetAddress([0x02, 0, 0, 0, 0, 1]);
//! let config = iface::Config::new(address.into());
//! let mut interface = Interface::new(config, &mut device, selkie_smoltcp::instant(now));
//! let network_address = IpCidr::new(IpAddress::v4(10, 0, 2, 15), 24);
//! interface.update_ip_addrs(|list| list.push(network_address).unwrap());
//!
//! // Six sockets: four connections and a backlog of two. `storage` is a `StaticNetwork`,
//! // usually in a `static`.
//! let mut network = Network::new(device, interface, Config::DEFAULT, storage.storage());
//! let listener = network.listen(7, 6)?;
//!
//! let mut server_memory = StaticServer::<Socket, (), 5, 0, 0, 512>::new();
//! let mut event_loop = EventLoop::new_at(network, StaticLoop::<5, 8>::new(), now);
//! let config = selkie_core::Config::DEFAULT.connections_max(4);
//! let mut server = Server::new(Echo, config, server_memory.storage());
//! server.listen(&mut event_loop.context(), listener)?;
//!
//! // The main loop of a firmware repeats this.
//! let next = event_loop.turn(now, &mut server)?;
//! assert_eq!(next, None, "without a connection there is nothing to do before an interrupt");
//! # Ok::<(), selkie_core::Error>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod config;
#[cfg(feature = "embassy-net-driver")]
mod driver_device;
mod lifecycle;
mod network;
mod own_sockets;
mod selector;
mod slot;
mod socket;
mod source_state;
mod storage;
mod time;
mod transport;
#[cfg(feature = "udp")]
mod udp;

pub use config::Config;
#[cfg(feature = "embassy-net-driver")]
pub use driver_device::DriverDevice;
pub use network::Network;
pub use slot::{Listener, Slot};
pub use socket::Socket;
pub use storage::{NetworkStorage, StaticNetwork};
pub use time::instant;
