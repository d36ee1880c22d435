//! Bytes from one connection to another, and back.

use core::net::SocketAddr;
use core::time::Duration;

use crate::contract::Token;
use crate::server::{CloseReason, Peer, Service};

/// The choice of a [`Relay`]: where its clients are connected to.
pub trait Route {
    /// The state of one client's choice, such as the number of addresses that were tried.
    type Choice: Default;

    /// Returns the address to connect a client to: called when the client was accepted, and at once
    /// after each attempt that [failed](Self::failed). It has to return `None` in the end, which
    /// closes the client: with a route that always has an address, the loop stands still while no
    /// attempt can begin.
    fn next(&mut self, client: &mut Peer<'_>, choice: &mut Self::Choice) -> Option<SocketAddr>;

    /// Called when a client is connected to its target, before the first byte flows: for a header
    /// in front of them, which is sent to the target.
    fn joined(&mut self, target: &mut Peer<'_>, client: Token) {
        let _ = (target, client);
    }

    /// Called when an attempt was refused, took too long, failed otherwise, or could not begin, for
    /// lack of a slot for example.
    fn failed(&mut self, client: &mut Peer<'_>, choice: &mut Self::Choice) {
        let _ = (client, choice);
    }
}

/// A service that connects each client to a target, and lets bytes flow both ways until both
/// streams have ended: the body of a load balancer, a tunnel or a gateway. The [`Route`] chooses
/// the targets.
///
/// The directions are independent: each flows and ends by itself, and a slow end slows down only
/// what flows to it. Nothing is read from a client before its target is connected. An orderly end
/// closes the other connection after its pending output, and any other end aborts it. A drain lets
/// what is under way go on until its deadline.
///
/// ```
/// use core::net::SocketAddr;
/// use selkie_core::Peer;
/// use selkie_core::layers::{Relay, Route};
///
/// /// Relays to one address.
/// struct Fixed(SocketAddr);
///
/// impl Route for Fixed {
///     /// The target was tried.
///     type Choice = bool;
///
///     fn next(&mut self, _: &mut Peer<'_>, is_tried: &mut bool) -> Option<SocketAddr> {
///         (!std::mem::replace(is_tried, true)).then_some(self.0)
///     }
/// }
///
/// let service = Relay::new(Fixed("192.0.2.1:80".parse().unwrap()));
/// assert_eq!(service.route().0.port(), 80);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Relay<R> {
    route: R,
}

/// The session of a [`Relay`], of a client's connection or a target's.
#[derive(Clone, Copy, Debug, Default)]
pub struct RelaySession<T> {
    /// The other connection: for a client once one was asked for, for a target once connected.
    other: Option<Token>,
    choice: T,
}

impl<R: Route> Relay<R> {
    /// Returns a relay whose targets `route` chooses.
    pub const fn new(route: R) -> Self {
        Self { route }
    }

    /// Returns the route.
    pub const fn route(&self) -> &R {
        &self.route
    }

    /// Returns the route, to change it.
    pub const fn route_mut(&mut self) -> &mut R {
        &mut self.route
    }

    /// Connects a client to the next target that an attempt can begin for.
    fn connect(&mut self, client: &mut Peer<'_>, session: &mut RelaySession<R::Choice>) {
        while let Some(address) = self.route.next(client, &mut session.choice) {
            if let Ok(target) = client.connect(address) {
                session.other = Some(target);
                return;
            }
            self.route.failed(client, &mut session.choice);
        }
        client.close();
    }
}

impl<R: Route> Service for Relay<R> {
    type Session = RelaySession<R::Choice>;

    const CONNECTS: bool = true;

    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let Some(client) = peer.opened_by() else {
            // Nothing is read before it can be sent on.
            peer.pause_reading();
            return self.connect(peer, session);
        };
        session.other = Some(client);
        self.route.joined(peer, client);
        peer.resume_reading_of(client);
    }

    fn received(
        &mut self,
        peer: &mut Peer<'_>,
        session: &mut Self::Session,
        bytes: &[u8],
    ) -> usize {
        let Some(other) = session.other else { return 0 };
        let taken = peer.send_some_to(other, bytes);
        if taken < bytes.len() {
            peer.request_writable_of(other);
        }
        taken
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        if let Some(other) = session.other {
            peer.resume_reading_of(other);
        }
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, untaken: usize) {
        if let (Some(other), 0) = (session.other, untaken) {
            peer.shutdown_write_of(other);
        }
    }

    /// Goes on with a client whose attempt has failed, as `closed` asks for.
    fn timer_expired(&mut self, client: &mut Peer<'_>, session: &mut Self::Session) {
        self.route.failed(client, &mut session.choice);
        self.connect(client, session);
    }

    fn draining(&mut self, _: &mut Peer<'_>, _: &mut Self::Session) {}

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, reason: CloseReason) {
        match (session.other, peer.opened_by()) {
            (Some(other), _) if reason == CloseReason::Finished => peer.close_other(other),
            (Some(other), _) => peer.abort_other(other),
            // The attempt has failed. The session of the client is lent in its own callbacks only.
            (None, Some(client)) => peer.other(client).set_timer(Duration::ZERO),
            (None, None) => {}
        }
    }
}
