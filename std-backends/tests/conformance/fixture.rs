//! One fixture for all selectors, over two kinds of near ends.

use std::net::SocketAddr;
use std::time::Duration;

use selkie_conformance::{
    AddressOf, Fixture, SourceOf, TransportFixture, WaitFixture, WakeFixture,
};
use selkie_core::platform::{Selector, Transport, Wait, Wake};
use selkie_core::{Error, ErrorKind, Instant};
use selkie_std::Waker;
use selkie_std::selectors::Backend;

use crate::world::{self, Borrowed, Owned, World};

/// The near ends, and the platform that watches them.
pub(crate) trait Near: Sized {
    type Platform: Wait + Wake<Waker = Waker>;

    /// True if far ends can send urgent bytes.
    const IS_TCP: bool;

    fn new(backend: Backend, capacity: usize) -> Result<Self, Error>;
    fn platform(&mut self) -> &mut Self::Platform;

    /// Makes a connection, and returns its near end and its far end.
    fn pair(&mut self) -> Result<(<Self::Platform as Selector>::Source, Owned), Error>;

    /// Makes a descriptor a near end.
    fn adopt(&mut self, fd: Owned) -> Result<<Self::Platform as Selector>::Source, Error>;

    fn fd(&self, source: <Self::Platform as Selector>::Source) -> Result<Borrowed<'_>, Error>;
    fn read(
        &mut self,
        source: <Self::Platform as Selector>::Source,
        buffer: &mut [u8],
    ) -> Result<usize, Error>;
    fn write(
        &mut self,
        source: <Self::Platform as Selector>::Source,
        bytes: &[u8],
    ) -> Result<usize, Error>;
    fn close(&mut self, source: <Self::Platform as Selector>::Source) -> Result<(), Error>;

    fn break_source(&mut self, _source: <Self::Platform as Selector>::Source) -> Result<(), Error> {
        Err(ErrorKind::Unsupported.into())
    }

    fn listener(&mut self) -> Result<<Self::Platform as Selector>::Source, Error> {
        Err(ErrorKind::Unsupported.into())
    }

    fn dial(&mut self, _listener: <Self::Platform as Selector>::Source) -> Result<Owned, Error> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Moves what the platform moves in a turn only.
    fn settle(&mut self) {}

    /// Returns the address that connecting goes to.
    fn destination(&self) -> Result<SocketAddr, Error> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Accepts what was connected there.
    fn peer_accept(&self) -> Result<Owned, Error> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// The fixture.
pub(crate) struct Over<N> {
    pub(crate) near: N,
    pub(crate) world: World,
    /// Descriptors that only stay open.
    kept: Vec<Owned>,
    /// True if a socket keeps its error after the selector has reported it. Only libkqueue takes it
    /// away.
    keeps_errors: bool,
}

impl<N: Near> Over<N> {
    pub(crate) fn new(backend: Backend, capacity: usize) -> Result<Self, Error> {
        world::raise_limit();
        let keeps_errors = !(cfg!(target_os = "linux") && backend.name() == "kqueue");
        Ok(Self {
            near: N::new(backend, capacity)?,
            world: World::new(),
            kept: Vec::new(),
            keeps_errors,
        })
    }
}

impl<N: Near> Fixture for Over<N> {
    type Platform = N::Platform;
    type Peer = usize;

    fn platform(&mut self) -> &mut N::Platform {
        self.near.platform()
    }

    fn now(&mut self) -> Instant {
        self.near.platform().now()
    }

    fn settle(&mut self) {
        self.near.settle();
        world::settle();
    }

    fn pair(&mut self) -> Result<(SourceOf<Self>, usize), Error> {
        let (near, far) = self.near.pair()?;
        Ok((near, self.world.add(far)?))
    }

    fn read(&mut self, source: SourceOf<Self>, buffer: &mut [u8]) -> Result<usize, Error> {
        self.near.read(source, buffer)
    }

    fn write(&mut self, source: SourceOf<Self>, bytes: &[u8]) -> Result<usize, Error> {
        self.near.write(source, bytes)
    }

    fn close(&mut self, source: SourceOf<Self>) -> Result<(), Error> {
        self.near.close(source)
    }

    fn peer_read(&mut self, peer: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        self.world.read(peer, buffer)
    }

    fn peer_write(&mut self, peer: usize, bytes: &[u8]) -> Result<usize, Error> {
        self.world.write(peer, bytes)
    }

    fn peer_shutdown_write(&mut self, peer: usize) -> Result<(), Error> {
        self.world.shutdown_write(peer)
    }

    fn peer_close(&mut self, peer: usize) -> Result<(), Error> {
        self.world.close(peer)
    }

    fn peer_reset(&mut self, peer: usize) -> Result<(), Error> {
        if N::IS_TCP && self.keeps_errors {
            self.world.reset(peer)
        } else {
            Err(ErrorKind::Unsupported.into())
        }
    }

    fn peer_write_urgent(&mut self, peer: usize) -> Result<(), Error> {
        if N::IS_TCP { self.world.write_urgent(peer) } else { Err(ErrorKind::Unsupported.into()) }
    }

    fn listener(&mut self) -> Result<SourceOf<Self>, Error> {
        self.near.listener()
    }

    fn dial(&mut self, listener: SourceOf<Self>) -> Result<usize, Error> {
        let far = self.near.dial(listener)?;
        self.world.add(far)
    }

    fn one_way(&mut self) -> Result<(SourceOf<Self>, usize), Error> {
        let (write, read) = world::one_way()?;
        let far = self.world.add(read)?;
        Ok((self.near.adopt(write)?, far))
    }

    fn unconnected(&mut self) -> Result<SourceOf<Self>, Error> {
        self.near.adopt(world::unconnected()?)
    }

    fn regular_file(&mut self) -> Result<SourceOf<Self>, Error> {
        self.near.adopt(world::regular_file()?)
    }

    fn break_source(&mut self, source: SourceOf<Self>) -> Result<(), Error> {
        self.near.break_source(source)
    }

    fn duplicate(&mut self, source: SourceOf<Self>) -> Result<(), Error> {
        let duplicate = world::duplicate(self.near.fd(source)?)?;
        self.kept.push(duplicate);
        Ok(())
    }
}

impl<N: Near> WaitFixture for Over<N> {
    fn peer_write_later(
        &mut self,
        peer: usize,
        bytes: &'static [u8],
        delay: Duration,
    ) -> Result<(), Error> {
        self.world.write_later(peer, bytes, delay)
    }

    fn interrupt(&mut self, period: Duration, span: Duration) -> Result<(), Error> {
        self.world.interrupt(period, span)
    }

    fn busy_time(&mut self) -> Result<Duration, Error> {
        world::busy_time()
    }
}

impl<N: Near> WakeFixture for Over<N> {
    fn wake(&mut self, waker: &Waker) -> Result<(), Error> {
        waker.wake();
        Ok(())
    }

    fn wake_later(&mut self, waker: &Waker, delay: Duration) -> Result<(), Error> {
        let waker = waker.clone();
        self.world.later(delay, move || waker.wake());
        Ok(())
    }
}

impl<N: Near<Platform: Transport>> TransportFixture for Over<N> {
    fn destination(&mut self) -> Result<AddressOf<Self>, Error> {
        address::<N>(self.near.destination()?)
    }

    fn peer_accept(&mut self) -> Result<usize, Error> {
        let far = self.near.peer_accept()?;
        self.world.add(far)
    }

    fn refusing(&mut self) -> Result<AddressOf<Self>, Error> {
        if !self.keeps_errors {
            return Err(ErrorKind::Unsupported.into());
        }
        let (socket, refusing) = world::refusing()?;
        self.kept.push(socket);
        address::<N>(refusing)
    }
}

/// Returns an address as the platform's connections take it.
fn address<N: Near<Platform: Transport>>(
    address: SocketAddr,
) -> Result<<N::Platform as Transport>::Address, Error> {
    N::Platform::address(address).ok_or(Error::new(ErrorKind::Unsupported))
}
