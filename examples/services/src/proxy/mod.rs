//! A load balancer for TCP: each client is connected to one of several upstreams. How bytes flow
//! between the two is [`Relay`](selkie_core::layers::Relay)'s.

mod header;

use core::net::SocketAddr;

use selkie_core::layers::Route;
use selkie_core::{Peer, Token};

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

/// The upstreams of a proxy, which take turns; one that cannot be reached is passed over for the
/// next.
#[derive(Clone, Debug)]
pub struct Proxy<'a> {
    upstreams: &'a [SocketAddr],
    /// The own address, if upstreams are told by the PROXY protocol who the client is.
    header: Option<SocketAddr>,
    turn: usize,
    counters: ProxyCounters,
}

/// The upstreams that one client has tried: so many, from the first one on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    first: usize,
    count: usize,
}

impl<'a> Proxy<'a> {
    /// Returns a proxy to `upstreams`.
    #[must_use]
    pub const fn new(upstreams: &'a [SocketAddr]) -> Self {
        let counters = ProxyCounters { tunnels: 0, failures: 0, unserved: 0 };
        Self { upstreams, header: None, turn: 0, counters }
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
}

impl Route for Proxy<'_> {
    type Choice = Tried;

    fn next(&mut self, _: &mut Peer<'_>, tried: &mut Tried) -> Option<SocketAddr> {
        let all = self.upstreams.len();
        if tried.count == all {
            self.counters.unserved += 1;
            return None;
        }
        if tried.count == 0 {
            tried.first = self.turn;
            self.turn = (self.turn + 1) % all;
        }
        tried.count += 1;
        Some(self.upstreams[(tried.first + tried.count - 1) % all])
    }

    fn joined(&mut self, upstream: &mut Peer<'_>, client: Token) {
        self.counters.tunnels += 1;
        if let Some(own) = self.header {
            let from = upstream.other(client).remote_address();
            // A new connection has room for a line.
            let _ = header::with_line(from, own, |line| upstream.send(line));
        }
    }

    fn failed(&mut self, _: &mut Peer<'_>, _: &mut Tried) {
        self.counters.failures += 1;
    }
}
