//! The whole of ours: platform, loop, server, and the echo service of the examples.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ::selkie::memory::{HeapLoop, HeapServer};
use ::selkie::platform::{Epoll, FdSelector, Platform};
use ::selkie::platform::{Transport, Wait};
use ::selkie::uring::{Uring, UringStorage};
use ::selkie::{CloseReason, Config, Error, EventLoop, Peer, Server, Service};

use selkie_services::Echo;

use super::READ_MAX;
use crate::support::BATCH;

/// The number of buffers: only connections with pending output take one.
const BLOCKS: usize = 64;

/// A service, and the number of its connections that are closed: the benchmark ends with them.
struct Counted<S> {
    service: S,
    closed: usize,
}

impl<S: Service<Session = ()>> Service for Counted<S> {
    type Session = ();

    const LENDS_PEER: bool = S::LENDS_PEER;

    #[inline]
    fn received(&mut self, peer: &mut Peer<'_>, session: &mut (), bytes: &[u8]) -> usize {
        self.service.received(peer, session, bytes)
    }

    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut ()) {
        self.service.opened(peer, session);
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut ()) {
        self.service.writable(peer, session);
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut (), untaken: usize) {
        self.service.read_closed(peer, session, untaken);
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut ()) {
        self.service.timer_expired(peer, session);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut (), reason: CloseReason) {
        self.service.closed(peer, session, reason);
        self.closed += 1;
    }
}

/// Echoes each message in 16 sends.
pub(super) struct Pieces;

impl Service for Pieces {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
        let size = bytes.len().div_ceil(16).max(1);
        bytes.chunks(size).take_while(|piece| peer.send(piece).is_ok()).map(<[u8]>::len).sum()
    }
}

/// Echoes, and sets a timer for each message.
pub(super) struct Timers;

impl Service for Timers {
    type Session = ();

    #[inline]
    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
        peer.set_timer(Duration::from_secs(60));
        peer.send(bytes).map_or(0, |()| bytes.len())
    }
}

pub(crate) fn serve<P: FdSelector + Wait>(
    selector: Result<P, Error>,
    service: impl Service<Session = ()>,
    listener: TcpListener,
    connections: usize,
) {
    let slots = connections + 1;
    let mut platform =
        Platform::new(selector.expect("a selector"), slots).expect("memory for the sockets");
    let listener = platform.adopt(OwnedFd::from(listener)).expect("room for the listener");
    serve_over(platform, listener, service, Config::DEFAULT, connections);
}

/// Serves in the same way with an idle timeout.
pub(super) fn serve_idle(listener: TcpListener, connections: usize) {
    let slots = connections + 1;
    let selector = Epoll::new(slots).expect("a selector");
    let mut platform = Platform::new(selector, slots).expect("memory for the sockets");
    let listener = platform.adopt(OwnedFd::from(listener)).expect("room for the listener");
    let config = Config::DEFAULT.idle_timeout(Some(Duration::from_secs(600)));
    serve_over(platform, listener, Echo, config, connections);
}

/// Serves in the same way over `io_uring`.
pub(crate) fn serve_ring(listener: TcpListener, connections: usize) {
    let storage = UringStorage::leaked(connections + 1).expect("memory for the sockets");
    let mut platform = Uring::new(storage).unwrap_or_else(|error| {
        panic!("io_uring: {}", ::selkie::uring::uring_advice(error));
    });
    let listener = platform.adopt(OwnedFd::from(listener)).expect("room for the listener");
    serve_over(platform, listener, Echo, Config::DEFAULT, connections);
}

fn serve_over<P: Transport + Wait>(
    platform: P,
    listener: P::Source,
    service: impl Service<Session = ()>,
    config: Config,
    connections: usize,
) {
    let slots = connections + 1;
    let mut server_memory =
        HeapServer::<P::Source, ()>::new(slots, BLOCKS, READ_MAX).expect("memory");
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(slots, BATCH).expect("memory"));
    let service = Counted { service, closed: 0 };
    let mut server = Server::new(service, config, server_memory.storage());
    server.listen(&mut event_loop.context(), listener).expect("room for the listener");
    while server.service().closed < connections {
        event_loop.run_once(&mut server).expect("a wait");
    }
}
