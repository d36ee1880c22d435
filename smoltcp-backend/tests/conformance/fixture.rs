//! What the suite needs: connections from the host beyond the wire, on a clock that a settling
//! moves on.

use std::time::Duration;

use selkie_conformance::{Fixture, TransportFixture};
use selkie_core::{Close, Error, ErrorKind, Instant, Transport};
use selkie_smoltcp::{Config, Network, Socket};
use smoltcp::iface::SocketHandle;
use smoltcp::wire::IpEndpoint;

use crate::world::far::Far;
use crate::world::wire::Wire;
use crate::world::{self, FAR, NEAR, Size};

/// The near port at which pairs come about.
const PAIRS: u16 = 1;
/// The far port at which somebody listens, and the one at which nobody does.
const FAR_OPEN: u16 = 7;
const FAR_SHUT: u16 = 9;
/// How many sockets a listener of a case has, for backlog and connections.
const BACKLOG: usize = 8;
/// How often the world is moved on until a connection has come about.
const PATIENCE: usize = 1_000;

/// A network, and the host beyond the wire.
pub(crate) struct OverWire {
    network: Network<'static, Wire>,
    far: Far,
    now: Instant,
    pairs: Socket,
    /// The listeners that cases were given, whose ports follow on [`PAIRS`].
    listeners: Vec<Socket>,
}

impl OverWire {
    pub(crate) fn new(capacity: usize) -> Result<Self, Error> {
        let (near, far) = Wire::pair();
        let size = Size {
            sockets: capacity + 8 + 2 * BACKLOG,
            listeners: 3,
            slots: capacity,
            bytes: 4_096,
        };
        let mut network = world::network(near, size, Config::DEFAULT);
        let pairs = network.listen(PAIRS, capacity + 4)?;
        let mut far = Far::new(far);
        for _ in 0..4 {
            far.listen(FAR_OPEN);
        }
        Ok(Self { network, far, now: Instant::from_millis(1), pairs, listeners: Vec::new() })
    }

    /// Moves the world on until a pair has come about.
    fn accept_pair(&mut self, peer: SocketHandle) -> Result<Socket, Error> {
        for _ in 0..PATIENCE {
            self.settle();
            if self.far.socket(peer).may_send()
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
        self.network.drive(self.now);
        self.far.poll(self.now);
        self.network.drive(self.now);
    }

    fn pair(&mut self) -> Result<(Socket, SocketHandle), Error> {
        let peer = self.far.connect(IpEndpoint::new(NEAR.into(), PAIRS));
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
        self.far.read(peer, buffer)
    }

    fn peer_write(&mut self, peer: SocketHandle, bytes: &[u8]) -> Result<usize, Error> {
        self.far.write(peer, bytes)
    }

    fn peer_shutdown_write(&mut self, peer: SocketHandle) -> Result<(), Error> {
        self.far.socket(peer).close();
        Ok(())
    }

    fn peer_close(&mut self, peer: SocketHandle) -> Result<(), Error> {
        self.far.close(peer);
        Ok(())
    }

    fn peer_reset(&mut self, peer: SocketHandle) -> Result<(), Error> {
        self.far.reset(peer);
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
        Ok(self.far.connect(IpEndpoint::new(NEAR.into(), port)))
    }
}

impl TransportFixture for OverWire {
    fn destination(&mut self) -> Result<IpEndpoint, Error> {
        Ok(IpEndpoint::new(FAR.into(), FAR_OPEN))
    }

    fn peer_accept(&mut self) -> Result<SocketHandle, Error> {
        self.far.accept().ok_or(ErrorKind::WouldBlock.into())
    }

    fn refusing(&mut self) -> Result<IpEndpoint, Error> {
        Ok(IpEndpoint::new(FAR.into(), FAR_SHUT))
    }
}
