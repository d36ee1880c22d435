//! The front door in one call.

use std::net::SocketAddr;

use selkie_core::Service;

use super::builder::Builder;
use super::error::ServeError;

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
