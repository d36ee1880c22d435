//! TLS as a layer: [`Tls`] is a service around any other, by rustls.
//!
//! ```text
//!   the peer        ciphertext        Tls<S>         plain bytes      S
//!   openssl  <----------------->  received, send  <------------->  received, send_to ..
//! ```
//!
//! The inner service knows nothing of it. It is told of a connection once the handshake is
//! complete, and sends to its own and to other connections through the layer. The streams are in
//! the layer, by the slot of their connection, not in the sessions: so it finds those of others.
//!
//! | when | what follows |
//! | --- | --- |
//! | the handshake fails, or a record is wrong | an alert, and the end of the connection |
//! | the handshake takes longer than ten seconds | the connection is aborted |
//! | the inner service connects | it is told once the handshake is complete, else that it is closed |
//! | the peer says goodbye (`close_notify`) | `read_closed` of the inner service, which may still send |
//! | the peer's stream ends without that | it may be cut: the connection is aborted |
//! | the inner service closes, or ends its stream | `close_notify` behind what it has sent |
//! | the inner service takes nothing | 16 KiB decrypted, an input buffer encrypted, no further read |
//! | the peer takes nothing | no room, until the records that wait are sent |
#![forbid(unsafe_code)]

mod ops;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use selkie_core::layers::{Ending, PeerOps};
use selkie_core::peers::{Origin, Peers};
use selkie_core::{CloseReason, Peer, Service, Token};

use ops::TlsOps;
use stream::Streams;

/// The time that a handshake may take if no other is set.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A service inside TLS.
pub struct Tls<S> {
    inner: S,
    server: Option<Arc<ServerConfig>>,
    client: Option<Client>,
    handshake_timeout: Duration,
    on_failure: OnFailure,
    streams: Streams,
    counters: TlsCounters,
}

/// A call about the end of a connection.
type OnFailure = Box<dyn FnMut(Token, &rustls::Error) + Send>;

/// The part of a client.
struct Client {
    config: Arc<ClientConfig>,
    /// The name that servers have to prove; their address, if there is none.
    name: Option<ServerName<'static>>,
}

/// The counts of the layer since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsCounters {
    /// Handshakes that were completed.
    pub handshakes: u64,
    /// Connections that were ended since they sent no TLS, or none that this server speaks.
    pub failed: u64,
    /// Connections whose handshake took too long.
    pub timed_out: u64,
    /// Connections whose stream ended without a goodbye.
    pub truncated: u64,
}

impl<S> Tls<S> {
    /// Wraps `inner`, in a loop of `slots` slots, whose clients connect by TLS.
    pub fn new(inner: S, config: Arc<ServerConfig>, slots: usize) -> Self {
        Self { server: Some(config), ..Self::without_roles(inner, slots) }
    }

    /// Wraps `inner`, in a loop of `slots` slots, which connects to servers by TLS, and accepts no
    /// client. Servers have to prove `name`, or their IP address if it is `None`.
    pub fn client(
        inner: S,
        config: Arc<ClientConfig>,
        name: Option<ServerName<'static>>,
        slots: usize,
    ) -> Self {
        Self::without_roles(inner, slots).connecting(config, name)
    }

    fn without_roles(inner: S, slots: usize) -> Self {
        Self {
            inner,
            server: None,
            client: None,
            handshake_timeout: HANDSHAKE,
            on_failure: Box::new(|_, _| {}),
            streams: Streams::new(slots),
            counters: TlsCounters::default(),
        }
    }

    /// Encrypts the connections that `inner` opens, too, which is an error without this.
    #[must_use]
    pub fn connecting(
        mut self,
        config: Arc<ClientConfig>,
        name: Option<ServerName<'static>>,
    ) -> Self {
        self.client = Some(Client { config, name });
        self
    }

    /// Sets the time that a handshake may take: ten seconds if not called.
    #[must_use]
    pub fn handshake_timeout(self, handshake_timeout: Duration) -> Self {
        Self { handshake_timeout, ..self }
    }

    /// Calls `on_failure` when a connection ends since what the peer sent is wrong: a certificate
    /// that is refused, or no TLS at all. `closed` of the inner service follows if the service has
    /// asked for the connection.
    #[must_use]
    pub fn on_failure(
        mut self,
        on_failure: impl FnMut(Token, &rustls::Error) + Send + 'static,
    ) -> Self {
        self.on_failure = Box::new(on_failure);
        self
    }

    /// Returns the counters.
    pub const fn counters(&self) -> &TlsCounters {
        &self.counters
    }

    /// Returns the inner service.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service, to change it.
    pub const fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S> fmt::Debug for Tls<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl<S: Service> Tls<S> {
    /// Calls the inner service about a connection that it knows.
    fn call(
        &mut self,
        below: &mut dyn PeerOps,
        token: Token,
        call: impl FnOnce(&mut S, &mut Peer<'_>),
    ) {
        if self.streams.get(token).is_some_and(|stream| stream.is_open) {
            self.call_any(below, token, call);
        }
    }

    /// Calls the inner service about a connection, even if it does not know it yet.
    fn call_any(
        &mut self,
        below: &mut dyn PeerOps,
        token: Token,
        call: impl FnOnce(&mut S, &mut Peer<'_>),
    ) {
        let connects = self.client.is_some();
        let mut ops = TlsOps { below, streams: &mut self.streams, connects };
        call(&mut self.inner, &mut Peer::new(token, &mut ops));
    }

    /// Makes the TLS stream of a new connection: that of a client if this end has connected.
    fn stream_for(&self, peer: &mut Peer<'_>) -> Option<Connection> {
        if !matches!(peer.origin(), Origin::Connected { .. }) {
            let config = Arc::clone(self.server.as_ref()?);
            return ServerConnection::new(config).ok().map(Into::into);
        }
        let client = self.client.as_ref()?;
        let name = match &client.name {
            Some(name) => name.clone(),
            None => peer.remote_address()?.ip().into(),
        };
        ClientConnection::new(Arc::clone(&client.config), name).ok().map(Into::into)
    }

    /// Decrypts what was received, and offers it to the inner service.
    fn offer(&mut self, below: &mut dyn PeerOps, token: Token, session: &mut S::Session) {
        let Some(stream) = self.streams.get(token) else { return };
        stream.decrypt();
        if stream.decrypted.is_empty() {
            return;
        }
        // Bytes for which there was no room are offered next: no event would follow for them.
        while self.offer_once(below, token, session) {}
        let Some(stream) = self.streams.get(token) else { return };
        if stream.decrypted.is_empty() && stream.is_end_told && !stream.is_closing() {
            self.call(below, token, |inner, peer| inner.read_closed(peer, session, 0));
        }
    }

    /// Offers decrypted bytes to the inner service. Returns whether more was decrypted after that.
    fn offer_once(
        &mut self,
        below: &mut dyn PeerOps,
        token: Token,
        session: &mut S::Session,
    ) -> bool {
        let Some(stream) = self.streams.get(token) else { return false };
        if !stream.is_open || stream.is_paused || stream.is_closing() {
            return false;
        }
        // Taken out, as the service may use every stream meanwhile.
        let mut decrypted = std::mem::take(&mut stream.decrypted);
        let mut count = 0;
        self.call(below, token, |inner, peer| {
            count = inner.received(peer, session, &decrypted).min(decrypted.len());
        });
        decrypted.drain(..count);
        let left = decrypted.len();
        let Some(stream) = self.streams.get(token) else { return false };
        stream.decrypted = decrypted;
        stream.decrypt();
        stream.decrypted.len() > left
    }

    /// Processes the records that were read, and follows what they change. Returns whether they are
    /// right.
    fn process(&mut self, below: &mut dyn PeerOps, token: Token, session: &mut S::Session) -> bool {
        let Some(stream) = self.streams.get(token) else { return false };
        let state = match stream.tls.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                self.counters.failed += 1;
                // The alert that says why is sent first.
                stream.wants_writable = false;
                stream.ending = Some(Ending::Flushed);
                self.streams.flush(below, token);
                (self.on_failure)(token, &error);
                return false;
            }
        };
        if !stream.is_open && !stream.tls.is_handshaking() {
            stream.is_open = true;
            self.counters.handshakes += 1;
            below.set_timer(token, None);
            // Tickets go first, so that there is room for what the service says.
            self.streams.flush(below, token);
            self.call(below, token, |inner, peer| inner.opened(peer, session));
        }
        self.offer(below, token, session);
        if state.peer_has_closed() {
            self.tell_end(below, token, session);
        }
        true
    }

    /// Calls the inner service at the end of the peer's stream, if that is in order, once.
    fn tell_end(&mut self, below: &mut dyn PeerOps, token: Token, session: &mut S::Session) {
        let Some(stream) = self.streams.get(token) else { return };
        if !std::mem::replace(&mut stream.is_end_told, true) {
            let untaken = stream.decrypted.len();
            self.call(below, token, |inner, peer| inner.read_closed(peer, session, untaken));
        }
    }
}

impl<S: Service> Service for Tls<S> {
    type Session = S::Session;

    const TICK: Option<Duration> = S::TICK;
    const CONNECTS: bool = S::CONNECTS;
    const DRAINS: bool = S::DRAINS;
    const LENDS_PEER: bool = S::LENDS_PEER;

    fn slots_max(&self) -> usize {
        self.inner.slots_max()
    }

    fn tick(&mut self, peers: &mut Peers<'_>) {
        let connects = self.client.is_some();
        let mut ops = TlsOps { below: peers.ops(), streams: &mut self.streams, connects };
        self.inner.tick(&mut Peers::new(&mut ops));
    }

    fn opened(&mut self, peer: &mut Peer<'_>, _: &mut S::Session) {
        let (token, room_max) = (peer.token(), peer.room());
        let tls = self.stream_for(peer);
        if !tls.is_some_and(|tls| self.streams.open(token, tls, room_max)) {
            return peer.abort();
        }
        peer.set_timer(self.handshake_timeout);
        // A client speaks first.
        self.streams.flush(peer.ops(), token);
    }

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, bytes: &[u8]) -> usize {
        let (token, below) = (peer.token(), peer.ops());
        let mut used = 0;
        self.offer(below, token, session);
        loop {
            let Some(stream) = self.streams.get(token) else { return bytes.len() };
            if stream.is_closing() {
                return bytes.len();
            }
            // Without room for what is decrypted nothing more is.
            let has_room = stream.decrypt() && !stream.is_paused;
            let mut rest = &bytes[used..];
            if !has_room || rest.is_empty() {
                break;
            }
            match stream.tls.read_tls(&mut rest) {
                Ok(count @ 1..) => used += count,
                _ => break,
            }
            if !self.process(below, token, session) {
                return bytes.len();
            }
        }
        self.streams.flush(below, token);
        used
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        let (token, below) = (peer.token(), peer.ops());
        let Some(stream) = self.streams.get(token) else { return };
        let has_waited = stream.tls.wants_write();
        self.streams.flush(below, token);
        let Some(stream) = self.streams.get(token) else { return };
        if stream.tls.wants_write() || stream.is_closing() {
            return;
        }
        let is_asked = std::mem::take(&mut stream.wants_writable) || has_waited;
        // Without either it is the outbox below that has drained.
        if is_asked || !std::mem::take(&mut stream.offers_again) {
            self.call(below, token, |inner, peer| inner.writable(peer, session));
        }
        self.offer(below, token, session);
        self.streams.flush(below, token);
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, _: &mut S::Session, untaken: usize) {
        if untaken > 0 {
            // A goodbye may be in what was left. That is offered first; then this is called with 0.
            return;
        }
        let Some(stream) = self.streams.get(peer.token()) else { return };
        // After a goodbye the inner service decides; before it, the rest may be missing.
        if !stream.is_end_told && stream.ending.is_none() {
            self.counters.truncated += 1;
            peer.abort();
        }
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        let (token, below) = (peer.token(), peer.ops());
        if self.streams.get(token).is_some_and(|stream| !stream.is_open) {
            self.counters.timed_out += 1;
            return below.close(token, Ending::Aborted);
        }
        self.call(below, token, |inner, peer| inner.timer_expired(peer, session));
        self.offer(below, token, session);
        self.streams.flush(below, token);
    }

    fn draining(&mut self, peer: &mut Peer<'_>, session: &mut S::Session) {
        let (token, below) = (peer.token(), peer.ops());
        if self.streams.get(token).is_some_and(|stream| !stream.is_open) {
            return below.close(token, Ending::Flushed);
        }
        self.call(below, token, |inner, peer| inner.draining(peer, session));
    }

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut S::Session, reason: CloseReason) {
        let (token, below) = (peer.token(), peer.ops());
        let is_open = self.streams.get(token).is_some_and(|stream| stream.is_open);
        // Who has asked for a connection is told how it went, as without this layer.
        if is_open || matches!(below.origin(token), Origin::Connected { .. }) {
            self.call_any(below, token, |inner, peer| inner.closed(peer, session, reason));
        }
        self.streams.remove(token);
    }
}
