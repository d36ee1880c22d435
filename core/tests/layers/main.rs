//! Layers, over a recorded peer and over a server.

mod logging;
mod relaying;

use std::time::Duration;

use selkie_core::layers::{Ending, Framed, FramedSession};
use selkie_core::peers::{Origin, Peers};
use selkie_core::testing::{Recorder, Request};
use selkie_core::{CloseReason, Error, ErrorKind, Peer, SendError, Service, Token};

const CLIENT: Token = Token::new(3, 1);
const OTHER: Token = Token::new(4, 1);

/// Keeps what it is called with, and does what the messages say.
#[derive(Default)]
struct Commands {
    calls: Vec<String>,
}

impl Service for Commands {
    type Session = u32;

    const CONNECTS: bool = true;
    const TICK: Option<Duration> = Some(Duration::from_secs(1));

    fn tick(&mut self, peers: &mut Peers<'_>) {
        peers.send_to(CLIENT, b"tick").expect("there is room");
    }

    fn opened(&mut self, peer: &mut Peer<'_>, _: &mut u32) {
        peer.send(b"welcome").expect("there is room");
    }

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut u32, message: &[u8]) -> usize {
        *session += 1;
        self.calls.push(String::from_utf8_lossy(message).into_owned());
        match message {
            b"leave" => return 0,
            b"pause" => peer.pause_reading(),
            b"close" => peer.close(),
            b"other" => peer.send_to(OTHER, b"hello").expect("there is room"),
            b"parts" => peer.send_parts(&[b"a", b"b", b"c", b"d"]).expect("there is room"),
            b"connect" => {
                let address = ([127, 0, 0, 1], 80).into();
                assert_eq!(peer.connect(address), Err(Error::new(ErrorKind::Unsupported)));
            }
            b"room" => {
                let room = peer.room();
                assert_eq!(peer.send(&vec![0; room + 1]), Err(SendError::Full));
                assert_eq!(peer.send_some(&vec![0; room + 1]), 0, "no message is split");
                assert_eq!(peer.send_some(&vec![0; room]), room);
            }
            _ => {}
        }
        message.len()
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, _: &mut u32, untaken: usize) {
        self.calls.push(format!("end {untaken}"));
        peer.shutdown_write();
    }

    fn closed(&mut self, peer: &mut Peer<'_>, _: &mut u32, reason: CloseReason) {
        self.calls.push(format!("closed {reason} {:?}", peer.listener()));
    }
}

fn framed(messages: &[&[u8]]) -> Vec<u8> {
    let frame = |message: &&[u8]| {
        let mut frame = u32::try_from(message.len()).expect("it is short").to_be_bytes().to_vec();
        frame.extend_from_slice(message);
        frame
    };
    messages.iter().flat_map(frame).collect()
}

/// Offers bytes to a framed service. Returns the number that it takes, and its calls.
fn offer(bytes: &[u8], recorder: &mut Recorder<256>) -> (usize, Vec<String>) {
    let mut service = Framed::new(Commands::default());
    let mut session = FramedSession::default();
    let taken = service.received(&mut recorder.peer(CLIENT), &mut session, bytes);
    (taken, service.into_inner().calls)
}

#[test]
fn messages_are_offered_whole_however_they_are_cut() {
    let bytes = framed(&[b"one", b"", b"three"]);
    let mut service = Framed::new(Commands::default());
    let mut session = FramedSession::default();
    let mut recorder = Recorder::<256>::new();
    let mut from = 0;
    for end in 0..=bytes.len() {
        from += service.received(&mut recorder.peer(CLIENT), &mut session, &bytes[from..end]);
    }
    assert_eq!(from, bytes.len());
    assert_eq!(service.inner().calls, ["one", "", "three"]);
    assert_eq!(session.inner, 3);
}

#[test]
fn a_message_that_is_left_is_offered_again() {
    let bytes = framed(&[b"one", b"leave", b"three"]);
    assert_eq!(offer(&bytes, &mut Recorder::new()), (7, vec!["one".into(), "leave".into()]));
}

#[test]
fn nothing_is_offered_after_a_service_has_stopped() {
    for command in [&b"pause"[..], b"close"] {
        let bytes = framed(&[command, b"next"]);
        let mut recorder = Recorder::new();
        let (taken, calls) = offer(&bytes, &mut recorder);
        assert_eq!((taken, calls.len()), (9, 1));
        assert_eq!(recorder.requests().len(), 1);
    }
}

#[test]
fn a_message_that_can_never_fit_ends_the_connection() {
    let mut recorder = Recorder::new();
    let (taken, calls) = offer(&[0, 0, 0, 253, 1, 2], &mut recorder);
    assert_eq!((taken, calls.len()), (6, 0));
    assert_eq!(recorder.requests(), [Request::Close(CLIENT, Ending::Aborted)]);
    let (taken, _) = offer(&[0, 0, 0, 252, 1, 2], &mut Recorder::new());
    assert_eq!(taken, 0, "this one fits");
}

#[test]
fn sends_are_framed_also_to_others_and_from_ticks() {
    let mut recorder = Recorder::new();
    offer(&framed(&[b"other", b"parts", b"connect"]), &mut recorder);
    assert_eq!(recorder.sent_to(OTHER), framed(&[b"hello"]));
    assert_eq!(recorder.sent_to(CLIENT), framed(&[b"abcd"]));
    let mut recorder = Recorder::<256>::new();
    let mut service = Framed::new(Commands::default());
    service.tick(&mut recorder.peers());
    service.opened(&mut recorder.peer(CLIENT), &mut FramedSession::default());
    assert_eq!(recorder.sent_to(CLIENT), framed(&[b"tick", b"welcome"]));
    const { assert!(<Framed<Commands> as Service>::CONNECTS) };
    assert_eq!(<Framed<Commands> as Service>::TICK, Commands::TICK);
}

#[test]
fn room_is_that_of_a_message() {
    let mut recorder = Recorder::new();
    recorder.set_room(20);
    offer(&framed(&[b"room"]), &mut recorder);
    assert_eq!(recorder.sent_to(CLIENT), framed(&[&[0; 16]]));
    recorder.set_room(3);
    offer(&framed(&[b"other"[..0].as_ref()]), &mut recorder);
    assert_eq!(recorder.peer(CLIENT).room(), 3);
}

#[test]
fn the_beginning_of_a_message_does_not_count_at_the_end() {
    let mut recorder = Recorder::<256>::new();
    recorder.set_origin(Origin::Accepted(OTHER), None);
    let mut service = Framed::new(Commands::default());
    let mut session = FramedSession::default();
    for bytes in [b"\0\0\0\x05part".as_slice(), b"\0\0\0\x05leave"] {
        let taken = service.received(&mut recorder.peer(CLIENT), &mut session, bytes);
        assert_eq!(taken, 0);
        service.read_closed(&mut recorder.peer(CLIENT), &mut session, bytes.len());
    }
    service.closed(&mut recorder.peer(CLIENT), &mut session, CloseReason::Finished);
    let calls = &service.inner().calls;
    assert_eq!(calls[..3], ["end 0", "leave", "end 9"]);
    assert!(calls[3].starts_with("closed finished Some"), "{calls:?}");
    assert_eq!(recorder.requests(), [Request::ShutdownWrite(CLIENT); 2]);
}
