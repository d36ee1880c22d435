//! The operations of a layer, each passed on unless the layer changes it.

use core::net::SocketAddr;

use crate::contract::{Error, Instant, Token};
use crate::server::{Counters, Ending, Origin, PeerOps, SendError};

/// The [operations](PeerOps) behind the peer of a service that is wrapped. A layer implements those
/// that it changes, which are most often the ways to send; the others come from below.
///
/// What is a layer is [`PeerOps`] too.
pub trait Layer {
    /// Returns the operations of the peer below, to look at.
    fn below(&self) -> &dyn PeerOps;

    /// Returns the operations of the peer below.
    fn below_mut(&mut self) -> &mut dyn PeerOps;

    /// Sends all of `bytes`, or none, as [`PeerOps::send`].
    ///
    /// # Errors
    ///
    /// As [`Peer::send`](crate::Peer::send).
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError>;

    /// Sends as many of `bytes` as there is room for, as [`PeerOps::send_some`].
    fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize;

    /// Sends all of the parts, or none. The default sends one after another.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_parts`](crate::Peer::send_parts).
    fn send_parts(&mut self, token: Token, parts: &[&[u8]]) -> Result<(), SendError> {
        if parts.iter().map(|part| part.len()).sum::<usize>() > Layer::room(self, token) {
            return Err(SendError::Full);
        }
        parts.iter().try_for_each(|part| Layer::send(self, token, part))
    }

    /// Returns the room below.
    fn room(&mut self, token: Token) -> usize {
        self.below_mut().room(token)
    }

    /// Returns the most bytes that are offered below.
    fn received_max(&self) -> usize {
        self.below().received_max()
    }

    /// Resumes or pauses reading below.
    fn set_reading(&mut self, token: Token, reads: bool) {
        self.below_mut().set_reading(token, reads);
    }

    /// Ends the stream below.
    fn shutdown_write(&mut self, token: Token) {
        self.below_mut().shutdown_write(token);
    }

    /// Closes the connection below.
    fn close(&mut self, token: Token, ending: Ending) {
        self.below_mut().close(token, ending);
    }
}

impl<L: Layer> PeerOps for L {
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        Layer::send(self, token, bytes)
    }

    fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize {
        Layer::send_some(self, token, bytes)
    }

    fn send_parts(&mut self, token: Token, parts: &[&[u8]]) -> Result<(), SendError> {
        Layer::send_parts(self, token, parts)
    }

    fn room(&mut self, token: Token) -> usize {
        Layer::room(self, token)
    }

    fn received_max(&self) -> usize {
        Layer::received_max(self)
    }

    fn now(&mut self) -> Instant {
        self.below_mut().now()
    }

    fn set_timer(&mut self, token: Token, deadline: Option<Instant>) {
        self.below_mut().set_timer(token, deadline);
    }

    fn request_writable(&mut self, token: Token) {
        self.below_mut().request_writable(token);
    }

    fn set_reading(&mut self, token: Token, reads: bool) {
        Layer::set_reading(self, token, reads);
    }

    fn shutdown_write(&mut self, token: Token) {
        Layer::shutdown_write(self, token);
    }

    fn close(&mut self, token: Token, ending: Ending) {
        Layer::close(self, token, ending);
    }

    fn origin(&self, token: Token) -> Origin {
        self.below().origin(token)
    }

    fn counters(&self) -> &Counters {
        self.below().counters()
    }

    fn remote_address(&mut self, token: Token) -> Option<SocketAddr> {
        self.below_mut().remote_address(token)
    }

    fn connect(&mut self, by: Option<Token>, address: SocketAddr) -> Result<Token, Error> {
        self.below_mut().connect(by, address)
    }
}
