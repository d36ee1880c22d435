//! Messages of a known length over a stream.

use core::time::Duration;

use super::Layer;
use crate::contract::Token;
use crate::server::{CloseReason, Ending, Peer, PeerOps, Peers, SendError, Service};

/// The bytes of the length in front of a message.
const LENGTH: usize = 4;

/// A service of whole messages over streams, around a service of the same calls: each message has
/// its length in front, as 32 bits, the highest first.
///
/// The inner service is offered one message at a time, and takes it whole or not at all: a number
/// other than its length leaves it, to be offered again. Each of its sends is one message;
/// `send_some` sends all or nothing, so that it never splits one. A message that is longer than the
/// input buffer can ever keep ends its connection.
///
/// ```
/// use selkie_core::layers::Framed;
/// use selkie_core::testing::Recorder;
/// use selkie_core::{Peer, Service, Token};
///
/// /// Sends each message back.
/// struct Echo;
///
/// impl Service for Echo {
///     type Session = ();
///     fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), message: &[u8]) -> usize {
///         peer.send_some(message)
///     }
/// }
///
/// let (client, mut recorder) = (Token::new(0, 1), Recorder::<64>::new());
/// let bytes = b"\0\0\0\x02hi\0\0\0\x05wor";
/// let mut session = Default::default();
/// let taken = Framed::new(Echo).received(&mut recorder.peer(client), &mut session, bytes);
/// assert_eq!(taken, 6, "the second message is not whole yet");
/// assert_eq!(recorder.sent_to(client), b"\0\0\0\x02hi");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Framed<S> {
    inner: S,
}

/// The session of a [`Framed`] service: that of the inner one, and the state of the stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct FramedSession<T> {
    /// The session of the inner service.
    pub inner: T,
    /// The untaken bytes are the beginning of a message.
    is_partial: bool,
}

impl<S> Framed<S> {
    /// Returns the service with messages around `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
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

/// The peer of the inner service.
struct FramedOps<'p> {
    below: &'p mut dyn PeerOps,
    current: Token,
    /// The service wants no more messages of this connection for now.
    has_stopped: bool,
}

impl<'p> FramedOps<'p> {
    fn new(peer: &'p mut Peer<'_>) -> Self {
        Self { current: peer.token(), below: peer.ops(), has_stopped: false }
    }
}

impl Layer for FramedOps<'_> {
    fn below(&self) -> &dyn PeerOps {
        self.below
    }

    fn below_mut(&mut self) -> &mut dyn PeerOps {
        self.below
    }

    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        if bytes.is_empty() && Layer::room(self, token) == 0 {
            // Room for a length alone is none: so this asks if the connection is open.
            return self.below.send(token, &[]).and(Err(SendError::Full));
        }
        Layer::send_parts(self, token, &[bytes])
    }

    fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize {
        Layer::send(self, token, bytes).map_or(0, |()| bytes.len())
    }

    /// Sends all parts as one message.
    fn send_parts(&mut self, token: Token, parts: &[&[u8]]) -> Result<(), SendError> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let length = u32::try_from(length).map_err(|_| SendError::TooLong)?.to_be_bytes();
        match *parts {
            [] => self.below.send(token, &length),
            [one] => self.below.send_parts(token, &[&length, one]),
            [one, two] => self.below.send_parts(token, &[&length, one, two]),
            [one, two, three] => self.below.send_parts(token, &[&length, one, two, three]),
            _ => {
                let all = parts.iter().map(|part| part.len()).sum::<usize>();
                if all > Layer::room(self, token) {
                    return Err(SendError::Full);
                }
                self.below.send(token, &length)?;
                self.below.send_parts(token, parts)
            }
        }
    }

    fn room(&mut self, token: Token) -> usize {
        self.below.room(token).saturating_sub(LENGTH)
    }

    fn received_max(&self) -> usize {
        self.below.received_max().saturating_sub(LENGTH)
    }

    fn set_reading(&mut self, token: Token, reads: bool) {
        if token == self.current {
            self.has_stopped = !reads;
        }
        self.below.set_reading(token, reads);
    }

    fn close(&mut self, token: Token, ending: Ending) {
        self.has_stopped |= token == self.current && ending != Ending::Finished;
        self.below.close(token, ending);
    }
}

/// Returns the length of the first message, if the bytes have it.
fn length_of(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<LENGTH>()?;
    Some(u32::from_be_bytes(*length).try_into().unwrap_or(usize::MAX))
}

/// Calls the inner service, with a peer that frames.
macro_rules! pass_on {
    ($self:ident.$call:ident($peer:ident, $session:ident $(, $argument:expr)?)) => {{
        let token = $peer.token();
        let mut ops = FramedOps::new($peer);
        $self.inner.$call(&mut Peer::new(token, &mut ops), &mut $session.inner $(, $argument)?)
    }};
}

impl<S: Service> Service for Framed<S> {
    type Session = FramedSession<S::Session>;

    const CONNECTS: bool = S::CONNECTS;
    const DRAINS: bool = S::DRAINS;
    const LENDS_PEER: bool = S::LENDS_PEER;
    const TICK: Option<Duration> = S::TICK;

    fn slots_max(&self) -> usize {
        self.inner.slots_max()
    }

    fn tick(&mut self, peers: &mut Peers<'_>) {
        let mut ops =
            FramedOps { below: peers.ops(), current: Token::new(u32::MAX, 0), has_stopped: false };
        self.inner.tick(&mut Peers::new(&mut ops));
    }

    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        pass_on!(self.opened(peer, session));
    }

    fn received(
        &mut self,
        peer: &mut Peer<'_>,
        session: &mut Self::Session,
        bytes: &[u8],
    ) -> usize {
        let token = peer.token();
        let mut ops = FramedOps::new(peer);
        let mut rest = bytes;
        session.is_partial = false;
        while let Some(length) = length_of(rest) {
            if length > Layer::received_max(&ops) {
                Layer::close(&mut ops, token, Ending::Aborted);
                return bytes.len();
            }
            let Some(message) = rest.get(LENGTH..LENGTH + length) else { break };
            let peer = &mut Peer::new(token, &mut ops);
            let count = self.inner.received(peer, &mut session.inner, message);
            if count != length {
                return bytes.len() - rest.len();
            }
            rest = &rest[LENGTH + length..];
            if ops.has_stopped {
                return bytes.len() - rest.len();
            }
        }
        session.is_partial = !rest.is_empty();
        bytes.len() - rest.len()
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        pass_on!(self.writable(peer, session));
    }

    /// Passes the end on. The beginning of a message that is never whole is not counted.
    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, untaken: usize) {
        let untaken = if session.is_partial { 0 } else { untaken };
        pass_on!(self.read_closed(peer, session, untaken));
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        pass_on!(self.timer_expired(peer, session));
    }

    fn draining(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        pass_on!(self.draining(peer, session));
    }

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, reason: CloseReason) {
        pass_on!(self.closed(peer, session, reason));
    }
}
