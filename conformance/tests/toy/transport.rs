//! The toy's streams and listeners.

use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind};

use super::Fault;
use super::network::{Kind, PIPE};
use super::platform::Toy;

impl Transport for Toy {
    /// True for an address with a listener.
    type Address = bool;

    const OWNS_BUFFERS: bool = true;

    fn accept(&mut self, listener: usize) -> Result<usize, Error> {
        let backwards = self.has(Fault::AcceptsBackwards);
        let line = self.line(listener)?;
        if line.kind != Kind::Listener {
            return Err(ErrorKind::InvalidSource.into());
        }
        let next = if backwards { line.waiting.pop_back() } else { line.waiting.pop_front() };
        next.ok_or(Error::WOULD_BLOCK)
    }

    fn connect(&mut self, address: &bool) -> Result<usize, Error> {
        let listening = *address || self.has(Fault::HidesRefusals);
        Ok(self.network.open(if listening { Kind::Stream } else { Kind::Refused }))
    }

    fn connected(&mut self, source: usize) -> Result<(), Error> {
        match self.line(source)?.kind {
            Kind::Stream => Ok(()),
            _ => Err(ErrorKind::ConnectionRefused.into()),
        }
    }

    fn read(&mut self, source: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        let fault = self.fault;
        let line = self.stream(source)?;
        if fault == Some(Fault::LosesAByteToEmptyReads) && buffer.is_empty() {
            line.inward.bytes.pop_front();
        }
        line.left = 0;
        let read = line.inward.read(buffer);
        let nothing = !matches!(read, Ok(count) if count > 0);
        if line.reset && nothing && fault != Some(Fault::HidesResets) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        read
    }

    fn peek(&mut self, source: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        let fault = self.fault;
        let line = self.stream(source)?;
        if line.inward.bytes.len() <= line.left && fault != Some(Fault::RepeatsWhatWasLeft) {
            let hidden = line.left > 0 && fault == Some(Fault::HidesTheEndBehindWhatWasLeft);
            return if line.inward.ended && !hidden { Ok(0) } else { Err(Error::WOULD_BLOCK) };
        }
        if fault == Some(Fault::TakesWhatItShows) {
            return line.inward.read(buffer);
        }
        let parts = if fault == Some(Fault::ShowsAPart) { 2 } else { 1 };
        let count = buffer.len().min(line.inward.bytes.len().div_ceil(parts));
        for (place, byte) in buffer.iter_mut().zip(&line.inward.bytes) {
            *place = *byte;
        }
        Ok(count)
    }

    fn consume(&mut self, source: usize, count: usize, left: usize) {
        let hides = self.has(Fault::HidesWhatWasLeft);
        let Ok(line) = self.stream(source) else { return };
        line.inward.bytes.drain(..count.min(line.inward.bytes.len()));
        line.left = if hides { line.left.max(left) } else { left };
    }

    fn write_room(&mut self, source: usize) -> usize {
        let more = usize::from(self.has(Fault::BoastsOfItsRoom));
        self.stream(source).map_or(1, |line| PIPE - line.outward.bytes.len() + more)
    }

    fn write(&mut self, source: usize, bytes: &[u8]) -> Result<usize, Error> {
        let lossy = self.has(Fault::LosesABytePerPartialWrite);
        let line = self.stream(source)?;
        if line.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let taken = line.outward.write(bytes)?;
        if lossy && taken < bytes.len() {
            line.outward.bytes.pop_back();
        }
        Ok(taken)
    }

    fn write_vectored(&mut self, source: usize, parts: &[&[u8]]) -> Result<usize, Error> {
        let mut parts: Vec<_> = parts.to_vec();
        match self.fault {
            Some(Fault::WritesPartsBackwards) => parts.reverse(),
            Some(Fault::WritesOnlyTheFirstPart) => parts.truncate(1),
            _ => {}
        }
        let whole = parts.concat();
        let taken = self.write(source, &whole)?;
        Ok(if self.has(Fault::ClaimsWholeVectors) { whole.len() } else { taken })
    }

    fn check(&mut self, source: usize) -> Result<(), Error> {
        let fault = self.fault;
        let line = self.stream(source)?;
        if fault == Some(Fault::ChecksByReading) {
            line.inward.bytes.pop_front();
        }
        let gone = match fault {
            Some(Fault::ChecksNothing) => false,
            Some(Fault::ChecksHalfClosedAsGone) => line.reset || line.inward.ended,
            Some(Fault::ChecksFullAsGone) => line.reset || line.outward.bytes.len() == PIPE,
            _ => line.reset,
        };
        if gone { Err(ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    fn shutdown_write(&mut self, source: usize) -> Result<(), Error> {
        let both = self.has(Fault::ShutsDownBoth);
        let line = self.stream(source)?;
        line.outward.ended = true;
        line.inward.ended |= both;
        Ok(())
    }

    fn close(&mut self, source: usize, how: Close) -> Result<(), Error> {
        let (drops, in_order) = (self.has(Fault::DropsOnClose), self.has(Fault::AbortsInOrder));
        let line = self.line(source)?;
        line.near_closed = true;
        line.outward.ended = true;
        match how {
            Close::Graceful if drops => line.outward.bytes.clear(),
            Close::Graceful => {}
            Close::Abort => line.reset |= !in_order,
        }
        Ok(())
    }
}
