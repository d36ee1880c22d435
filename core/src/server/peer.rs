//! The peer that a service's call is about, and everything that a service can ask for.

use core::fmt;
use core::time::Duration;

use crate::contract::{Instant, Token};

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
    /// later calls send, waits in the outbox until the callback returns. So many small sends cost
    /// two system calls.
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
    /// `peer.send_some(bytes)`.
    #[inline]
    pub fn send_some(&mut self, bytes: &[u8]) -> usize {
        self.ops.send_some(self.token, bytes)
    }

    /// Sends `bytes` to another peer: all of them, or none, so that one stalled client never stops
    /// the others.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). Where buffers are few, one is left for this peer's own bytes, so
    /// the other's outbox may be full although it is empty.
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
    /// bytes, also if the outbox is empty. A long reply is sent so: a piece per call, and the
    /// request renewed while there is more.
    pub fn request_writable(&mut self) {
        self.ops.request_writable(self.token);
    }

    /// Asks for one call of [`Service::writable`](super::Service::writable) for another peer.
    pub fn request_writable_of(&mut self, other: Token) {
        self.ops.request_writable(other);
    }

    /// Stops reading until [`resume_reading`](Self::resume_reading), and offering what was read,
    /// with no limit in time: neither the input timeout nor the idle timeout runs meanwhile. A
    /// peer that is gone is still noticed.
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

    /// [Resumes reading](Self::resume_reading) from another peer: it is offered again what it left.
    pub fn resume(&mut self, other: Token) {
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

impl fmt::Debug for Peer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Peer").field("token", &self.token).finish_non_exhaustive()
    }
}

/// The way in which a service ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Ending {
    /// When the reply in progress is finished: no output is pending,
    /// [`Service::writable`](super::Service::writable) is not requested, and the service takes
    /// nothing more of its unread input. Nothing more is read.
    Finished,
    /// When the pending output is flushed.
    Flushed,
    /// At once, by a reset.
    Aborted,
}

/// The reason why bytes were not sent. None of them were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SendError {
    /// The outbox has no room for all of them: wait for
    /// [`Service::writable`](super::Service::writable), drop them, or close.
    Full,
    /// The outbox never has room for all of them: send them in pieces, by
    /// [`send_some`](crate::Peer::send_some).
    TooLong,
    /// The connection is closed, closing, or was never open.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "the outbox has no room for all of the bytes",
            Self::TooLong => "the bytes are more than the outbox can ever take",
            Self::Closed => "the connection is closed",
        })
    }
}

impl core::error::Error for SendError {}

/// The operations behind a [`Peer`], each on the connection of a token. The server implements
/// them; so does a layer that wraps a service (TLS, framing), and a test that records what a
/// service does:
///
/// ```
/// use selkie_core::{Ending, Instant, Peer, PeerOps, SendError, Service, Token};
///
/// /// Records what is sent, and ignores everything else.
/// #[derive(Default)]
/// struct Recorder(Vec<u8>);
///
/// impl PeerOps for Recorder {
///     fn send(&mut self, _: Token, bytes: &[u8]) -> Result<(), SendError> {
///         self.0.extend(bytes);
///         Ok(())
///     }
///     fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize {
///         self.send(token, bytes).map_or(0, |()| bytes.len())
///     }
///     fn room(&mut self, _: Token) -> usize { 1024 }
///     fn received_max(&self) -> usize { 1024 }
///     fn now(&mut self) -> Instant { Instant::ZERO }
///     fn set_timer(&mut self, _: Token, _: Option<Instant>) {}
///     fn request_writable(&mut self, _: Token) {}
///     fn set_reading(&mut self, _: Token, _: bool) {}
///     fn shutdown_write(&mut self, _: Token) {}
///     fn close(&mut self, _: Token, _: Ending) {}
/// }
///
/// struct Greeter;
///
/// impl Service for Greeter {
///     type Session = ();
///     fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
///         let _ = peer.send(b"hello");
///     }
///     fn received(&mut self, _: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
///         bytes.len()
///     }
/// }
///
/// let mut recorder = Recorder::default();
/// Greeter.opened(&mut Peer::new(Token::new(0, 1), &mut recorder), &mut ());
/// assert_eq!(recorder.0, b"hello");
/// ```
///
/// A token that names no open connection changes nothing in any of them.
pub trait PeerOps {
    /// Sends all of `bytes`, or none.
    ///
    /// # Errors
    ///
    /// As [`Peer::send`].
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError>;
    /// Sends as many of `bytes` as there is room for, and returns that number.
    fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize;
    /// Returns the number of bytes that [`send`](Self::send) takes now.
    fn room(&mut self, token: Token) -> usize;
    /// Returns the most bytes that a service is offered at once.
    fn received_max(&self) -> usize;
    /// Returns the time of this turn.
    fn now(&mut self) -> Instant;
    /// Sets the service's deadline of a connection, or forgets it.
    fn set_timer(&mut self, token: Token, deadline: Option<Instant>);
    /// Asks for one call of [`Service::writable`](super::Service::writable).
    fn request_writable(&mut self, token: Token);
    /// Resumes reading and offers unread input again, or pauses reading.
    fn set_reading(&mut self, token: Token, reads: bool);
    /// Ends the stream to the peer after what was sent.
    fn shutdown_write(&mut self, token: Token);
    /// Closes a connection.
    fn close(&mut self, token: Token, ending: Ending);
}
