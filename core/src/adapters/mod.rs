//! Adapters between platforms: two as one, embedded-io devices as a platform, a stream as an
//! embedded-io device, and a selector without streams as a platform.

mod device_poller;
mod pair;
mod selector_only;
mod stream_adapter;

pub use device_poller::{Device, DevicePoller};
pub use pair::{Either, Pair};
pub use selector_only::SelectorOnly;
pub use stream_adapter::StreamAdapter;
