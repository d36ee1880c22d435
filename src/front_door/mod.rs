//! The front door: one owner of platform, loop, server and memory, for programs that only serve.

mod builder;
mod error;
mod handle;
mod listening;
#[cfg_attr(any(unix, windows), path = "open/native.rs")]
#[cfg_attr(all(target_os = "wasi", target_env = "p1"), path = "open/p1.rs")]
#[cfg_attr(all(target_os = "wasi", target_env = "p2"), path = "open/p2.rs")]
mod open;
mod postbox;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(unix)]
mod shards;

pub use builder::Builder;
pub use error::ServeError;
pub use handle::Handle;
pub use listening::{Finished, Listening, Ready};
#[cfg(target_os = "wasi")]
pub use open::{Backend, UnknownBackend};
pub use postbox::Postbox;
#[cfg(target_os = "linux")]
pub use ring::ListeningRing;
#[cfg(unix)]
pub use shards::{FinishedShards, ListeningShards, Mail, ShardFailure, Shards, ShardsHandle};

use std::net::SocketAddr;

use selkie_core::Service;

/// Serves `service` at `address` with the defaults of [`Builder`], until an error ends it.
///
/// On WASI 0.1, where a guest cannot listen by itself, it serves the listener that the host has
/// opened, and ignores the address.
///
/// ```no_run
/// use selkie::{Peer, Service};
///
/// /// Sends back what it receives.
/// struct Echo;
///
/// impl Service for Echo {
///     type Session = ();
///
///     fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
///         peer.send(bytes).map_or(0, |()| bytes.len())
///     }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     selkie::serve("127.0.0.1:7000".parse()?, Echo)?;
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// [`ServeError`]: the address, the platform or the memory that could not be had, or a wait that
/// failed.
pub fn serve<S: Service>(address: SocketAddr, service: S) -> Result<(), ServeError> {
    Builder::new().listen(address)?.run(service)?;
    Ok(())
}
