//! A chip that moves frames, as a device of smoltcp: with room for one frame in each direction, as
//! long as the longest that a socket's window asks for. The interface announces that to its peers
//! by its MTU, and a longer frame is dropped.

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use static_cell::ConstStaticCell;

use crate::settings::FRAME_MAX;

/// The bytes that a chip has around a frame, at most: a length in front, a checksum behind.
const AROUND: usize = 2 + 4;

/// Memory for one frame, in whole words.
pub type Frame = [u8; (FRAME_MAX + AROUND).next_multiple_of(4)];

/// Memory for one frame in each direction. Beside the driver, not in it, so that it is never moved
/// through the stack.
static FRAMES: ConstStaticCell<[Frame; 2]> = ConstStaticCell::new([[0; size_of::<Frame>()]; 2]);

/// A chip that moves frames.
pub trait FramePort {
    /// The bytes that it has in front of a frame, at most 2.
    const PREFIX: usize;

    /// Acknowledges the interrupt, and then returns whether a frame waits.
    fn is_ready(&self) -> bool;

    /// Takes the next frame that fits, behind the prefix, and returns its length.
    fn take(&mut self, frame: &mut Frame) -> Option<usize>;

    /// Returns whether there is room for a frame.
    fn has_room(&self) -> bool;

    /// Sends the frame of this length that lies behind the prefix.
    fn send(&self, frame: &mut Frame, length: usize);
}

/// The device over a chip.
#[derive(Debug)]
pub struct Ethernet<P> {
    port: P,
    received: &'static mut Frame,
    sent: &'static mut Frame,
}

impl<P: FramePort> Ethernet<P> {
    /// Makes the device; once.
    ///
    /// # Panics
    ///
    /// The second time: there is memory for one.
    #[must_use]
    pub fn new(port: P) -> Self {
        let [received, sent] = FRAMES.take();
        Self { port, received, sent }
    }

    /// Acknowledges the interrupt, and then returns whether a frame waits.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.port.is_ready()
    }
}

impl<P: FramePort> Device for Ethernet<P> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Sent<'a, P>
    where
        Self: 'a;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sent<'_, P>)> {
        let Self { port, received, sent } = self;
        let length = port.take(received)?;
        let frame = &mut received[P::PREFIX..P::PREFIX + length];
        Some((Received(frame), Sent { port, frame: sent }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_, P>> {
        self.port.has_room().then_some(Sent { port: &self.port, frame: self.sent })
    }
}

/// A received frame, in the driver's memory.
#[derive(Debug)]
pub struct Received<'a>(pub &'a mut [u8]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for a frame.
#[derive(Debug)]
pub struct Sent<'a, P> {
    port: &'a P,
    frame: &'a mut Frame,
}

impl<P: FramePort> phy::TxToken for Sent<'_, P> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        // The answer to a frame may find the frame before it still in the chip, for some
        // microseconds.
        while !self.port.has_room() {}
        let result = fill(&mut self.frame[P::PREFIX..P::PREFIX + length]);
        self.port.send(self.frame, length);
        result
    }
}
