//! A network device that receives what the fuzzer likes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::phy::{self, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// The frames that are on their way in one direction.
pub type Frames = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// Maximum number of frames that wait for the far end; beyond, the device takes none.
const SENT_MAX: usize = 64;

/// The device. The stack computes no checksums, or a fuzzer would find little else than wrong ones.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    /// Frames to be received.
    pub received: Frames,
    /// Frames that were sent.
    pub sent: Frames,
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Received, Sent)> {
        let sent = self.transmit(Instant::ZERO)?;
        let frame = self.received.borrow_mut().pop_front()?;
        Some((Received(frame), sent))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent> {
        (self.sent.borrow().len() < SENT_MAX).then(|| Sent(self.sent.clone()))
    }
}

/// A frame that has come.
#[derive(Debug)]
pub struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Room for a frame.
#[derive(Debug)]
pub struct Sent(Frames);

impl phy::TxToken for Sent {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        self.0.borrow_mut().push_back(frame);
        result
    }
}
