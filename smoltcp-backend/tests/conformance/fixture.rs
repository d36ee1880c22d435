//! The fixture of the suite: connections from the host beyond the wire, on a clock that a settling
//! moves on.

use std::time::Duration;

use selkie_conformance::{Fixture, TransportFixture};
use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind, Instant};
use selkie_smoltcp::{Config, Network, Socket};
use smoltcp::iface::SocketHandle;
use smoltcp::wire::IpEndpoint;

use crate::world::host::Host;
use crate::world::wire::Wire;
use crate::world::{self, LOCAL, REMOTE, Size};

/// The local port at which pairs are made.
const PAIRS: u16 = 1;
/// The remote port with a listener, and one without a listener.
const REMOTE_OPEN: u16 = 7;
const REMOTE_SHUT: u16 = 9;
/// The number of sockets that a listener of a case has, for backlog and connections.
const BACKLOG: usize = 8;
/// The number of times that the world is moved on until a connection is complete.
const PATIENCE: usize = 1_000;

/// A network, and the host beyond the wire.
pub(crate) struct OverWire {
    network: Network<'static, Wire>,
    remote: Host,
    now: Instant,
    pairs: Socket,
    /// The listeners that cases were given, whose ports follow on [`PAIRS`].
    listeners: Vec<Socket>,
}

impl OverWire {
    pub(crate) fn new(capacity: usize) -> Result<Self, Error> {
        let (local, remote) = Wire::pair();
        let size = Size {
            sockets: capacity + 8 + 2 * BACKLOG,
            listeners: 3,
            slots: capacity,
            bytes: 4_096,
        };
        let mut network = world::network(local, size, Config::DEFAULT);
        let pairs = network.listen(PAIRS, capacity + 4)?;
        let mut remote = Host::new(remote);
        for _ in 0..4 {
            remote.listen(REMOTE_OPEN);
        }
        Ok(Self { network, remote, now: Instant::from_millis(1), pairs, listeners: Vec::new() })
    }

    /// Moves the world on until a pair is connected.
    fn accept_pair(&mut self, peer: SocketHandle) -> Result<Socket, Error> {
        for _ in 0..PATIENCE {
            self.settle();
            if self.remote.socket(peer).may_send()
                && let Ok(source) = self.network.accept(self.pairs)
            {
                return Ok(source);
            }
        }
        Err(ErrorKind::TimedOut.into())
    }
}

impl Fixture for OverWire {
    type Platform = Network<'static, Wire>;
    type Peer = SocketHandle;

    fn platform(&mut self) -> &mut Self::Platform {
        &mut self.network
    }

    fn now(&mut self) -> Instant {
        self.now
    }

    fn settle(&mut self) {
        self.now = self.now + Duration::from_millis(1);
        self.network.poll_stack(self.now);
        self.remote.poll(self.now);
        self.network.poll_stack(self.now);
    }

    fn pair(&mut self) -> Result<(Socket, SocketHandle), Error> {
        let peer = self.remote.connect(IpEndpoint::new(LOCAL.into(), PAIRS));
        let source = self.accept_pair(peer)?;
        Ok((source, peer))
    }

    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        self.network.read(source, buffer)
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        self.network.write(source, bytes)
    }

    fn close(&mut self, source: Socket) -> Result<(), Error> {
        self.network.close(source, Close::Graceful)
    }

    fn peer_read(&mut self, peer: SocketHandle, buffer: &mut [u8]) -> Result<usize, Error> {
        self.remote.read(peer, buffer)
    }

    fn peer_write(&mut self, peer: SocketHandle, bytes: &[u8]) -> Result<usize, Error> {
        self.remote.write(peer, bytes)
    }

    fn peer_shutdown_write(&mut self, peer: SocketHandle) -> Result<(), Error> {
        self.remote.socket(peer).close();
        Ok(())
    }

    fn peer_close(&mut self, peer: SocketHandle) -> Result<(), Error> {
        self.remote.close(peer);
        Ok(())
    }

    fn peer_reset(&mut self, peer: SocketHandle) -> Result<(), Error> {
        self.remote.reset(peer);
        Ok(())
    }

    fn listener(&mut self) -> Result<Socket, Error> {
        let port = PAIRS + 1 + u16::try_from(self.listeners.len()).map_err(|_| ErrorKind::Full)?;
        let listener = self.network.listen(port, BACKLOG)?;
        self.listeners.push(listener);
        Ok(listener)
    }

    fn dial(&mut self, listener: Socket) -> Result<SocketHandle, Error> {
        let position = self
            .listeners
            .iter()
            .position(|known| *known == listener)
            .ok_or(ErrorKind::InvalidSource)?;
        let port = PAIRS + 1 + u16::try_from(position).map_err(|_| ErrorKind::Full)?;
        Ok(self.remote.connect(IpEndpoint::new(LOCAL.into(), port)))
    }
}

impl TransportFixture for OverWire {
    fn destination(&mut self) -> Result<IpEndpoint, Error> {
        Ok(IpEndpoint::new(REMOTE.into(), REMOTE_OPEN))
    }

    fn peer_accept(&mut self) -> Result<SocketHandle, Error> {
        self.remote.accept().ok_or(ErrorKind::WouldBlock.into())
    }

    fn refusing(&mut self) -> Result<IpEndpoint, Error> {
        Ok(IpEndpoint::new(REMOTE.into(), REMOTE_SHUT))
    }
}
