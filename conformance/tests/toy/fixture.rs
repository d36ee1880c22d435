//! The toy's fixture: what the author of a backend writes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use selkie_conformance::{Fixture, TransportFixture, WaitFixture, WakeFixture};
use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind, Instant};

use super::Fault;
use super::network::Kind;
use super::platform::{Action, Toy};

/// A toy, and the far ends of its connections, which are named as their sources are.
pub(crate) struct ToyFixture {
    toy: Toy,
    /// Connections that the toy made, and that the far side has not accepted.
    arriving: usize,
}

impl ToyFixture {
    /// Makes a toy without faults.
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the suite asks for a result, since most platforms can fail here"
    )]
    pub(crate) fn new(capacity: usize) -> Result<Self, Error> {
        Ok(Self { toy: Toy::new(capacity, None), arriving: 0 })
    }

    /// Makes a toy with one fault.
    pub(crate) fn with_fault(capacity: usize, fault: Fault) -> Self {
        Self { toy: Toy::new(capacity, Some(fault)), arriving: 0 }
    }
}

impl Fixture for ToyFixture {
    type Platform = Toy;
    type Peer = usize;

    fn platform(&mut self) -> &mut Toy {
        &mut self.toy
    }

    fn now(&mut self) -> Instant {
        self.toy.now
    }

    fn settle(&mut self) {
        let next = self.toy.now + Duration::from_millis(1);
        self.toy.advance(next);
    }

    fn pair(&mut self) -> Result<(usize, usize), Error> {
        let line = self.toy.network.open(Kind::Stream);
        Ok((line, line))
    }

    fn read(&mut self, source: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        self.toy.read(source, buffer)
    }

    fn write(&mut self, source: usize, bytes: &[u8]) -> Result<usize, Error> {
        self.toy.write(source, bytes)
    }

    fn close(&mut self, source: usize) -> Result<(), Error> {
        self.toy.close(source, Close::Graceful)
    }

    fn peer_read(&mut self, peer: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        let line = self.toy.network.change(peer);
        if line.reset { Err(ErrorKind::ConnectionReset.into()) } else { line.outward.read(buffer) }
    }

    fn peer_write(&mut self, peer: usize, bytes: &[u8]) -> Result<usize, Error> {
        self.toy.network.change(peer).inward.write(bytes)
    }

    fn peer_shutdown_write(&mut self, peer: usize) -> Result<(), Error> {
        self.toy.network.change(peer).inward.ended = true;
        Ok(())
    }

    fn peer_close(&mut self, peer: usize) -> Result<(), Error> {
        let line = self.toy.network.change(peer);
        line.inward.ended = true;
        line.outward.ended = true;
        line.far_closed = true;
        Ok(())
    }

    fn peer_reset(&mut self, peer: usize) -> Result<(), Error> {
        let hidden = self.toy.has(Fault::HidesResets);
        let line = self.toy.network.change(peer);
        line.reset = true;
        line.inward.ended |= hidden;
        Ok(())
    }

    fn peer_write_urgent(&mut self, peer: usize) -> Result<(), Error> {
        self.toy.network.change(peer).urgent = true;
        Ok(())
    }

    fn listener(&mut self) -> Result<usize, Error> {
        Ok(self.toy.network.open(Kind::Listener))
    }

    fn dial(&mut self, listener: usize) -> Result<usize, Error> {
        let line = self.toy.network.open(Kind::Stream);
        self.toy.network.change(listener).waiting.push_back(line);
        Ok(line)
    }

    fn one_way(&mut self) -> Result<(usize, usize), Error> {
        self.pair()
    }

    fn unconnected(&mut self) -> Result<usize, Error> {
        Ok(self.toy.network.open(Kind::Unconnected))
    }

    fn regular_file(&mut self) -> Result<usize, Error> {
        Ok(self.toy.network.open(Kind::File))
    }

    fn break_source(&mut self, source: usize) -> Result<(), Error> {
        self.toy.network.change(source).broken = true;
        Ok(())
    }

    fn duplicate(&mut self, _source: usize) -> Result<(), Error> {
        Ok(())
    }
}

impl WaitFixture for ToyFixture {
    fn peer_write_later(
        &mut self,
        peer: usize,
        bytes: &'static [u8],
        delay: Duration,
    ) -> Result<(), Error> {
        self.toy.schedule.push((self.toy.now + delay, Action::Write(peer, bytes)));
        Ok(())
    }

    fn interrupt(&mut self, period: Duration, span: Duration) -> Result<(), Error> {
        let end = self.toy.now + span;
        let mut at = self.toy.now + period;
        while at < end {
            self.toy.schedule.push((at, Action::Interrupt));
            at = at + period;
        }
        Ok(())
    }

    fn busy_time(&mut self) -> Result<Duration, Error> {
        Ok(self.toy.busy)
    }
}

impl WakeFixture for ToyFixture {
    fn wake(&mut self, waker: &Rc<Cell<usize>>) -> Result<(), Error> {
        waker.set(waker.get() + 1);
        Ok(())
    }

    fn wake_later(&mut self, _waker: &Rc<Cell<usize>>, delay: Duration) -> Result<(), Error> {
        self.toy.schedule.push((self.toy.now + delay, Action::Wake));
        Ok(())
    }
}

impl TransportFixture for ToyFixture {
    fn destination(&mut self) -> Result<bool, Error> {
        self.arriving = self.toy.network.lines.len();
        Ok(true)
    }

    fn peer_accept(&mut self) -> Result<usize, Error> {
        Ok(self.arriving)
    }

    fn refusing(&mut self) -> Result<bool, Error> {
        Ok(false)
    }
}
