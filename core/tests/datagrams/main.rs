//! Datagrams on a toy platform: every message reaches the service once, unchanged.

use std::collections::VecDeque;
use std::time::Duration;

use selkie_core::datagrams::{DatagramServer, DatagramService, DatagramSocket, Message};
use selkie_core::memory::StaticLoop;
use selkie_core::platform::{Capabilities, Datagram, Datagrams, Events, Selector};
use selkie_core::{Error, ErrorKind, Event, EventLoop, Instant, Interest, Mode, Readiness, Token};

/// The only socket.
const SOCKET: u8 = 0;

/// A message, and its sender.
type Sent = (Vec<u8>, Option<u16>);

/// A platform with one socket, whose peers are numbers.
#[derive(Debug, Default)]
struct Toy {
    registered: Option<(Token, Interest)>,
    waiting: VecDeque<Result<Sent, Error>>,
    sent: Vec<(Vec<u8>, u16)>,
    room: usize,
}

impl Selector for Toy {
    type Source = u8;

    fn register(&mut self, _: u8, token: Token, watch: Interest, _: Mode) -> Result<(), Error> {
        self.registered = Some((token, watch));
        Ok(())
    }

    fn modify(&mut self, _: u8, token: Token, watch: Interest, _: Mode) -> Result<(), Error> {
        self.registered = Some((token, watch));
        Ok(())
    }

    fn deregister(&mut self, _: u8, _: Token) -> Result<(), Error> {
        self.registered = None;
        Ok(())
    }

    fn poll(&mut self, _: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        let Some((token, interest)) = self.registered else { return Ok(()) };
        let mut readiness = Readiness::NONE;
        if interest.contains(Interest::READABLE) && !self.waiting.is_empty() {
            readiness |= Readiness::READABLE;
        }
        if interest.contains(Interest::WRITABLE) && self.room > 0 {
            readiness |= Readiness::WRITABLE;
        }
        if readiness != Readiness::NONE {
            events.push(Event { token, readiness }).expect("a batch has room for one");
        }
        Ok(())
    }

    fn next_deadline(&mut self, _: Instant) -> Option<Instant> {
        None
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn capacity(&self) -> usize {
        4
    }
}

impl Datagrams for Toy {
    type Address = u16;

    fn receive_from(&mut self, _: u8, buffer: &mut [u8]) -> Result<Datagram<u16>, Error> {
        let (bytes, sender) = self.waiting.pop_front().unwrap_or(Err(Error::WOULD_BLOCK))?;
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok(Datagram { length, is_truncated: length < bytes.len(), sender })
    }

    fn send_to(&mut self, _: u8, bytes: &[u8], address: &u16) -> Result<(), Error> {
        if self.room == 0 {
            return Err(Error::WOULD_BLOCK);
        }
        self.room -= 1;
        self.sent.push((bytes.to_vec(), *address));
        Ok(())
    }
}

/// Records its calls, and sends back what it can.
#[derive(Debug, Default)]
struct Recorder {
    calls: Vec<String>,
    unsent: Option<(Vec<u8>, u16)>,
}

impl DatagramService<u16> for Recorder {
    fn opened(&mut self, socket: &mut DatagramSocket<'_, u16>) {
        socket.set_timer(Duration::from_secs(1));
    }

    fn received(&mut self, socket: &mut DatagramSocket<'_, u16>, message: Message<'_, u16>) {
        let text = String::from_utf8_lossy(message.bytes);
        let cut = if message.is_truncated { " cut" } else { "" };
        self.calls.push(format!("{text}{cut} from {:?}", message.sender));
        let Some(sender) = message.sender else { return };
        if socket.send_to(message.bytes, &sender) == Err(Error::WOULD_BLOCK) {
            self.unsent = Some((message.bytes.to_vec(), sender));
            socket.request_writable();
        }
    }

    fn writable(&mut self, socket: &mut DatagramSocket<'_, u16>) {
        self.calls.push("writable".to_owned());
        if let Some((bytes, address)) = self.unsent.take() {
            socket.send_to(&bytes, &address).expect("there is room");
        }
    }

    fn timer_expired(&mut self, socket: &mut DatagramSocket<'_, u16>) {
        self.calls.push(format!("timer at {}", socket.now().as_nanos() / 1_000_000));
        socket.cancel_timer();
    }

    fn failed(&mut self, _: &mut DatagramSocket<'_, u16>, error: Error) {
        self.calls.push(format!("failed: {error}"));
    }
}

type Server = DatagramServer<Toy, Recorder, [u8; 4]>;

/// Starts a loop over a platform with messages, and a server of its socket.
fn started(room: usize) -> (EventLoop<Toy, StaticLoop<4, 4>>, Server) {
    let toy = Toy { room, ..Toy::default() };
    let mut event_loop = EventLoop::new_at(toy, StaticLoop::new(), Instant::ZERO);
    let mut server = DatagramServer::new(Recorder::default(), [0; 4]);
    let token = server.open(&mut event_loop.context(), SOCKET).expect("there is a slot");
    assert!(server.owns(token));
    (event_loop, server)
}

#[test]
fn a_cut_message_and_a_sender_without_an_address_are_values() {
    let (mut event_loop, mut server) = started(9);
    let refused = Err(ErrorKind::ConnectionRefused.into());
    event_loop.platform.waiting.extend([
        Ok((b"whole".to_vec(), Some(7))),
        refused,
        Ok((b"anon".to_vec(), None)),
    ]);
    event_loop.turn(Instant::ZERO, &mut server).expect("the toy never fails");
    assert_eq!(
        server.service().calls,
        ["whol cut from Some(7)", "failed: connection refused", "anon from None"]
    );
    assert_eq!(event_loop.platform.sent, [(b"whol".to_vec(), 7)]);
    let counters = server.counters();
    assert_eq!((counters.received, counters.truncated, counters.unnamed), (2, 1, 1));
    assert_eq!((counters.sent, counters.failures), (1, 1));
}

#[test]
fn a_service_without_room_is_called_when_there_is_some() {
    let (mut event_loop, mut server) = started(0);
    event_loop.platform.waiting.push_back(Ok((b"a".to_vec(), Some(1))));
    event_loop.turn(Instant::ZERO, &mut server).expect("the toy never fails");
    event_loop.platform.room = 1;
    event_loop.turn(Instant::ZERO, &mut server).expect("the toy never fails");
    assert_eq!(server.service().calls, ["a from Some(1)", "writable"]);
    assert_eq!(event_loop.platform.sent, [(b"a".to_vec(), 1)]);
    // And not again: the room is no longer watched.
    event_loop.platform.room = 1;
    event_loop.turn(Instant::ZERO, &mut server).expect("the toy never fails");
    assert_eq!(server.service().calls.len(), 2);
    assert_eq!((server.counters().sent, server.counters().unsent), (1, 1));
}

#[test]
fn the_deadline_of_a_socket_passes_once_and_goes_with_it() {
    let (mut event_loop, mut server) = started(0);
    let at = |milliseconds| Instant::ZERO + Duration::from_millis(milliseconds);
    for milliseconds in [500, 1000, 1001, 5000] {
        event_loop.turn(at(milliseconds), &mut server).expect("the toy never fails");
    }
    assert_eq!(server.service().calls.len(), 1, "{:?}", server.service().calls);
    let sent = server.with(&mut event_loop.context_at(at(6000)), |_, socket| {
        socket.set_timer(Duration::from_secs(1));
        socket.send_to(b"x", &2)
    });
    assert_eq!(sent, Some(Err(Error::WOULD_BLOCK)));
    assert_eq!(server.release(&mut event_loop.context()), Ok(Some(SOCKET)));
    event_loop.turn(at(9000), &mut server).expect("the toy never fails");
    assert_eq!(server.service().calls.len(), 1);
    assert_eq!(event_loop.live_tokens(), 0);
    assert_eq!(server.with(&mut event_loop.context(), |_, _| ()), None);
}

#[test]
fn a_flood_of_messages_leaves_time_for_others() {
    let (mut event_loop, mut server) = started(0);
    let flood = (0..40).map(|_| Ok((b"x".to_vec(), None)));
    event_loop.platform.waiting.extend(flood);
    event_loop.turn(Instant::ZERO, &mut server).expect("the toy never fails");
    let first = server.counters().received;
    assert!((1..=16).contains(&first), "{first} messages in one turn");
    for _ in 0..3 {
        event_loop.turn(Instant::ZERO, &mut server).expect("the toy never fails");
    }
    assert_eq!(server.counters().received, 40);
}
