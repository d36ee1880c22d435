//! The fixture of the suite: connections over the simulated network, whose far ends are driven by
//! hand.

use std::collections::VecDeque;
use std::time::Duration;

use selkie_conformance::{Fixture, TransportFixture, WaitFixture, WakeFixture};
use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind, Instant};
use selkie_simulation::{
    Address, ClientModel, FarEnd, Network, Parameters, Random, Simulated, Source, Waker,
};

/// The near address at which pairs come about; the listeners of cases follow.
const PAIRS: Address = Address(1);
/// The far address with a listener, and one without.
const FAR_OPEN: Address = Address(7);
const FAR_SHUT: Address = Address(9);
/// Maximum number of steps in time until a connection is established.
const PATIENCE: usize = 1_000;

/// Something to be done on the far side at some point in time.
#[derive(Debug)]
enum Errand {
    Write(FarEnd, &'static [u8]),
    Wake(Waker),
    /// Nothing, as a signal's handler does.
    Interrupt,
}

/// A far side that does what it was told to, when it is time.
#[derive(Debug, Default)]
pub(crate) struct Errands(VecDeque<(Instant, Errand)>);

impl Errands {
    fn plan(&mut self, at: Instant, errand: Errand) {
        let place = self.0.iter().position(|(later, _)| *later > at).unwrap_or(self.0.len());
        self.0.insert(place, (at, errand));
    }
}

impl ClientModel for Errands {
    fn next_action(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }

    fn act(&mut self, network: &mut Network) {
        while self.next_action().is_some_and(|at| at <= network.now()) {
            match self.0.pop_front() {
                Some((_, Errand::Write(far, bytes))) => {
                    let written = network.far_write(far, bytes);
                    assert_eq!(
                        written,
                        Ok(bytes.len()),
                        "there is room for what a case sends later"
                    );
                }
                Some((_, Errand::Wake(waker))) => waker.wake(),
                Some((_, Errand::Interrupt)) | None => {}
            }
        }
    }
}

/// The simulated platform, and its far side.
pub(crate) struct Virtual<const OWNS_BUFFERS: bool> {
    platform: Simulated<Errands, OWNS_BUFFERS>,
    pairs: Source,
    /// The listeners that cases were given, whose addresses follow on [`PAIRS`].
    listeners: Vec<Source>,
}

impl<const OWNS_BUFFERS: bool> Virtual<OWNS_BUFFERS> {
    pub(crate) fn new(capacity: usize, parameters: &Parameters) -> Result<Self, Error> {
        let mut platform =
            Simulated::new(capacity, parameters.clone(), Random::new(1), Errands::default());
        platform.network.far_listen(FAR_OPEN);
        let pairs = platform.listen(PAIRS)?;
        Ok(Self { platform, pairs, listeners: Vec::new() })
    }

    fn later(&mut self, delay: Duration, errand: Errand) {
        let at = self.platform.network.now() + delay;
        self.platform.client_model.plan(at, errand);
    }
}

impl<const OWNS_BUFFERS: bool> Fixture for Virtual<OWNS_BUFFERS> {
    type Platform = Simulated<Errands, OWNS_BUFFERS>;
    type Peer = FarEnd;

    fn platform(&mut self) -> &mut Self::Platform {
        &mut self.platform
    }

    fn now(&mut self) -> Instant {
        self.platform.network.now()
    }

    fn settle(&mut self) {
        let later = self.now() + Duration::from_millis(1);
        self.platform.advance(later);
    }

    fn pair(&mut self) -> Result<(Source, FarEnd), Error> {
        let far = self.platform.network.dial(PAIRS);
        for _ in 0..PATIENCE {
            self.settle();
            if let Ok(source) = self.platform.accept(self.pairs) {
                return Ok((source, far));
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    fn read(&mut self, source: Source, buffer: &mut [u8]) -> Result<usize, Error> {
        self.platform.read(source, buffer)
    }

    fn write(&mut self, source: Source, bytes: &[u8]) -> Result<usize, Error> {
        self.platform.write(source, bytes)
    }

    fn close(&mut self, source: Source) -> Result<(), Error> {
        self.platform.close(source, Close::Graceful)
    }

    fn peer_read(&mut self, peer: FarEnd, buffer: &mut [u8]) -> Result<usize, Error> {
        self.platform.network.far_read(peer, buffer)
    }

    fn peer_write(&mut self, peer: FarEnd, bytes: &[u8]) -> Result<usize, Error> {
        self.platform.network.far_write(peer, bytes)
    }

    fn peer_shutdown_write(&mut self, peer: FarEnd) -> Result<(), Error> {
        self.platform.network.far_end(peer)
    }

    fn peer_close(&mut self, peer: FarEnd) -> Result<(), Error> {
        self.platform.network.far_close(peer, Close::Graceful)
    }

    fn peer_reset(&mut self, peer: FarEnd) -> Result<(), Error> {
        self.platform.network.far_close(peer, Close::Abort)
    }

    fn listener(&mut self) -> Result<Source, Error> {
        let number = u32::try_from(self.listeners.len()).map_err(|_| ErrorKind::Full)?;
        let listener = self.platform.listen(Address(PAIRS.0 + 1 + number))?;
        self.listeners.push(listener);
        Ok(listener)
    }

    fn dial(&mut self, listener: Source) -> Result<FarEnd, Error> {
        let position = self
            .listeners
            .iter()
            .position(|known| *known == listener)
            .ok_or(ErrorKind::InvalidSource)?;
        let number = u32::try_from(position).map_err(|_| ErrorKind::Full)?;
        Ok(self.platform.network.dial(Address(PAIRS.0 + 1 + number)))
    }
}

impl<const OWNS_BUFFERS: bool> WaitFixture for Virtual<OWNS_BUFFERS> {
    fn peer_write_later(
        &mut self,
        peer: FarEnd,
        bytes: &'static [u8],
        delay: Duration,
    ) -> Result<(), Error> {
        self.later(delay, Errand::Write(peer, bytes));
        Ok(())
    }

    fn interrupt(&mut self, period: Duration, span: Duration) -> Result<(), Error> {
        let mut delay = period;
        while delay <= span {
            self.later(delay, Errand::Interrupt);
            delay += period;
        }
        Ok(())
    }
}

impl<const OWNS_BUFFERS: bool> WakeFixture for Virtual<OWNS_BUFFERS> {
    fn wake(&mut self, waker: &Waker) -> Result<(), Error> {
        waker.wake();
        Ok(())
    }

    fn wake_later(&mut self, waker: &Waker, delay: Duration) -> Result<(), Error> {
        self.later(delay, Errand::Wake(waker.clone()));
        Ok(())
    }
}

impl<const OWNS_BUFFERS: bool> TransportFixture for Virtual<OWNS_BUFFERS> {
    fn destination(&mut self) -> Result<Address, Error> {
        Ok(FAR_OPEN)
    }

    fn peer_accept(&mut self) -> Result<FarEnd, Error> {
        self.platform.network.far_accept(FAR_OPEN).ok_or(ErrorKind::WouldBlock.into())
    }

    fn refusing(&mut self) -> Result<Address, Error> {
        Ok(FAR_SHUT)
    }
}
