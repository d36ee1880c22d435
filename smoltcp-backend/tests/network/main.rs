//! The network by itself, as selector and as transport, against a plain smoltcp host over a wire in
//! memory.

mod closing;
mod device;
mod hangup;
mod hostile;
mod leases;
mod link;
mod messages;
mod stale_handles;
mod vanished;
#[path = "../world/mod.rs"]
mod world;
mod writing;
