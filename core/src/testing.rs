//! A recorded peer, with which a service is tested without a server.

use core::net::SocketAddr;
use core::time::Duration;

use heapless::Vec;

use crate::contract::{Error, ErrorKind, Instant, Token};
use crate::server::{Ending, Origin, Peer, PeerOps, Peers, SendError};

/// The most requests, beside sends, that a [`Recorder`] keeps.
const REQUESTS_MAX: usize = 64;
/// The most peers that a [`Recorder`] keeps bytes of.
const PEERS_MAX: usize = 8;

/// A request of a service, beside sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// The timer of a peer was set, or cancelled.
    SetTimer(Token, Option<Instant>),
    /// A call of `writable` was asked for.
    RequestWritable(Token),
    /// Reading from a peer was resumed (true) or paused.
    SetReading(Token, bool),
    /// The stream to a peer was ended.
    ShutdownWrite(Token),
    /// A peer was closed.
    Close(Token, Ending),
    /// A connection to an address was asked for, by a peer or none, and got this token.
    Connect(Option<Token>, SocketAddr, Token),
}

/// A peer that records what a service sends and asks for, up to `BYTES` bytes for each of 8 peers.
///
/// ```
/// use selkie_core::layers::Ending;
/// use selkie_core::testing::{Recorder, Request};
/// use selkie_core::{Peer, Service, Token};
///
/// /// Says good bye.
/// struct Goodbye;
///
/// impl Service for Goodbye {
///     type Session = ();
///     fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
///         let _ = peer.send(b"good bye\n");
///         peer.close();
///         bytes.len()
///     }
/// }
///
/// let (client, mut recorder) = (Token::new(0, 1), Recorder::<64>::new());
/// assert_eq!(Goodbye.received(&mut recorder.peer(client), &mut (), b"hello\n"), 6);
/// assert_eq!(recorder.sent_to(client), b"good bye\n");
/// assert_eq!(recorder.requests(), [Request::Close(client, Ending::Flushed)]);
/// ```
#[derive(Clone, Debug)]
pub struct Recorder<const BYTES: usize = 4096> {
    sent: Vec<(Token, Vec<u8, BYTES>), PEERS_MAX>,
    requests: Vec<Request, REQUESTS_MAX>,
    room: usize,
    received_max: usize,
    now: Instant,
    origin: Origin,
    remote_address: Option<SocketAddr>,
    connect: Result<Token, Error>,
}

impl<const BYTES: usize> Recorder<BYTES> {
    /// Returns a recorder without records: all that it keeps fits, the time is zero, and
    /// connecting is not supported.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sent: Vec::new(),
            requests: Vec::new(),
            room: BYTES,
            received_max: BYTES,
            now: Instant::ZERO,
            origin: Origin::Adopted,
            remote_address: None,
            connect: Err(Error::new(ErrorKind::Unsupported)),
        }
    }

    /// Returns a peer whose requests are recorded, for a call of the service.
    #[must_use]
    pub fn peer(&mut self, token: Token) -> Peer<'_> {
        Peer::new(token, self)
    }

    /// Returns all peers, for [`Service::tick`](crate::Service::tick).
    #[must_use]
    pub fn peers(&mut self) -> Peers<'_> {
        Peers::new(self)
    }

    /// Returns the bytes that were sent to a peer, since they were [forgotten](Self::clear).
    #[must_use]
    pub fn sent_to(&self, token: Token) -> &[u8] {
        let mut sent = self.sent.iter();
        sent.find(|(peer, _)| *peer == token).map_or(&[], |(_, bytes)| bytes.as_slice())
    }

    /// Returns the requests beside sends, in order.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Forgets all records.
    pub fn clear(&mut self) {
        self.sent.clear();
        self.requests.clear();
    }

    /// Sets the number of bytes that can still be sent, to all peers together.
    pub const fn set_room(&mut self, room: usize) {
        self.room = room;
    }

    /// Sets the most bytes that the service is offered.
    pub const fn set_received_max(&mut self, received_max: usize) {
        self.received_max = received_max;
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Sets the origin and the address of every peer.
    pub const fn set_origin(&mut self, origin: Origin, remote_address: Option<SocketAddr>) {
        self.origin = origin;
        self.remote_address = remote_address;
    }

    /// Sets the answer to the next requests to connect.
    pub const fn set_connect(&mut self, answer: Result<Token, Error>) {
        self.connect = answer;
    }

    fn record(&mut self, request: Request) {
        assert!(self.requests.push(request).is_ok(), "a recorder keeps {REQUESTS_MAX} requests");
    }

    /// Returns the bytes that were sent to a peer.
    fn place(&mut self, token: Token) -> &mut Vec<u8, BYTES> {
        let known = self.sent.iter().position(|(peer, _)| *peer == token);
        let index = known.unwrap_or_else(|| {
            let is_new = self.sent.push((token, Vec::new())).is_ok();
            assert!(is_new, "a recorder keeps the bytes of {PEERS_MAX} peers");
            self.sent.len() - 1
        });
        &mut self.sent[index].1
    }
}

impl<const BYTES: usize> Default for Recorder<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize> PeerOps for Recorder<BYTES> {
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        if bytes.len() > BYTES {
            return Err(SendError::TooLong);
        }
        if bytes.len() > self.room(token) {
            return Err(SendError::Full);
        }
        self.send_some(token, bytes);
        Ok(())
    }

    fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room(token));
        self.room -= count;
        let _ = self.place(token).extend_from_slice(&bytes[..count]);
        count
    }

    fn room(&mut self, token: Token) -> usize {
        let free = BYTES - self.sent_to(token).len();
        self.room.min(free)
    }

    fn received_max(&self) -> usize {
        self.received_max
    }

    fn now(&mut self) -> Instant {
        self.now
    }

    fn set_timer(&mut self, token: Token, deadline: Option<Instant>) {
        self.record(Request::SetTimer(token, deadline));
    }

    fn request_writable(&mut self, token: Token) {
        self.record(Request::RequestWritable(token));
    }

    fn set_reading(&mut self, token: Token, reads: bool) {
        self.record(Request::SetReading(token, reads));
    }

    fn shutdown_write(&mut self, token: Token) {
        self.record(Request::ShutdownWrite(token));
    }

    fn close(&mut self, token: Token, ending: Ending) {
        self.record(Request::Close(token, ending));
    }

    fn origin(&self, _token: Token) -> Origin {
        self.origin
    }

    fn remote_address(&mut self, _token: Token) -> Option<SocketAddr> {
        self.remote_address
    }

    fn connect(&mut self, by: Option<Token>, address: SocketAddr) -> Result<Token, Error> {
        if let Ok(token) = self.connect {
            self.record(Request::Connect(by, address, token));
        }
        self.connect
    }
}
