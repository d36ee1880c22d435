//! What users write: a service, and what it is given of its peer.

use core::fmt;
use core::time::Duration;

use super::CloseReason;
use crate::contract::{Instant, Token};

/// What a server does with bytes, without ever seeing a socket: memory in, memory out.
///
/// ```
/// use selkie_core::{Peer, Service};
///
/// /// Sends back whatever it receives.
/// struct Echo;
///
/// impl Service for Echo {
///     type Session = ();
///
///     fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
///         peer.send(bytes).map_or(0, |()| bytes.len())
///     }
/// }
/// ```
///
/// The same service runs on every platform, and on a simulated one. Each call gets the peer that it
/// is about, and that peer's session; everything that all peers share lives in the service itself.
pub trait Service {
    /// What the service keeps for each connection.
    type Session: Default;

    /// A connection was opened.
    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let _ = (peer, session);
    }

    /// Bytes have come. Gives how many of them, from the first one on, the service is done with.
    ///
    /// The rest is held and offered again, in front of what comes next: when more has come, when
    /// the outbox has drained, after [`timer_expired`](Self::timer_expired), and after
    /// [`Peer::resume`]. So a service for lines takes whole lines, and leaves the last piece.
    /// No more than [`Peer::received_max`] bytes are ever held; a service that cannot use that
    /// many without more should close the connection.
    ///
    /// A service is offered no more bytes than its own outbox has room for, so that one that
    /// answers with as many as it takes never finds the outbox full.
    fn received(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, bytes: &[u8])
    -> usize;

    /// The outbox has drained, or the peer takes bytes and [`Peer::request_writable`] asked for it:
    /// go on with a reply that did not fit.
    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let _ = (peer, session);
    }

    /// The peer ended its stream; it still reads. Sends what is owed and closes, unless the service
    /// does otherwise.
    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let _ = session;
        peer.close();
    }

    /// The deadline of [`Peer::set_timer`] has passed.
    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let _ = (peer, session);
    }

    /// The connection is gone: nothing reaches this peer any more. Others can still be sent to.
    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, reason: CloseReason) {
        let _ = (peer, session, reason);
    }
}

/// Why bytes were not sent. None of them were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SendError {
    /// The outbox has no room for all of them: wait for [`Service::writable`], drop them, or close.
    Full,
    /// The connection is closed, closing, or was never open.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "the outbox has no room for all of the bytes",
            Self::Closed => "the connection is closed",
        })
    }
}

impl core::error::Error for SendError {}

/// What the server does for a service, whatever the platform.
pub(super) trait Outlet {
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError>;
    fn room(&mut self, token: Token) -> usize;
    fn received_max(&self) -> usize;
    fn now(&mut self) -> Instant;
    fn set_timer(&mut self, token: Token, deadline: Option<Instant>);
    fn request_writable(&mut self, token: Token);
    fn resume(&mut self, token: Token);
    fn shutdown_write(&mut self, token: Token);
    fn close(&mut self, token: Token);
    fn abort(&mut self, token: Token);
}

/// The peer that a service's call is about, and the way to everything that a service can do.
pub struct Peer<'p> {
    token: Token,
    outlet: &'p mut dyn Outlet,
}

impl<'p> Peer<'p> {
    #[inline]
    pub(super) fn new(token: Token, outlet: &'p mut dyn Outlet) -> Self {
        Self { token, outlet }
    }

    /// The name of this connection; it never names another.
    #[inline]
    #[must_use]
    pub const fn token(&self) -> Token {
        self.token
    }

    /// Sends `bytes` to the peer: all of them, or none.
    ///
    /// They go to the platform at once, as far as it takes them; the rest waits in the outbox. Each
    /// call is one write, so what belongs together is best gathered into one.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if they are more than [`room`](Self::room), [`SendError::Closed`] once
    /// the connection is closed or closing.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.outlet.send(self.token, bytes)
    }

    /// Sends `bytes` to another peer: all of them, or none, so that one stalled client never stops
    /// the others.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). Where blocks are few, two are left for this peer's own bytes, so
    /// the other's outbox may be full although nothing is owed to it.
    pub fn send_to(&mut self, other: Token, bytes: &[u8]) -> Result<(), SendError> {
        self.outlet.send(other, bytes)
    }

    /// How many bytes [`send`](Self::send) takes now.
    #[must_use]
    pub fn room(&mut self) -> usize {
        self.outlet.room(self.token)
    }

    /// How many bytes are held at most between two calls of [`Service::received`].
    #[must_use]
    pub fn received_max(&self) -> usize {
        self.outlet.received_max()
    }

    /// Returns the time, read from the platform's clock where the loop owns one.
    #[must_use]
    pub fn now(&mut self) -> Instant {
        self.outlet.now()
    }

    /// Asks for [`Service::timer_expired`] after `delay`, in place of any earlier request.
    pub fn set_timer(&mut self, delay: Duration) {
        let deadline = self.now() + delay;
        self.outlet.set_timer(self.token, Some(deadline));
    }

    /// Takes back the request of [`set_timer`](Self::set_timer).
    pub fn cancel_timer(&mut self) {
        self.outlet.set_timer(self.token, None);
    }

    /// Asks for one call of [`Service::writable`] when the peer takes bytes, also if the outbox is
    /// empty. A long reply is sent so: a piece per call, and the request renewed while there is
    /// more.
    pub fn request_writable(&mut self) {
        self.outlet.request_writable(self.token);
    }

    /// Asks for the bytes that another peer's service call left to be offered again: what they
    /// waited for has come.
    pub fn resume(&mut self, other: Token) {
        self.outlet.resume(other);
    }

    /// Ends the stream to the peer after what is owed; receiving goes on.
    pub fn shutdown_write(&mut self) {
        self.outlet.shutdown_write(self.token);
    }

    /// Closes the connection after what is owed.
    pub fn close(&mut self) {
        self.outlet.close(self.token);
    }

    /// Closes another connection after what is owed to it.
    pub fn close_other(&mut self, other: Token) {
        self.outlet.close(other);
    }

    /// Closes the connection at once; what is owed is thrown away, and the peer sees a reset.
    pub fn abort(&mut self) {
        self.outlet.abort(self.token);
    }

    /// Closes another connection at once; what is owed to it is thrown away.
    pub fn abort_other(&mut self, other: Token) {
        self.outlet.abort(other);
    }
}

impl fmt::Debug for Peer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Peer").field("token", &self.token).finish_non_exhaustive()
    }
}
