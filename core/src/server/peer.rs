//! The peer that a service's call is about, and everything that a service can ask for.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::counters::Counters;
use super::ops::{Ending, PeerOps, SendError};
use super::origin::Origin;
use crate::contract::{Error, Instant, Token};

/// The peer that a service's call is about: one connection, and all that a service can ask for.
///
/// ```
/// use core::time::Duration;
/// use selkie_core::{Peer, Service};
///
/// /// Answers each line, and closes a connection that has sent none for a minute.
/// struct Lines;
///
/// impl Service for Lines {
///     type Session = ();
///
///     fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
///         peer.set_timer(Duration::from_secs(60));
///     }
///
///     fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
///         let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return 0 };
///         // Without room for the answer the line stays unread, and is offered again.
///         match peer.send(b"read\n") {
///             Ok(()) => end + 1,
///             Err(_) => 0,
///         }
///     }
///
///     fn timer_expired(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
///         peer.close();
///     }
/// }
/// ```
///
/// * To answer: [`send`](Self::send), all or nothing, or [`send_some`](Self::send_some), as much as
///   fits. A reply that is longer than the room goes on by
///   [`request_writable`](Self::request_writable).
/// * To be called later: [`set_timer`](Self::set_timer), [`cancel_timer`](Self::cancel_timer).
/// * To slow the peer down: take nothing, or [`pause_reading`](Self::pause_reading).
/// * To end: [`close`](Self::close), [`close_when_finished`](Self::close_when_finished),
///   [`shutdown_write`](Self::shutdown_write), [`abort`](Self::abort).
/// * To know the peer: [`remote_address`](Self::remote_address), [`listener`](Self::listener),
///   [`opened_by`](Self::opened_by).
/// * To open a connection to another address: [`connect`](Self::connect).
/// * To act on another peer: keep its [`token`](Self::token), and call
///   [`send_to`](Self::send_to), [`close_other`](Self::close_other) and the like.
///
/// Nothing is called back from within a call: a service is never entered twice.
pub struct Peer<'p> {
    token: Token,
    ops: &'p mut dyn PeerOps,
}

impl<'p> Peer<'p> {
    /// Returns the peer of a connection, which does everything through `ops`.
    #[inline]
    pub fn new(token: Token, ops: &'p mut dyn PeerOps) -> Self {
        Self { token, ops }
    }

    /// Returns the name of this connection; it never names another.
    #[inline]
    #[must_use]
    pub const fn token(&self) -> Token {
        self.token
    }

    /// Returns the operations, for a layer that wraps a service: on any connection, by its token.
    #[inline]
    #[must_use]
    pub const fn ops(&mut self) -> &mut (dyn PeerOps + 'p) {
        self.ops
    }

    /// Sends `bytes` to the peer: all of them, or none.
    ///
    /// The first call in a callback goes to the platform at once; what it does not take, and what
    /// later calls send, waits in the output buffer until the callback returns. So many small sends
    /// cost two system calls. Pieces of 4 KiB and more are not worth a copy: they go at once, if
    /// nothing waits.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if they are more than [`room`](Self::room), [`SendError::TooLong`] if
    /// they are more than there can ever be room for, [`SendError::Closed`] once the connection is
    /// closed or closing.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.ops.send(self.token, bytes)
    }

    /// Sends as many of `bytes`, from the first one on, as there is room for, and returns that
    /// number: 0 also once the connection is closed or closing. An echo is
    /// `peer.send_some(bytes)`. More bytes than a buffer takes are handed to the platform whole, if
    /// nothing waits, so a long reply costs few calls and no copy.
    #[inline]
    pub fn send_some(&mut self, bytes: &[u8]) -> usize {
        self.ops.send_some(self.token, bytes)
    }

    /// Sends the bytes of all `parts`, in order: all of them, or none. Without pending output this
    /// is one system call, where the platform has vectored writes.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), for the parts together.
    pub fn send_parts(&mut self, parts: &[&[u8]]) -> Result<(), SendError> {
        self.ops.send_parts(self.token, parts)
    }

    /// Sends `bytes` to another peer: all of them, or none, so that one stalled client never stops
    /// the others.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). Where buffers are few, one is left for this peer's own bytes, so
    /// the other's output buffer may be full although it is empty.
    pub fn send_to(&mut self, other: Token, bytes: &[u8]) -> Result<(), SendError> {
        self.ops.send(other, bytes)
    }

    /// Sends as many of `bytes` to another peer as there is room for, and returns that number.
    pub fn send_some_to(&mut self, other: Token, bytes: &[u8]) -> usize {
        self.ops.send_some(other, bytes)
    }

    /// Returns the number of bytes that [`send`](Self::send) takes now.
    #[must_use]
    pub fn room(&mut self) -> usize {
        self.ops.room(self.token)
    }

    /// Returns the number of bytes that [`send_to`](Self::send_to) takes now.
    #[must_use]
    pub fn room_of(&mut self, other: Token) -> usize {
        self.ops.room(other)
    }

    /// Returns the most bytes that are kept between two calls of
    /// [`Service::received`](super::Service::received).
    #[must_use]
    pub fn received_max(&self) -> usize {
        self.ops.received_max()
    }

    /// Returns the time of this turn.
    #[must_use]
    pub fn now(&mut self) -> Instant {
        self.ops.now()
    }

    /// Asks for [`Service::timer_expired`](super::Service::timer_expired) after `delay`, in place
    /// of any earlier request.
    #[inline]
    pub fn set_timer(&mut self, delay: Duration) {
        let deadline = self.ops.now() + delay;
        self.ops.set_timer(self.token, Some(deadline));
    }

    /// Takes back the request of [`set_timer`](Self::set_timer).
    pub fn cancel_timer(&mut self) {
        self.ops.set_timer(self.token, None);
    }

    /// Asks for one call of [`Service::writable`](super::Service::writable) when the peer takes
    /// bytes, also if the output buffer is empty. A long reply is sent so: a piece per call, and
    /// the request renewed while there is more.
    pub fn request_writable(&mut self) {
        self.ops.request_writable(self.token);
    }

    /// Asks for one call of [`Service::writable`](super::Service::writable) for another peer.
    pub fn request_writable_of(&mut self, other: Token) {
        self.ops.request_writable(other);
    }

    /// Stops reading until [`resume_reading`](Self::resume_reading), and offering what was read,
    /// with no limit in time: neither the input timeout nor the idle timeout runs meanwhile. A
    /// peer that is gone is still noticed, unless both streams have ended in order and bytes of
    /// the peer are unread: these are kept until the service reads on.
    pub fn pause_reading(&mut self) {
        self.ops.set_reading(self.token, false);
    }

    /// Reads again, and offers unread input again.
    pub fn resume_reading(&mut self) {
        self.ops.set_reading(self.token, true);
    }

    /// [Pauses reading](Self::pause_reading) from another peer.
    pub fn pause_reading_of(&mut self, other: Token) {
        self.ops.set_reading(other, false);
    }

    /// [Resumes reading](Self::resume_reading) from another peer: what was left of its input is
    /// offered again.
    pub fn resume_reading_of(&mut self, other: Token) {
        self.ops.set_reading(other, true);
    }

    /// Ends the stream to the peer after what was sent; receiving goes on.
    pub fn shutdown_write(&mut self) {
        self.ops.shutdown_write(self.token);
    }

    /// Ends the stream to another peer after what was sent to it.
    pub fn shutdown_write_of(&mut self, other: Token) {
        self.ops.shutdown_write(other);
    }

    /// Closes the connection after what was sent.
    pub fn close(&mut self) {
        self.ops.close(self.token, Ending::Flushed);
    }

    /// Closes the connection when the reply in progress is [finished](Ending::Finished).
    pub fn close_when_finished(&mut self) {
        self.ops.close(self.token, Ending::Finished);
    }

    /// Closes another connection after what was sent to it.
    pub fn close_other(&mut self, other: Token) {
        self.ops.close(other, Ending::Flushed);
    }

    /// Closes the connection at once; pending output is thrown away, and the peer sees a reset.
    pub fn abort(&mut self) {
        self.ops.close(self.token, Ending::Aborted);
    }

    /// Closes another connection at once; its pending output is thrown away.
    pub fn abort_other(&mut self, other: Token) {
        self.ops.close(other, Ending::Aborted);
    }
}

impl Peer<'_> {
    /// Returns the counters of the server, for a service that shows them.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        self.ops.counters()
    }

    /// Returns the address of this peer: in [`Service::opened`](super::Service::opened) as
    /// accepting told it, later as far as the platform still knows it. `None` for a peer without
    /// an Internet address, and where the platform cannot tell.
    #[must_use]
    pub fn remote_address(&mut self) -> Option<SocketAddr> {
        self.ops.remote_address(self.token)
    }

    /// Returns the listener that accepted this connection: what
    /// [`Server::listen`](crate::Server::listen) returned. `None` if none did.
    #[must_use]
    pub fn listener(&self) -> Option<Token> {
        match self.origin() {
            Origin::Accepted(listener) => Some(listener),
            _ => None,
        }
    }

    /// Returns the peer whose callback asked for this connection, by [`connect`](Self::connect).
    /// `None` for any other connection. It may be gone by now.
    #[must_use]
    pub fn opened_by(&self) -> Option<Token> {
        match self.origin() {
            Origin::Connected { by } => by,
            _ => None,
        }
    }

    /// Returns how this connection began.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.ops.origin(self.token)
    }

    /// Returns another peer, for everything that there is no call of its own for. If the token
    /// names no open connection, that peer takes no bytes, and all else has no effect.
    #[must_use]
    pub fn other(&mut self, token: Token) -> Peer<'_> {
        Peer::new(token, &mut *self.ops)
    }

    /// Connects to an address, and returns the token of the new connection at once. It has a
    /// session of its own. Once it is established, its [`opened`](super::Service::opened) is
    /// called; if it fails, [`closed`](super::Service::closed) is called without `opened`, with
    /// [`Refused`](crate::CloseReason::Refused), [`TimedOut`](crate::CloseReason::TimedOut) and the
    /// like. [`opened_by`](Self::opened_by) names this peer in both. Before, nothing can be sent to
    /// it, and [`close_other`](Self::close_other) gives the attempt up.
    ///
    /// Only in a service that says so by [`CONNECTS`](super::Service::CONNECTS).
    ///
    /// # Errors
    ///
    /// If the attempt cannot begin; no callback follows then. [`Full`](crate::ErrorKind::Full) if
    /// there is no slot, or the server has drained and this is its last callback.
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the platform cannot connect or the
    /// service has not said that it does, and as
    /// [`Transport::connect`](crate::platform::Transport::connect).
    pub fn connect(&mut self, address: SocketAddr) -> Result<Token, Error> {
        self.ops.connect(Some(self.token), address)
    }
}

impl fmt::Debug for Peer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Peer").field("token", &self.token).finish_non_exhaustive()
    }
}

/// All peers of a server, for what concerns no one of them: a clock tick, a message from another
/// thread, a command on a console. [`Service::tick`](super::Service::tick) and
/// [`Server::with_all`](crate::Server::with_all) lend it.
pub struct Peers<'p> {
    ops: &'p mut dyn PeerOps,
}

impl<'p> Peers<'p> {
    /// Returns all peers that `ops` knows.
    #[inline]
    pub fn new(ops: &'p mut dyn PeerOps) -> Self {
        Self { ops }
    }

    /// Returns the operations, for a layer that wraps a service.
    #[must_use]
    pub const fn ops(&mut self) -> &mut (dyn PeerOps + 'p) {
        self.ops
    }

    /// Returns the peer of a token. If that names no open connection, the peer takes no bytes, and
    /// everything else has no effect.
    #[must_use]
    pub fn peer(&mut self, token: Token) -> Peer<'_> {
        Peer::new(token, &mut *self.ops)
    }

    /// Sends `bytes` to a peer: all of them, or none.
    ///
    /// # Errors
    ///
    /// As [`Peer::send`].
    pub fn send_to(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        self.ops.send(token, bytes)
    }

    /// Returns the time of this turn.
    #[must_use]
    pub fn now(&mut self) -> Instant {
        self.ops.now()
    }

    /// Connects to an address, as [`Peer::connect`] does, on behalf of no peer.
    ///
    /// # Errors
    ///
    /// As [`Peer::connect`].
    pub fn connect(&mut self, address: SocketAddr) -> Result<Token, Error> {
        self.ops.connect(None, address)
    }
}

impl fmt::Debug for Peers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Peers").finish_non_exhaustive()
    }
}
