//! A relay over a recorded peer. The example `proxy` has it over sockets.

use std::net::SocketAddr;

use selkie_core::layers::{Ending, Relay, RelaySession, Route};
use selkie_core::peers::Origin;
use selkie_core::testing::{Recorder, Request};
use selkie_core::{CloseReason, Error, ErrorKind, Peer, Service, Token};

const CLIENT: Token = Token::new(3, 1);
const TARGET: Token = Token::new(4, 1);

/// Two addresses, and counts.
#[derive(Default)]
struct Two {
    joined: usize,
    failed: usize,
}

fn address(number: u16) -> SocketAddr {
    ([192, 0, 2, 1], number).into()
}

impl Route for Two {
    type Choice = u16;

    fn next(&mut self, _: &mut Peer<'_>, tried: &mut u16) -> Option<SocketAddr> {
        *tried += 1;
        (*tried <= 2).then(|| address(*tried))
    }

    fn joined(&mut self, target: &mut Peer<'_>, client: Token) {
        assert_eq!((target.token(), client), (TARGET, CLIENT));
        self.joined += 1;
        target.send(b"header").expect("there is room");
    }

    fn failed(&mut self, client: &mut Peer<'_>, _: &mut u16) {
        assert_eq!(client.token(), CLIENT);
        self.failed += 1;
    }
}

/// A relay with a client and its target.
struct Joined {
    relay: Relay<Two>,
    recorder: Recorder<64>,
    client: RelaySession<u16>,
    target: RelaySession<u16>,
}

impl Joined {
    /// Opens a client, whose attempt begins.
    fn opened() -> Self {
        let (relay, recorder) = (Relay::new(Two::default()), Recorder::new());
        let (client, target) = (RelaySession::default(), RelaySession::default());
        let mut this = Self { relay, recorder, client, target };
        this.recorder.set_connect(Ok(TARGET));
        this.relay.opened(&mut this.recorder.peer(CLIENT), &mut this.client);
        this
    }

    /// Opens a client and its target.
    fn with_target() -> Self {
        let mut this = Self::opened();
        this.recorder.clear();
        this.recorder.set_origin(Origin::Connected { by: Some(CLIENT) }, None);
        this.relay.opened(&mut this.recorder.peer(TARGET), &mut this.target);
        this
    }
}

#[test]
fn a_client_is_read_from_once_its_target_stands() {
    let mut this = Joined::opened();
    let connect = Request::Connect(Some(CLIENT), address(1), TARGET);
    assert_eq!(this.recorder.requests(), [Request::SetReading(CLIENT, false), connect]);
    this = Joined::with_target();
    assert_eq!(this.recorder.sent_to(TARGET), b"header");
    assert_eq!(this.recorder.requests(), [Request::SetReading(CLIENT, true)]);
    assert_eq!(this.relay.route().joined, 1);
}

#[test]
fn the_next_target_is_tried_when_one_fails_and_a_client_without_any_is_closed() {
    let mut this = Joined::opened();
    this.recorder.set_origin(Origin::Connected { by: Some(CLIENT) }, None);
    for requests in [
        vec![Request::Connect(Some(CLIENT), address(2), TARGET)],
        vec![Request::Close(CLIENT, Ending::Flushed)],
    ] {
        this.recorder.clear();
        let mut target = RelaySession::default();
        this.relay.closed(&mut this.recorder.peer(TARGET), &mut target, CloseReason::Refused);
        let now = this.recorder.peer(CLIENT).now();
        assert_eq!(this.recorder.requests(), [Request::SetTimer(CLIENT, Some(now))]);
        this.recorder.clear();
        this.relay.timer_expired(&mut this.recorder.peer(CLIENT), &mut this.client);
        assert_eq!(this.recorder.requests(), requests);
    }
    assert_eq!((this.relay.route().failed, this.relay.route().joined), (2, 0));
}

#[test]
fn attempts_that_cannot_begin_are_failures() {
    let (mut relay, mut recorder) = (Relay::new(Two::default()), Recorder::<64>::new());
    recorder.set_connect(Err(Error::new(ErrorKind::Full)));
    relay.opened(&mut recorder.peer(CLIENT), &mut RelaySession::default());
    assert_eq!(recorder.requests().last(), Some(&Request::Close(CLIENT, Ending::Flushed)));
    assert_eq!(relay.route_mut().failed, 2);
}

#[test]
fn each_direction_flows_and_ends_by_itself() {
    let Joined { mut relay, mut recorder, mut client, mut target } = Joined::with_target();
    recorder.clear();
    recorder.set_room(3);
    assert_eq!(relay.received(&mut recorder.peer(CLIENT), &mut client, b"hello"), 3);
    assert_eq!(recorder.sent_to(TARGET), b"hel");
    relay.writable(&mut recorder.peer(TARGET), &mut target);
    // The end is passed on behind the last byte.
    relay.read_closed(&mut recorder.peer(CLIENT), &mut client, 2);
    recorder.set_room(2);
    assert_eq!(relay.received(&mut recorder.peer(CLIENT), &mut client, b"lo"), 2);
    relay.read_closed(&mut recorder.peer(CLIENT), &mut client, 0);
    let requests = [
        Request::RequestWritable(TARGET),
        Request::SetReading(CLIENT, true),
        Request::ShutdownWrite(TARGET),
    ];
    assert_eq!(recorder.requests(), requests);
    recorder.set_room(2);
    assert_eq!(relay.received(&mut recorder.peer(TARGET), &mut target, b"ho"), 2);
    assert_eq!(recorder.sent_to(CLIENT), b"ho");
}

#[test]
fn an_orderly_end_closes_the_other_connection_and_any_other_end_aborts_it() {
    for (reason, ending) in
        [(CloseReason::Finished, Ending::Flushed), (CloseReason::Reset, Ending::Aborted)]
    {
        let Joined { mut relay, mut recorder, mut client, mut target } = Joined::with_target();
        recorder.clear();
        relay.closed(&mut recorder.peer(CLIENT), &mut client, reason);
        relay.closed(&mut recorder.peer(TARGET), &mut target, reason);
        let requests = [Request::Close(TARGET, ending), Request::Close(CLIENT, ending)];
        assert_eq!(recorder.requests(), requests);
    }
}
