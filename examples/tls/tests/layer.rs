//! The layer against a client in the same process: all that a network may do, step by step.
#![cfg(unix)]

mod certificate;

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use selkie_core::layers::Ending;
use selkie_core::testing::{Recorder, Request};
use selkie_core::{CloseReason, Peer, SendError, Service, Token};
use selkie_tls::{Tls, TlsCounters};

const CLIENT: Token = Token::new(0, 1);
/// The room of an outbox.
const ROOM: usize = 4096;
const OTHER: Token = Token::new(1, 1);

/// Echoes, unless told otherwise, and writes its calls down.
#[derive(Default)]
struct Script {
    calls: Vec<String>,
    takes_nothing: bool,
    /// The bytes without which it takes nothing.
    least: usize,
    /// The bytes that it has taken, if it keeps them instead of echoing.
    kept: Option<Vec<u8>>,
    /// The length of what it was offered last.
    offered: usize,
    aborts: bool,
    sends_to: Option<Token>,
    /// The result of the last send.
    sent: Option<Result<(), SendError>>,
}

impl Service for Script {
    type Session = ();

    fn opened(&mut self, _: &mut Peer<'_>, (): &mut ()) {
        self.calls.push("opened".to_owned());
    }

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        self.offered = bytes.len();
        if self.takes_nothing || bytes.len() < self.least {
            return 0;
        }
        if self.aborts {
            peer.abort();
        }
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
            return bytes.len();
        }
        if bytes == b"bye" {
            peer.close();
        }
        let target = self.sends_to.unwrap_or_else(|| peer.token());
        self.sent = Some(peer.send_to(target, bytes));
        if let Some(Err(SendError::Full | SendError::TooLong)) = self.sent {
            peer.request_writable();
            return peer.send_some_to(target, bytes);
        }
        bytes.len()
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, (): &mut (), untaken: usize) {
        self.calls.push(format!("read_closed {untaken}"));
        if untaken == 0 {
            let _ = peer.send(b"last words");
            peer.close();
        }
    }

    fn closed(&mut self, _: &mut Peer<'_>, (): &mut (), _: CloseReason) {
        self.calls.push("closed".to_owned());
    }
}

/// A client, and the bytes on their way to the server.
struct Client {
    token: Token,
    tls: ClientConnection,
    underway: Vec<u8>,
    received: Vec<u8>,
    has_goodbye: bool,
    /// The server has closed the connection.
    ending: Option<Ending>,
}

struct Rig {
    server: Tls<Script>,
    recorder: Recorder<ROOM>,
    /// The room that there is again when the peer has taken all.
    room: usize,
}

impl Rig {
    fn new() -> Option<(Self, Arc<ClientConfig>)> {
        let (server, certificate) = certificate::server_config()?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("it is well-formed");
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let server = Tls::new(Script::default(), Arc::new(server), 2);
        Some((Self { server, recorder: Recorder::new(), room: ROOM }, Arc::new(client)))
    }

    fn connect(&mut self, token: Token, config: &Arc<ClientConfig>) -> Client {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::clone(config), name).expect("a configuration");
        self.server.opened(&mut self.recorder.peer(token), &mut ());
        let (underway, received) = (Vec::new(), Vec::new());
        Client { token, tls, underway, received, has_goodbye: false, ending: None }
    }

    /// Passes bytes on in both directions, `step` at a time, until nothing moves.
    fn exchange(&mut self, client: &mut Client, step: usize) {
        loop {
            while client.tls.wants_write() {
                client.tls.write_tls(&mut client.underway).expect("a vector takes all");
            }
            let offered = &client.underway[..client.underway.len().min(step)];
            let peer = &mut self.recorder.peer(client.token);
            let taken = self.server.received(peer, &mut (), offered);
            client.underway.drain(..taken);
            let moved = self.take(client) + taken;
            if moved == 0 {
                return;
            }
        }
    }

    /// Takes what the server has sent and asked for. Returns the number of bytes.
    fn take(&mut self, client: &mut Client) -> usize {
        let sent = self.recorder.sent_to(client.token).to_vec();
        let requests = self.recorder.requests().to_vec();
        self.recorder.clear();
        self.recorder.set_room(self.room);
        let mut rest = &sent[..];
        while !rest.is_empty() && client.tls.read_tls(&mut rest).is_ok() {
            let Ok(state) = client.tls.process_new_packets() else { break };
            client.has_goodbye |= state.peer_has_closed();
            let mut bytes = vec![0; state.plaintext_bytes_to_read()];
            client.tls.reader().read_exact(&mut bytes).expect("it says how many there are");
            client.received.extend(bytes);
        }
        for request in &requests {
            if let Request::Close(token, ending) = *request {
                client.ending = Some(ending).filter(|_| token == client.token);
            }
        }
        if requests.contains(&Request::RequestWritable(client.token)) {
            self.server.writable(&mut self.recorder.peer(client.token), &mut ());
        }
        sent.len()
    }
}

impl Client {
    fn say(&mut self, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).expect("its buffer takes it");
    }
}

/// Makes a rig with one client, or says that it cannot.
fn rig() -> Option<(Rig, Client, Arc<ClientConfig>)> {
    let (mut rig, config) = Rig::new()?;
    let client = rig.connect(CLIENT, &config);
    Some((rig, client, config))
}

#[test]
fn bytes_come_back_however_they_are_cut() {
    for step in [1, 2, 100, usize::MAX] {
        let Some((mut rig, mut client, _)) = rig() else { return };
        client.say(b"hello");
        rig.exchange(&mut client, step);
        assert_eq!(client.received, b"hello");
        assert_eq!(rig.server.inner().calls, ["opened"], "once the handshake is complete");
        rig.server.closed(&mut rig.recorder.peer(CLIENT), &mut (), CloseReason::Finished);
        assert_eq!(rig.server.inner().calls, ["opened", "closed"]);
    }
}

#[test]
fn each_side_says_goodbye() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    client.say(b"bye");
    rig.exchange(&mut client, usize::MAX);
    assert_eq!((client.has_goodbye, client.ending), (true, Some(Ending::Flushed)));

    let Some((mut rig, mut client, _)) = self::rig() else { return };
    rig.exchange(&mut client, usize::MAX);
    client.say(b"hello");
    client.tls.send_close_notify();
    rig.exchange(&mut client, usize::MAX);
    assert_eq!(rig.server.inner().calls, ["opened", "read_closed 0"]);
    assert_eq!(client.received, b"hellolast words", "it still reads");
    assert_eq!((client.has_goodbye, client.ending), (true, Some(Ending::Flushed)));
    rig.server.read_closed(&mut rig.recorder.peer(CLIENT), &mut (), 0);
    assert_eq!(rig.server.counters().truncated, 0);
}

#[test]
fn a_stream_that_ends_without_goodbye_is_aborted() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    client.say(b"hello");
    rig.exchange(&mut client, usize::MAX);
    rig.server.read_closed(&mut rig.recorder.peer(CLIENT), &mut (), 0);
    rig.take(&mut client);
    assert_eq!(client.ending, Some(Ending::Aborted));
    assert_eq!(rig.server.counters().truncated, 1);
    assert_eq!(rig.server.inner().calls, ["opened"], "it takes no cut stream for a whole one");
}

#[test]
fn a_goodbye_among_the_bytes_that_were_left_is_waited_for() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    rig.exchange(&mut client, usize::MAX);
    rig.server.inner_mut().takes_nothing = true;
    client.say(&vec![b'x'; 40_000]);
    client.tls.send_close_notify();
    rig.exchange(&mut client, usize::MAX);
    let left = client.underway.len();
    assert!(left > 16_000, "the goodbye is in the {left} bytes that are left");
    rig.server.read_closed(&mut rig.recorder.peer(CLIENT), &mut (), left);
    rig.take(&mut client);
    assert_eq!((client.ending, rig.server.counters().truncated), (None, 0));

    rig.server.inner_mut().takes_nothing = false;
    rig.exchange(&mut client, usize::MAX);
    assert!(client.underway.is_empty(), "all is taken");
    rig.server.read_closed(&mut rig.recorder.peer(CLIENT), &mut (), 0);
    rig.take(&mut client);
    assert_eq!(client.received, [&vec![b'x'; 40_000][..], b"last words"].concat());
    assert_eq!(client.ending, Some(Ending::Flushed));
    assert_eq!(rig.server.counters().truncated, 0);
}

/// The most bytes in one record.
const RECORD: usize = 16 << 10;

#[test]
fn bytes_beyond_the_limit_before_a_goodbye_all_reach_the_inner_service() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    rig.server.inner_mut().takes_nothing = true;
    rig.server.inner_mut().kept = Some(Vec::new());
    client.say(&[b'x'; 100]);
    rig.exchange(&mut client, usize::MAX);
    client.say(&[b'y'; RECORD]);
    // In one piece with the record, so that it is read before there is room again.
    client.tls.send_close_notify();
    rig.exchange(&mut client, usize::MAX);
    assert_eq!(rig.server.inner().calls, ["opened", "read_closed 16384"]);
    rig.server.inner_mut().takes_nothing = false;
    rig.exchange(&mut client, usize::MAX);
    let script = rig.server.inner();
    let kept = script.kept.as_deref().unwrap_or_default();
    assert_eq!(kept.len(), 100 + RECORD);
    assert!(kept == [&[b'x'; 100][..], &[b'y'; RECORD]].concat(), "in their order");
    assert_eq!(script.calls, ["opened", "read_closed 16384", "read_closed 0"]);
    assert_eq!(client.ending, Some(Ending::Flushed));
}

#[test]
fn bytes_beyond_the_limit_are_offered_without_a_further_event() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    rig.server.inner_mut().least = 101;
    rig.server.inner_mut().kept = Some(Vec::new());
    client.say(&[b'x'; 100]);
    rig.exchange(&mut client, usize::MAX);
    client.say(&[b'y'; RECORD]);
    while client.tls.wants_write() {
        client.tls.write_tls(&mut client.underway).expect("a vector takes all");
    }
    let bytes = std::mem::take(&mut client.underway);
    let taken = rig.server.received(&mut rig.recorder.peer(CLIENT), &mut (), &bytes);
    let script = rig.server.inner();
    assert_eq!((taken, script.kept.as_ref().map(Vec::len)), (bytes.len(), Some(RECORD)));
    assert_eq!(script.offered, 100, "the end of the record, when it was taken up to there");
}

#[test]
fn an_aborted_connection_is_offered_nothing_more() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    rig.exchange(&mut client, usize::MAX);
    rig.server.inner_mut().aborts = true;
    rig.server.inner_mut().kept = Some(Vec::new());
    for _ in 0..3 {
        client.say(&[b'x'; 5000]);
    }
    client.tls.send_close_notify();
    rig.exchange(&mut client, usize::MAX);
    assert_eq!(rig.server.inner().kept.as_ref().map(Vec::len), Some(5000));
    assert_eq!(rig.server.inner().calls, ["opened"]);
    assert_eq!(client.ending, Some(Ending::Aborted));
}

#[test]
fn what_is_no_tls_gets_an_alert_and_the_inner_service_nothing() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    let peer = &mut rig.recorder.peer(CLIENT);
    let garbage = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(rig.server.received(peer, &mut (), garbage), garbage.len());
    assert_eq!(rig.recorder.sent_to(CLIENT)[0], 21, "an alert");
    rig.take(&mut client);
    assert_eq!(client.ending, Some(Ending::Flushed));
    assert_eq!(rig.server.counters().failed, 1);
    rig.server.closed(&mut rig.recorder.peer(CLIENT), &mut (), CloseReason::Closed);
    assert!(rig.server.inner().calls.is_empty());

    // A record that was changed on its way.
    let Some((mut rig, mut client, _)) = self::rig() else { return };
    rig.exchange(&mut client, usize::MAX);
    client.say(b"hello");
    client.tls.write_tls(&mut client.underway).expect("a vector takes all");
    *client.underway.last_mut().expect("a record") ^= 1;
    rig.exchange(&mut client, usize::MAX);
    assert_eq!((client.ending, rig.server.counters().failed), (Some(Ending::Flushed), 1));
    assert!(client.received.is_empty());
}

#[test]
fn a_handshake_has_its_time() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    client.tls.write_tls(&mut client.underway).expect("a vector takes all");
    let half = client.underway.len() / 2;
    let peer = &mut rig.recorder.peer(CLIENT);
    rig.server.received(peer, &mut (), &client.underway[..half]);
    let requests = rig.recorder.requests();
    assert!(matches!(requests[0], Request::SetTimer(CLIENT, Some(_))), "{requests:?}");
    rig.server.timer_expired(&mut rig.recorder.peer(CLIENT), &mut ());
    rig.take(&mut client);
    assert_eq!((client.ending, rig.server.counters().timed_out), (Some(Ending::Aborted), 1));
}

#[test]
fn a_peer_that_takes_nothing_leaves_no_room() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    rig.exchange(&mut client, usize::MAX);
    rig.room = 0;
    rig.recorder.set_room(0);
    client.say(&[b'x'; 3000]);
    rig.exchange(&mut client, usize::MAX);
    assert_eq!(rig.server.inner().sent, Some(Err(SendError::Full)));
    // It takes a little: a small record, and no more than that.
    rig.recorder.set_room(100);
    rig.server.writable(&mut rig.recorder.peer(CLIENT), &mut ());
    assert_eq!(rig.server.inner().sent, Some(Err(SendError::Full)));
    rig.room = ROOM;
    rig.recorder.set_room(ROOM);
    rig.server.writable(&mut rig.recorder.peer(CLIENT), &mut ());
    rig.exchange(&mut client, usize::MAX);
    assert_eq!(client.received, [b'x'; 3000]);
}

#[test]
fn a_service_that_takes_nothing_is_read_for_no_further() {
    let Some((mut rig, mut client, _)) = rig() else { return };
    rig.exchange(&mut client, usize::MAX);
    rig.server.inner_mut().takes_nothing = true;
    client.tls.set_buffer_limit(None);
    client.say(&vec![b'x'; 500_000]);
    rig.exchange(&mut client, 16 << 10);
    assert!(client.underway.len() > 400_000, "{} bytes are left", client.underway.len());
    rig.server.inner_mut().takes_nothing = false;
    rig.exchange(&mut client, 16 << 10);
    assert_eq!((client.underway.len(), client.received.len()), (0, 500_000));
}

#[test]
fn a_service_sends_to_others_through_the_layer() {
    let Some((mut rig, mut client, config)) = rig() else { return };
    let mut other = rig.connect(OTHER, &config);
    rig.server.inner_mut().sends_to = Some(OTHER);
    client.say(b"early");
    rig.exchange(&mut client, usize::MAX);
    assert_eq!(rig.server.inner().sent, Some(Err(SendError::Closed)), "before its handshake");
    rig.exchange(&mut other, usize::MAX);
    client.say(b"hello");
    // What is sent to the other is taken from the recorder by name.
    while client.tls.wants_write() {
        client.tls.write_tls(&mut client.underway).expect("a vector takes all");
    }
    let bytes = std::mem::take(&mut client.underway);
    rig.server.received(&mut rig.recorder.peer(CLIENT), &mut (), &bytes);
    rig.take(&mut other);
    assert_eq!(other.received, b"hello");
    let counters = rig.server.counters();
    assert_eq!((counters.handshakes, counters.failed), (2, 0));
    assert_ne!(*counters, TlsCounters::default());
}
