//! A hook at the beginning and the end of connections.

use core::net::SocketAddr;
use core::time::Duration;

use crate::contract::{Instant, Token};
use crate::server::{CloseReason, Peer, Peers, Receives, Service};

/// A service that calls a function when a connection is opened and when it ends, around another
/// service: an access log, a metric, an audit.
///
/// The function runs in the loop's thread. One that writes must not block: it fills a buffer, or
/// passes the record on to a thread. What concerns no connection that was opened, such as a client
/// that was refused, is in the [counters](crate::Counters).
///
/// ```
/// use selkie_core::layers::{Logged, Occasion, Record};
/// use selkie_core::testing::Recorder;
/// use selkie_core::{CloseReason, Peer, Service, Token};
///
/// # struct Echo;
/// # impl Service for Echo {
/// #     type Session = ();
/// #     fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
/// #         peer.send_some(bytes)
/// #     }
/// # }
/// let mut lines = Vec::new();
/// let mut service = Logged::new(Echo, |record: &Record| {
///     if let Occasion::Closed { reason, after, received } = record.occasion {
///         lines.push(format!("{:?} {received} bytes, {reason}, {after:?}", record.address));
///     }
/// });
/// let (client, mut recorder) = (Token::new(0, 1), Recorder::<64>::new());
/// let mut session = Default::default();
/// service.opened(&mut recorder.peer(client), &mut session);
/// service.received(&mut recorder.peer(client), &mut session, b"hello");
/// service.closed(&mut recorder.peer(client), &mut session, CloseReason::Finished);
/// assert_eq!(lines, ["None 5 bytes, finished, 0ns"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Logged<S, F> {
    inner: S,
    log: F,
}

/// A report of a [`Logged`] service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Record {
    /// The connection.
    pub token: Token,
    /// The address of its peer, as it was told when the connection was opened. With `defmt` it is
    /// formatted as text.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub address: Option<SocketAddr>,
    /// The time of the loop.
    pub at: Instant,
    /// The reason for the record.
    pub occasion: Occasion,
}

/// The reason for a [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Occasion {
    /// A connection was opened.
    Opened,
    /// It has ended, in order or by an error.
    Closed {
        /// The reason.
        reason: CloseReason,
        /// The time since it was opened.
        #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
        after: Duration,
        /// The bytes that the service has taken.
        received: u64,
    },
    /// A connection that the service asked for has failed.
    NotConnected(CloseReason),
}

/// The session of a [`Logged`] service: that of the inner one, and what is reported at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoggedSession<T> {
    /// The session of the inner service.
    pub inner: T,
    address: Option<SocketAddr>,
    opened_at: Option<Instant>,
    received: u64,
}

impl<S, F> Logged<S, F> {
    /// Returns `inner`, with `log` called for each record.
    pub const fn new(inner: S, log: F) -> Self
    where
        F: FnMut(&Record),
    {
        Self { inner, log }
    }

    /// Returns the inner service.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service, to change it.
    pub const fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service, and drops the layer.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Service, F: FnMut(&Record)> Service for Logged<S, F> {
    type Session = LoggedSession<S::Session>;

    const CONNECTS: bool = S::CONNECTS;
    const DRAINS: bool = S::DRAINS;
    const LENDS_PEER: bool = S::LENDS_PEER;
    const TICK: Option<Duration> = S::TICK;

    fn slots_max(&self) -> usize {
        self.inner.slots_max()
    }

    fn tick(&mut self, peers: &mut Peers<'_>) {
        self.inner.tick(peers);
    }

    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let (token, address, at) = (peer.token(), peer.remote_address(), peer.now());
        session.address = address;
        session.opened_at = Some(at);
        (self.log)(&Record { token, address, at, occasion: Occasion::Opened });
        self.inner.opened(peer, &mut session.inner);
    }

    fn received(
        &mut self,
        peer: &mut Peer<'_>,
        session: &mut Self::Session,
        bytes: &[u8],
    ) -> usize {
        let taken = self.inner.received(peer, &mut session.inner, bytes).min(bytes.len());
        session.received += taken as u64;
        taken
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        self.inner.writable(peer, &mut session.inner);
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, untaken: usize) {
        self.inner.read_closed(peer, &mut session.inner, untaken);
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        self.inner.timer_expired(peer, &mut session.inner);
    }

    fn draining(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        self.inner.draining(peer, &mut session.inner);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, reason: CloseReason) {
        let (token, at) = (peer.token(), peer.now());
        let occasion = match session.opened_at {
            Some(opened_at) => {
                let after = at.saturating_since(opened_at);
                Occasion::Closed { reason, after, received: session.received }
            }
            None => Occasion::NotConnected(reason),
        };
        (self.log)(&Record { token, address: session.address, at, occasion });
        self.inner.closed(peer, &mut session.inner, reason);
    }
}

impl<M, S: Receives<M>, F: FnMut(&Record)> Receives<M> for Logged<S, F> {
    fn message(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, message: M) {
        self.inner.message(peer, &mut session.inner, message);
    }
}
