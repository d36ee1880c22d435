//! The host beyond the wire: plain smoltcp, with clients and listeners that the tests drive.

use std::collections::HashSet;

use selkie_core::{Error, ErrorKind, Instant};
use selkie_smoltcp::instant;
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{RecvError, Socket, SocketBuffer, State};
use smoltcp::socket::udp;
use smoltcp::wire::{IpEndpoint, Ipv4Address};

use super::wire::Wire;

/// The size of a buffer of this host.
const BUFFER: usize = 8 * 1024;

/// The host beyond the wire.
pub(crate) struct Host {
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    port: u16,
    listening: HashSet<SocketHandle>,
    closing: Vec<SocketHandle>,
}

impl Host {
    pub(crate) fn new(wire: Wire) -> Self {
        Self::with_address(wire, super::REMOTE)
    }

    /// Creates the host with another address.
    pub(crate) fn with_address(mut wire: Wire, address: Ipv4Address) -> Self {
        let interface = super::interface(&mut wire, address);
        let sockets = SocketSet::new(Vec::new());
        Self {
            wire,
            interface,
            sockets,
            port: 1_024,
            listening: HashSet::new(),
            closing: Vec::new(),
        }
    }

    /// Moves frames, and forgets what is closed.
    pub(crate) fn poll(&mut self, now: Instant) {
        self.interface.poll(instant(now), &mut self.wire, &mut self.sockets);
        let Self { sockets, closing, .. } = self;
        closing.retain(|&handle| {
            let socket = sockets.get::<Socket<'_>>(handle);
            let over = !socket.is_open() && socket.remote_endpoint().is_none();
            if over {
                sockets.remove(handle);
            }
            !over
        });
    }

    fn add(&mut self) -> SocketHandle {
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        self.sockets.add(socket)
    }

    pub(crate) fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Adds a socket of UDP that is bound to a port.
    #[allow(dead_code, reason = "not every test has messages")]
    pub(crate) fn bind(&mut self, port: u16) -> SocketHandle {
        let mut socket = super::udp_socket(4, 2048);
        socket.bind(port).expect("the port is free");
        self.sockets.add(socket)
    }

    /// Returns a socket of UDP.
    #[allow(dead_code, reason = "not every test has messages")]
    pub(crate) fn udp(&mut self, handle: SocketHandle) -> &mut udp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Begins to connect.
    pub(crate) fn connect(&mut self, address: IpEndpoint) -> SocketHandle {
        let handle = self.add();
        self.port += 1;
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        socket
            .connect(self.interface.context(), address, self.port)
            .expect("the address can be connected to");
        handle
    }

    /// Listens with one more socket.
    #[allow(dead_code, reason = "not every test has connections in that direction")]
    pub(crate) fn listen(&mut self, port: u16) {
        let handle = self.add();
        self.socket(handle).listen(port).expect("the port can be listened on");
        self.listening.insert(handle);
    }

    /// Returns a connection that is complete at a listener.
    #[allow(dead_code, reason = "not every test has connections in that direction")]
    pub(crate) fn accept(&mut self) -> Option<SocketHandle> {
        let established =
            |handle: &&SocketHandle| self.sockets.get::<Socket<'_>>(**handle).may_send();
        let handle = *self.listening.iter().find(established)?;
        self.listening.remove(&handle);
        Some(handle)
    }

    /// Reads. 0 is the end.
    pub(crate) fn read(&mut self, handle: SocketHandle, buffer: &mut [u8]) -> Result<usize, Error> {
        let socket = self.socket(handle);
        match socket.recv_slice(buffer) {
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            Ok(count) => Ok(count),
            Err(RecvError::Finished) => Ok(0),
            Err(RecvError::InvalidState) => Err(stream_error(socket).into()),
        }
    }

    /// Writes, and returns how many bytes were taken.
    pub(crate) fn write(&mut self, handle: SocketHandle, bytes: &[u8]) -> Result<usize, Error> {
        let socket = self.socket(handle);
        match socket.send_slice(bytes) {
            Ok(0) if !bytes.is_empty() => Err(ErrorKind::WouldBlock.into()),
            Ok(count) => Ok(count),
            Err(_) => Err(stream_error(socket).into()),
        }
    }

    /// Closes in order, and forgets the socket once that is done.
    pub(crate) fn close(&mut self, handle: SocketHandle) {
        self.socket(handle).close();
        self.closing.push(handle);
    }

    /// Forgets a socket as if the host had been switched off; nothing is sent for it any more.
    #[allow(dead_code, reason = "not every test has hosts that vanish")]
    pub(crate) fn forget(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }

    /// Resets.
    pub(crate) fn reset(&mut self, handle: SocketHandle) {
        self.socket(handle).abort();
    }
}

/// Returns why a socket takes or gives nothing.
fn stream_error(socket: &Socket<'_>) -> ErrorKind {
    match socket.state() {
        State::SynSent | State::SynReceived => ErrorKind::WouldBlock,
        _ => ErrorKind::ConnectionReset,
    }
}
