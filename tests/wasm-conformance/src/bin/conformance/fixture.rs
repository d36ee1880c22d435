//! Connections whose near end belongs to the platform under test, and whose far end to the
//! test process.

use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use selkie::platform::{Close, Socket, Transport, Wait};
use selkie::{Error, ErrorKind, Instant};
use selkie_conformance::{Fixture, TransportFixture, WaitFixture};

use crate::platform::{self, Given, Platform};
use crate::remote_peer::{self, BusyClock, Peer};

/// The number of times that the world may settle before a connection is established.
const PATIENCE: usize = 1_000;

/// The most sources that a case uses beside those that are registered.
const UNREGISTERED: usize = 16;

/// The platform under test.
pub(crate) struct Network {
    near: Platform,
    given: Rc<Given>,
    /// The listener that the test process connects to for a pair.
    entrance: Option<Listener>,
    /// The listeners that it connects to for the case.
    listeners: Vec<Listener>,
    can_reset: bool,
    clock: BusyClock,
}

/// A listener and its address.
#[derive(Clone, Copy)]
pub(crate) struct Listener {
    pub(crate) source: Socket,
    pub(crate) address: SocketAddr,
}

impl Network {
    /// Makes a platform for `capacity` sources.
    pub(crate) fn new(capacity: usize, given: Rc<Given>, can_reset: bool) -> Result<Self, Error> {
        let near = platform::open(capacity, capacity + UNREGISTERED)?;
        Ok(Self {
            near,
            given,
            entrance: None,
            listeners: Vec::new(),
            can_reset,
            clock: BusyClock::default(),
        })
    }

    fn open_listener(&mut self) -> Result<Listener, Error> {
        platform::listener(&mut self.near, &self.given)
    }

    /// Returns the listener that the test process connects to for a pair.
    fn entrance(&mut self) -> Result<Listener, Error> {
        let entrance = match self.entrance {
            Some(entrance) => entrance,
            None => self.open_listener()?,
        };
        self.entrance = Some(entrance);
        Ok(entrance)
    }
}

impl Fixture for Network {
    type Platform = Platform;
    type Peer = Peer;

    fn platform(&mut self) -> &mut Platform {
        &mut self.near
    }

    fn now(&mut self) -> Instant {
        self.near.now()
    }

    fn settle(&mut self) {
        thread::sleep(Duration::from_millis(1));
    }

    fn pair(&mut self) -> Result<(Socket, Peer), Error> {
        let entrance = self.entrance()?;
        let peer = remote_peer::dial(entrance.address)?;
        for _ in 0..PATIENCE {
            match self.near.accept(entrance.source) {
                Ok(source) => {
                    // The host learns a moment later that there is room to write, and refuses until
                    // then.
                    self.settle();
                    return Ok((source, peer));
                }
                Err(error) if error.is_would_block() => self.settle(),
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        self.near.read(source, buffer)
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        self.near.write(source, bytes)
    }

    fn close(&mut self, source: Socket) -> Result<(), Error> {
        self.near.close(source, Close::Graceful)
    }

    fn peer_read(&mut self, peer: Peer, buffer: &mut [u8]) -> Result<usize, Error> {
        peer.read(buffer)
    }

    fn peer_write(&mut self, peer: Peer, bytes: &[u8]) -> Result<usize, Error> {
        peer.write(bytes)
    }

    fn peer_shutdown_write(&mut self, peer: Peer) -> Result<(), Error> {
        peer.shutdown_write()
    }

    fn peer_close(&mut self, peer: Peer) -> Result<(), Error> {
        peer.close()
    }

    fn peer_reset(&mut self, peer: Peer) -> Result<(), Error> {
        if self.can_reset { peer.reset() } else { Err(ErrorKind::Unsupported.into()) }
    }

    fn listener(&mut self) -> Result<Socket, Error> {
        let listener = self.open_listener()?;
        self.listeners.push(listener);
        Ok(listener.source)
    }

    fn dial(&mut self, listener: Socket) -> Result<Peer, Error> {
        let known = self.listeners.iter().find(|known| known.source == listener);
        remote_peer::dial(known.ok_or(ErrorKind::InvalidSource)?.address)
    }

    #[cfg(target_env = "p1")]
    fn break_source(&mut self, source: Socket) -> Result<(), Error> {
        platform::break_source(&mut self.near, source)
    }
}

impl WaitFixture for Network {
    fn peer_write_later(
        &mut self,
        peer: Peer,
        bytes: &'static [u8],
        delay: Duration,
    ) -> Result<(), Error> {
        peer.write_later(bytes, delay)
    }

    fn interrupt(&mut self, period: Duration, span: Duration) -> Result<(), Error> {
        remote_peer::interrupt(period, span)
    }

    fn busy_time(&mut self) -> Result<Duration, Error> {
        self.clock.busy_time()
    }
}

impl TransportFixture for Network {
    #[cfg(target_env = "p2")]
    fn destination(&mut self) -> Result<SocketAddr, Error> {
        remote_peer::listen()
    }

    #[cfg(target_env = "p2")]
    fn peer_accept(&mut self) -> Result<Peer, Error> {
        remote_peer::accept()
    }

    #[cfg(target_env = "p2")]
    fn refusing(&mut self) -> Result<SocketAddr, Error> {
        remote_peer::refusing()
    }
}
