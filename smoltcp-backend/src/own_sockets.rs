//! Sockets of the program's own in the set of a network: UDP, DHCP, DNS and others.

use smoltcp::iface::{Interface, SocketHandle};
use smoltcp::phy::Device;
use smoltcp::socket::AnySocket;

use crate::Network;

impl<'a, D: Device> Network<'a, D> {
    /// Adds a socket of the program's own, which is polled together with all others. What smoltcp
    /// times for it is part of the time that a turn returns.
    ///
    /// ```
    /// # use selkie_smoltcp::{Config, Network, StaticNetwork};
    /// # use smoltcp::iface::{self, Interface};
    /// # use smoltcp::{phy::{Loopback, Medium}, time::Instant, wire::EthernetAddress};
    /// # let mut device = Loopback::new(Medium::Ethernet);
    /// # let address = EthernetAddress([2, 0, 0, 0, 0, 1]);
    /// # let interface =
    /// #     Interface::new(iface::Config::new(address.into()), &mut device, Instant::ZERO);
    /// use smoltcp::socket::tcp::{Socket, SocketBuffer};
    /// use smoltcp::wire::{IpAddress, IpEndpoint};
    ///
    /// // Two sockets of the network's, and a set with a place for one more.
    /// type Memory<'a> = StaticNetwork<'a, 2, 1, 3, 64, 64, 3>;
    /// let memory: &mut Memory = Box::leak(Box::new(StaticNetwork::with_own()));
    /// let mut network = Network::new(device, interface, Config::DEFAULT, memory.storage());
    ///
    /// // Its buffers, usually in a `static`.
    /// let buffer = || SocketBuffer::new(Box::leak(Box::new([0; 64])).as_mut_slice());
    /// let handle = network.add_socket(Socket::new(buffer(), buffer())).expect("a free place");
    /// let (socket, interface) = network.own_socket::<Socket<'_>>(handle);
    /// let address = IpEndpoint::new(IpAddress::v4(10, 0, 2, 2), 7);
    /// let connected = socket.connect(interface.context(), address, 49_000);
    /// assert!(connected.is_err(), "the interface has no address yet");
    /// ```
    ///
    /// # Errors
    ///
    /// The socket itself, if the memory of the network has no place for one more.
    pub fn add_socket<T: AnySocket<'a>>(&mut self, socket: T) -> Result<SocketHandle, T> {
        if self.own_free == 0 {
            return Err(socket);
        }
        self.own_free -= 1;
        Ok(self.sockets.add(socket))
    }

    /// Returns a socket of the program's own, and the interface: to ask for a name, or to take
    /// an address from DHCP. After a change, take a turn before you sleep.
    ///
    /// # Panics
    ///
    /// If `handle` is not one of [`add_socket`](Self::add_socket), or of another kind.
    pub fn own_socket<T: AnySocket<'a>>(
        &mut self,
        handle: SocketHandle,
    ) -> (&mut T, &mut Interface) {
        (self.sockets.get_mut(handle), &mut self.interface)
    }
}
