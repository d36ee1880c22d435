//! A load balancer for TCP: each client is connected to one of several upstreams, and bytes flow
//! both ways until both streams have ended.

mod header;

use core::net::SocketAddr;

use selkie_core::{CloseReason, Peer, Service, Token};

/// The state of one connection, a client's or an upstream's. One for each slot.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// The connection at the other end, once it was asked for.
    other: Option<Token>,
    /// The upstream that this client tries next, and the number of those that are left.
    next: usize,
    left: usize,
}

impl Tunnel {
    /// A connection without another end.
    pub const EMPTY: Self = Self { other: None, next: 0, left: 0 };
}

/// Counts of a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyCounters {
    /// Clients that got an upstream.
    pub tunnels: u64,
    /// Attempts to connect that failed, or took too long.
    pub failures: u64,
    /// Clients that were closed as no upstream could be reached.
    pub unserved: u64,
}

/// The proxy. Upstreams take turns; one that cannot be reached is passed over for the next.
#[derive(Debug)]
pub struct Proxy<'a> {
    upstreams: &'a [SocketAddr],
    tunnels: &'a mut [Tunnel],
    /// The own address, if upstreams are told by the PROXY protocol who the client is.
    header: Option<SocketAddr>,
    turn: usize,
    counters: ProxyCounters,
}

impl<'a> Proxy<'a> {
    /// Returns a proxy to `upstreams`, with a tunnel for each slot of the loop.
    pub const fn new(upstreams: &'a [SocketAddr], tunnels: &'a mut [Tunnel]) -> Self {
        let counters = ProxyCounters { tunnels: 0, failures: 0, unserved: 0 };
        Self { upstreams, tunnels, header: None, turn: 0, counters }
    }

    /// Sends each upstream a line of the PROXY protocol, version 1, with the addresses of the
    /// client and of the proxy.
    #[must_use]
    pub const fn with_header(self, own: SocketAddr) -> Self {
        Self { header: Some(own), ..self }
    }

    /// Returns the counts since the start.
    #[must_use]
    pub const fn counters(&self) -> ProxyCounters {
        self.counters
    }

    fn tunnel(&mut self, token: Token) -> &mut Tunnel {
        &mut self.tunnels[token.index()]
    }

    /// Connects a client to the next upstream, or closes it if all were tried.
    fn connect(&mut self, client: &mut Peer<'_>) {
        let upstreams = self.upstreams;
        let tunnel = &mut self.tunnels[client.token().index()];
        while tunnel.left > 0 {
            let address = upstreams[tunnel.next];
            tunnel.left -= 1;
            tunnel.next = (tunnel.next + 1) % upstreams.len();
            if let Ok(upstream) = client.connect(address) {
                tunnel.other = Some(upstream);
                return;
            }
            self.counters.failures += 1;
        }
        self.counters.unserved += 1;
        client.close();
    }

    /// Joins a client and its upstream, which stands now.
    fn join(&mut self, client: Token, upstream: &mut Peer<'_>) {
        *self.tunnel(upstream.token()) = Tunnel { other: Some(client), ..Tunnel::EMPTY };
        self.counters.tunnels += 1;
        if let Some(own) = self.header {
            let from = upstream.other(client).remote_address();
            // A new connection has room for a line.
            let _ = header::with_line(from, own, |line| upstream.send(line));
        }
        upstream.resume_reading_of(client);
    }
}

impl Service for Proxy<'_> {
    type Session = ();

    const CONNECTS: bool = true;

    fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        match peer.opened_by() {
            None => {
                let (next, left) = (self.turn, self.upstreams.len());
                *self.tunnel(peer.token()) = Tunnel { other: None, next, left };
                self.turn = (next + 1) % left.max(1);
                // Nothing is read before it can be sent on.
                peer.pause_reading();
                self.connect(peer);
            }
            Some(client) if self.tunnel(client).other == Some(peer.token()) => {
                self.join(client, peer);
            }
            Some(_) => peer.abort(),
        }
    }

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        let Some(other) = self.tunnel(peer.token()).other else { return 0 };
        let taken = peer.send_some_to(other, bytes);
        if taken < bytes.len() {
            peer.request_writable_of(other);
        }
        taken
    }

    fn writable(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        if let Some(other) = self.tunnel(peer.token()).other {
            peer.resume_reading_of(other);
        }
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, (): &mut (), untaken: usize) {
        if let (Some(other), 0) = (self.tunnel(peer.token()).other, untaken) {
            peer.shutdown_write_of(other);
        }
    }

    /// Lets tunnels go on until both streams have ended, or the drain's deadline.
    fn draining(&mut self, _: &mut Peer<'_>, (): &mut ()) {}

    fn closed(&mut self, peer: &mut Peer<'_>, (): &mut (), reason: CloseReason) {
        let token = peer.token();
        if let Some(client) = peer.opened_by() {
            let has_failed = self.tunnel(token).other != Some(client);
            if has_failed && self.tunnel(client).other == Some(token) {
                self.counters.failures += 1;
                return self.connect(&mut peer.other(client));
            }
        }
        match core::mem::replace(self.tunnel(token), Tunnel::EMPTY).other {
            Some(other) if reason == CloseReason::Finished => peer.close_other(other),
            Some(other) => peer.abort_other(other),
            None => {}
        }
    }
}
