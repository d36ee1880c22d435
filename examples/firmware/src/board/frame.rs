//! What the boards' network devices share towards smoltcp.

use smoltcp::phy::{self, DeviceCapabilities, Medium};

use crate::settings::FRAME_MAX;

/// A received frame, in the driver's memory.
#[derive(Debug)]
pub struct Received<'a>(pub &'a mut [u8]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Returns the capabilities of a device with room for one frame in each direction.
#[must_use]
pub fn capabilities() -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = FRAME_MAX;
    capabilities
}
