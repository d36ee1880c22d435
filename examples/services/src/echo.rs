//! The smallest useful service.

use selkie_core::{Peer, Service};

/// Sends back all bytes that it receives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Service for Echo {
    type Session = ();

    #[inline]
    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
        peer.send_some(bytes)
    }
}

/// [`Echo`] for a program that ends with its host: nothing drains its server.
#[derive(Clone, Copy, Debug, Default)]
pub struct UndrainedEcho;

impl Service for UndrainedEcho {
    type Session = ();

    const DRAINS: bool = false;

    #[inline]
    fn received(&mut self, peer: &mut Peer<'_>, session: &mut (), bytes: &[u8]) -> usize {
        Echo.received(peer, session, bytes)
    }
}
