//! Connections whose near end belongs to the platform under test, and whose far end to another one
//! in the same component.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;

use selkie_conformance::{Fixture, TransportFixture, WaitFixture, WakeFixture};
use selkie_core::platform::{Close, Events, Transport, Wait};
use selkie_core::{Error, ErrorKind, Event, Instant};
use selkie_wasi::{Socket, StaticWaitableSet, WaitableSet, WaitableSetStorage, Waker};

/// The number of times that the world may settle before a connection is established.
const PATIENCE: usize = 1_000;

/// Any free port of this host.
const ANYWHERE: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The platform under test, and the far ends of its connections.
pub(crate) struct Network {
    near: WaitableSet,
    /// The listener that the far ends connect to.
    entrance: Option<Socket>,
    far: WaitableSet,
    /// The listener that the near ends connect to.
    exit: Option<Socket>,
}

/// The size of a page of memory, in bytes.
const PAGE: usize = 65_536;

/// Allocates memory for a platform, which is never given back.
fn memory<const SLOTS: usize>() -> WaitableSetStorage {
    let pages = size_of::<StaticWaitableSet<SLOTS>>().div_ceil(PAGE);
    let first = core::arch::wasm32::memory_grow(0, pages);
    let place: *mut StaticWaitableSet<SLOTS> = core::ptr::without_provenance_mut(first * PAGE);
    // SAFETY: the pages are fresh, large enough, and no one else's.
    let memory = unsafe {
        place.write(StaticWaitableSet::new());
        &mut *place
    };
    memory.storage()
}

/// Allocates memory for a platform of `capacity` sources and a listener.
fn memory_for(capacity: usize) -> Result<WaitableSetStorage, Error> {
    let memory = match capacity {
        ..=15 => memory::<16>(),
        16..=63 => memory::<64>(),
        64..=399 => memory::<400>(),
        _ => return Err(ErrorKind::Full.into()),
    };
    Ok(memory.with_slots(capacity))
}

impl Network {
    /// Makes a platform for `capacity` sources.
    pub(crate) fn new(capacity: usize) -> Result<Self, Error> {
        let near = WaitableSet::new(memory_for(capacity)?);
        let far = WaitableSet::new(memory_for(capacity)?);
        Ok(Self { near, entrance: None, far, exit: None })
    }

    /// Returns the listener that the far ends connect to.
    fn entrance(&mut self) -> Result<Socket, Error> {
        let listener = match self.entrance {
            Some(listener) => listener,
            None => self.near.listen(ANYWHERE, 64)?,
        };
        self.entrance = Some(listener);
        Ok(listener)
    }
}

impl Fixture for Network {
    type Platform = WaitableSet;
    type Peer = Socket;

    fn platform(&mut self) -> &mut WaitableSet {
        &mut self.near
    }

    fn now(&mut self) -> Instant {
        self.near.now()
    }

    fn settle(&mut self) {
        let mut slots = [Event::EMPTY; 1];
        // Nothing is registered, so it sleeps.
        let _ = self.far.wait_for(&mut Events::new(&mut slots), Duration::from_millis(1));
    }

    fn pair(&mut self) -> Result<(Socket, Socket), Error> {
        let listener = self.entrance()?;
        let peer = self.dial(listener)?;
        for _ in 0..PATIENCE {
            match self.near.accept(listener) {
                Err(error) if error.is_would_block() => self.settle(),
                Ok(source) => {
                    // The host learns a moment later that there is room to write, and refuses until
                    // then.
                    self.settle();
                    return Ok((source, peer));
                }
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

    fn peer_read(&mut self, peer: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        self.far.read(peer, buffer)
    }

    fn peer_write(&mut self, peer: Socket, bytes: &[u8]) -> Result<usize, Error> {
        self.far.write(peer, bytes)
    }

    fn peer_shutdown_write(&mut self, peer: Socket) -> Result<(), Error> {
        self.far.shutdown_write(peer)
    }

    fn peer_close(&mut self, peer: Socket) -> Result<(), Error> {
        self.far.close(peer, Close::Graceful)
    }

    fn listener(&mut self) -> Result<Socket, Error> {
        self.near.listen(ANYWHERE, 64)
    }

    fn dial(&mut self, listener: Socket) -> Result<Socket, Error> {
        let address = self.near.local_address(listener)?;
        let peer = self.far.connect(&address)?;
        for _ in 0..PATIENCE {
            match self.far.connected(peer) {
                Err(error) if error.is_would_block() => self.settle(),
                result => return result.map(|()| peer),
            }
        }
        Err(ErrorKind::TimedOut.into())
    }
}

impl WaitFixture for Network {}

impl WakeFixture for Network {
    fn wake(&mut self, waker: &Waker) -> Result<(), Error> {
        waker.wake();
        Ok(())
    }
}

impl TransportFixture for Network {
    fn destination(&mut self) -> Result<SocketAddr, Error> {
        let listener = match self.exit {
            Some(listener) => listener,
            None => self.far.listen(ANYWHERE, 64)?,
        };
        self.exit = Some(listener);
        self.far.local_address(listener)
    }

    fn peer_accept(&mut self) -> Result<Socket, Error> {
        match self.exit {
            Some(listener) => self.far.accept(listener),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn refusing(&mut self) -> Result<SocketAddr, Error> {
        let listener = self.far.listen(ANYWHERE, 1)?;
        let address = self.far.local_address(listener)?;
        self.far.close(listener, Close::Graceful)?;
        Ok(address)
    }
}
