//! A wire: what one end sends, the other receives.

use std::cell::RefCell;
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
}

impl Wire {
    /// Creates a wire, and returns its two ends.
    pub(crate) fn pair() -> (Self, Self) {
        let (there, back) = (Frames::default(), Frames::default());
        (
            Self { incoming: back.clone(), outgoing: there.clone() },
            Self { incoming: there, outgoing: back },
        )
    }

    /// Loses all that is under way to this end.
    #[allow(dead_code, reason = "not every test loses frames")]
    pub(crate) fn lose(&self) {
        self.incoming.borrow_mut().clear();
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
        capabilities.max_transmission_unit = 1514;
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Received, Sent)> {
        let frame = self.incoming.borrow_mut().pop_front()?;
        Some((Received(frame), Sent(self.outgoing.clone())))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent> {
        Some(Sent(self.outgoing.clone()))
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
