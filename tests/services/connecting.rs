//! Connections that a service asks for.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use selkie::platform::Backend;
use selkie::{CloseReason, Config, Peer, Service, Token};

use crate::server::{connect, listener, serve};
use crate::upstream::{refusing, silent};

/// Connects each client to one address, and carries bytes both ways.
struct Relay {
    upstream: SocketAddr,
    /// The outcomes of attempts that failed.
    failures: Vec<CloseReason>,
}

impl Relay {
    const fn new(upstream: SocketAddr) -> Self {
        Self { upstream, failures: Vec::new() }
    }
}

/// The other side of a connection, once both stand.
#[derive(Default)]
struct Side(Option<Token>);

impl Service for Relay {
    type Session = Side;

    const CONNECTS: bool = true;

    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut Side) {
        if let Some(client) = peer.opened_by() {
            session.0 = Some(client);
            peer.send_to(client, b"+").expect("a new connection has room");
        } else if let Ok(upstream) = peer.connect(self.upstream) {
            session.0 = Some(upstream);
        } else {
            // Loopback interfaces may refuse at once.
            self.failures.push(CloseReason::Refused);
            peer.send(b"-").expect("a new connection has room");
            peer.close();
        }
    }

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut Side, bytes: &[u8]) -> usize {
        session.0.map_or(0, |other| peer.send_some_to(other, bytes))
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut Side) {
        if let Some(other) = session.0 {
            peer.resume_reading_of(other);
        }
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut Side, untaken: usize) {
        if let (Some(other), 0) = (session.0, untaken) {
            peer.shutdown_write_of(other);
        }
    }

    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut Side, reason: CloseReason) {
        match (peer.opened_by(), session.0) {
            (Some(client), None) => {
                self.failures.push(reason);
                let _ = peer.send_to(client, b"-");
                peer.close_other(client);
            }
            (_, Some(other)) => peer.close_other(other),
            _ => {}
        }
    }
}

pub(crate) fn a_relay_carries_bytes_both_ways(backend: Backend) {
    let (upstream, address) = listener();
    let (relay, counters) = serve(backend, Config::DEFAULT, Relay::new(address), |[front, _]| {
        let mut client = connect(front);
        let (mut server, _) = upstream.accept().expect("the relay connects");
        let mut byte = [0];
        client.read_exact(&mut byte).expect("the relay says that it is connected");
        assert_eq!(&byte, b"+");
        let sent: Vec<u8> = (0..=255_u8).cycle().take(400_000).collect();
        let halves = [client.try_clone().unwrap(), server.try_clone().unwrap()];
        std::thread::scope(|scope| {
            for mut half in halves {
                let sent = &sent;
                scope.spawn(move || {
                    half.write_all(sent).expect("the relay takes all");
                    half.shutdown(Shutdown::Write).expect("it is still there");
                });
            }
            for half in [&mut client, &mut server] {
                let mut received = Vec::new();
                half.read_to_end(&mut received).expect("the relay passes the end on");
                assert!(received == sent, "{} of {}", received.len(), sent.len());
            }
        });
    });
    assert!(relay.failures.is_empty());
    assert_eq!((counters.accepted, counters.connects), (1, 1));
}

pub(crate) fn a_refused_attempt_is_told_once(backend: Backend) {
    let (_kept, address) = refusing();
    let (relay, _) = serve(backend, Config::DEFAULT, Relay::new(address), |[front, _]| {
        let mut answer = Vec::new();
        connect(front).read_to_end(&mut answer).expect("the relay closes");
        assert_eq!(answer, b"-");
    });
    assert_eq!(relay.failures, [CloseReason::Refused]);
}

pub(crate) fn a_silent_host_times_out(backend: Backend) {
    let (_kept, address) = silent();
    let timeout = Duration::from_millis(300);
    let config = Config::DEFAULT.connect_timeout(Some(timeout));
    let (relay, _) = serve(backend, config, Relay::new(address), |[front, _]| {
        let mut answer = Vec::new();
        connect(front).read_to_end(&mut answer).expect("the relay closes");
        assert_eq!(answer, b"-");
    });
    assert_eq!(relay.failures, [CloseReason::TimedOut]);
}
