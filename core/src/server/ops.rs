//! The operations behind a peer, which a layer implements too, and the values that they take.

use core::fmt;
use core::net::SocketAddr;

use super::counters::Counters;
use super::origin::Origin;
use crate::contract::{Error, ErrorKind, Instant, Token};

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
    /// The output buffer has no room for all of them: wait for
    /// [`Service::writable`](super::Service::writable), drop them, or close.
    Full,
    /// The output buffer never has room for all of them: send them in pieces, by
    /// [`send_some`](crate::Peer::send_some).
    TooLong,
    /// The connection is closed, closing, or was never open.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "the output buffer has no room for all of the bytes",
            Self::TooLong => "the bytes are more than the output buffer can ever take",
            Self::Closed => "the connection is closed",
        })
    }
}

impl core::error::Error for SendError {}

/// The operations behind a [`Peer`](super::Peer), each on the connection of a token. The server
/// implements them; so does a layer that wraps a service (TLS, framing), and a test that records
/// what a service does:
///
/// ```
/// use selkie_core::layers::{Ending, PeerOps};
/// use selkie_core::{Instant, Peer, SendError, Service, Token};
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
    /// As [`Peer::send`](super::Peer::send).
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

    /// Sends the bytes of all `parts`, in order: all of them, or none.
    ///
    /// The default sends one part after another, once there is room for all.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_parts`](super::Peer::send_parts).
    fn send_parts(&mut self, token: Token, parts: &[&[u8]]) -> Result<(), SendError> {
        // Before the first: a part that is sent cannot be taken back.
        if parts.iter().map(|part| part.len()).sum::<usize>() > self.room(token) {
            return Err(SendError::Full);
        }
        parts.iter().try_for_each(|part| self.send(token, part))
    }

    /// Returns how a connection began. The default knows nothing of it.
    fn origin(&self, token: Token) -> Origin {
        let _ = token;
        Origin::Adopted
    }

    /// Returns the counters of the server. The default has counted nothing.
    fn counters(&self) -> &Counters {
        const { &Counters::NONE }
    }

    /// Returns the address of the peer. The default knows none.
    fn remote_address(&mut self, token: Token) -> Option<SocketAddr> {
        let _ = token;
        None
    }

    /// Connects to an address for the connection `by`. The default cannot.
    ///
    /// # Errors
    ///
    /// As [`Peer::connect`](super::Peer::connect).
    fn connect(&mut self, by: Option<Token>, address: SocketAddr) -> Result<Token, Error> {
        let _ = (by, address);
        Err(ErrorKind::Unsupported.into())
    }
}
