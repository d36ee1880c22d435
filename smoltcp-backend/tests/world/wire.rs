//! A wire: what one end sends, the other receives.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// The frames under way in one direction.
type Frames = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of a wire.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    incoming: Frames,
    outgoing: Frames,
    /// The number of frames that fit this direction of the wire.
    room: Rc<Cell<usize>>,
    /// The longest frame that this end sends.
    longest: usize,
}

impl Wire {
    /// Creates a wire, and returns its two ends.
    pub(crate) fn pair() -> (Self, Self) {
        let (there, back) = (Frames::default(), Frames::default());
        let room = || Rc::new(Cell::new(usize::MAX));
        (
            Self { incoming: back.clone(), outgoing: there.clone(), room: room(), longest: 1514 },
            Self { incoming: there, outgoing: back, room: room(), longest: 1514 },
        )
    }

    /// Loses all that is under way to this end.
    #[allow(dead_code, reason = "not every test loses frames")]
    pub(crate) fn lose(&self) {
        self.incoming.borrow_mut().clear();
    }

    /// Makes this end's queue one of so many frames: with as many under way it is full.
    #[allow(dead_code, reason = "not every test has a full queue")]
    pub(crate) fn set_room(&self, frames: usize) {
        self.room.set(frames);
    }

    /// Makes this the longest frame of this end.
    #[allow(dead_code, reason = "not every test has short frames")]
    pub(crate) fn with_longest(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// Sends a frame that no host has made.
    #[allow(dead_code, reason = "not every test has such frames")]
    pub(crate) fn inject(&self, frame: Vec<u8>) {
        self.outgoing.borrow_mut().push_back(frame);
    }

    fn is_full(&self) -> bool {
        self.outgoing.borrow().len() >= self.room.get()
    }

    /// Returns the number of frames under way to this end.
    #[allow(dead_code, reason = "not every test counts frames")]
    pub(crate) fn waiting(&self) -> usize {
        self.incoming.borrow().len()
    }
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.longest;
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Received, Sent)> {
        // As of a driver: a frame is received together with room for its answer.
        if self.is_full() {
            return None;
        }
        let frame = self.incoming.borrow_mut().pop_front()?;
        Some((Received(frame), Sent(self.outgoing.clone())))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent> {
        (!self.is_full()).then(|| Sent(self.outgoing.clone()))
    }
}

/// A frame that was received.
pub(crate) struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Room for a frame.
pub(crate) struct Sent(Frames);

impl phy::TxToken for Sent {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        self.0.borrow_mut().push_back(frame);
        result
    }
}
