//! The whole of ours: platform, loop, server, and the echo service of the examples.

use std::net::TcpListener;
use std::os::fd::OwnedFd;

use ::selkie::{
    CloseReason, Config, Error, EventLoop, FdSelector, HeapLoop, HeapServer, Peer, Platform,
    Server, Service, Socket, Wait,
};
use selkie_services::Echo;

use super::READ_MAX;
use crate::support::BATCH;

/// The number of buffers: only connections with pending output take one.
const BLOCKS: usize = 64;

/// The echo service, and how many of its connections are closed, so that the benchmark knows when
/// to end.
struct Counted {
    echo: Echo,
    closed: usize,
}

impl Service for Counted {
    type Session = ();

    #[inline]
    fn received(&mut self, peer: &mut Peer<'_>, session: &mut (), bytes: &[u8]) -> usize {
        self.echo.received(peer, session, bytes)
    }

    fn closed(&mut self, _peer: &mut Peer<'_>, _session: &mut (), _reason: CloseReason) {
        self.closed += 1;
    }
}

pub(crate) fn serve<S: FdSelector + Wait>(
    selector: Result<S, Error>,
    listener: TcpListener,
    connections: usize,
) {
    let slots = connections + 1;
    let mut platform =
        Platform::new(selector.expect("a selector"), slots).expect("memory for the sockets");
    let listener = platform.adopt(OwnedFd::from(listener)).expect("room for the listener");
    let mut server_memory = HeapServer::<Socket, ()>::new(slots, BLOCKS, READ_MAX);
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(slots, BATCH));
    let service = Counted { echo: Echo, closed: 0 };
    let mut server = Server::new(service, Config::DEFAULT, server_memory.storage());
    server.listen(&mut event_loop.context(), listener).expect("room for the listener");
    while server.service().closed < connections {
        event_loop.run_once(&mut server).expect("a wait");
    }
}
