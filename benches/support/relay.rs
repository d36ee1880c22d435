//! A relay of two connections: each gets what the other sends. By hand on the loop and the
//! platform, and as a service of the server.

use std::net::TcpListener;
use std::os::fd::OwnedFd;

use ::selkie::memory::{HeapLoop, HeapServer};
use ::selkie::platform::Transport;
use ::selkie::platform::{Epoll, Platform, Socket};
use ::selkie::{
    CloseReason, Config, Context, Event, EventLoop, Handler, Interest, Mode, Peer, Server, Service,
    Token,
};

use super::BATCH;

/// The size of a read and of what waits in each direction, for both relays alike.
const BUFFER_SIZE: usize = 64 * 1024;
/// A listener and two connections.
const SLOTS: usize = 3;

fn platform(listener: TcpListener) -> (Platform<Epoll<'static>>, Socket) {
    let selector = Epoll::new(SLOTS).expect("a selector");
    let mut platform = Platform::new(selector, SLOTS).expect("memory for the sockets");
    let listener = platform.adopt(OwnedFd::from(listener)).expect("room for the listener");
    (platform, listener)
}

/// Relays by hand until both connections are closed.
pub(crate) fn by_hand(listener: TcpListener) {
    let (platform, listener) = platform(listener);
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(SLOTS, BATCH).expect("memory"));
    let mut context = event_loop.context();
    let token = context.register(listener, Interest::READABLE, Mode::Level).expect("room");
    let mut relay = ByHand { listener: (listener, token), sides: Vec::with_capacity(2), ended: 0 };
    while relay.ended < 2 {
        event_loop.run_once(&mut relay).expect("a wait");
    }
}

/// One connection of the relay by hand, and what waits to be sent to it.
struct Side {
    source: Socket,
    token: Token,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The other side has ended its stream.
    is_last: bool,
    interest: Interest,
}

struct ByHand {
    listener: (Socket, Token),
    sides: Vec<Side>,
    ended: usize,
}

impl Handler<Platform<Epoll<'static>>> for ByHand {
    fn ready(&mut self, context: &mut Context<'_, Platform<Epoll<'static>>>, event: Event) {
        if event.token == self.listener.1 {
            return self.accept(context);
        }
        let Some(from) = self.sides.iter().position(|side| side.token == event.token) else {
            return;
        };
        if self.sides.len() < 2 {
            return;
        }
        self.read(context, from);
        self.write(context, from);
        self.write(context, 1 - from);
        for side in 0..2 {
            self.watch(context, side);
        }
    }
}

impl ByHand {
    fn accept(&mut self, context: &mut Context<'_, Platform<Epoll<'static>>>) {
        while let Ok(source) = context.platform.accept(self.listener.0) {
            let interest = Interest::READABLE;
            let token = context.register(source, interest, Mode::Level).expect("room");
            let buffer = vec![0; BUFFER_SIZE].into_boxed_slice();
            let side = Side { source, token, buffer, start: 0, end: 0, is_last: false, interest };
            self.sides.push(side);
        }
    }

    /// Reads from a side into the buffer of the other one, if that is empty.
    fn read(&mut self, context: &mut Context<'_, Platform<Epoll<'static>>>, from: usize) {
        let source = self.sides[from].source;
        let to = &mut self.sides[1 - from];
        if to.start < to.end || to.is_last {
            return;
        }
        match context.platform.read(source, &mut to.buffer) {
            Ok(0) => to.is_last = true,
            Ok(count) => (to.start, to.end) = (0, count),
            Err(error) => assert!(error.is_would_block(), "a read: {error}"),
        }
        if to.is_last {
            self.ended += 1;
            context.platform.shutdown_write(to.source).expect("an open connection");
        }
    }

    fn write(&mut self, context: &mut Context<'_, Platform<Epoll<'static>>>, to: usize) {
        let to = &mut self.sides[to];
        while to.start < to.end {
            match context.platform.write(to.source, &to.buffer[to.start..to.end]) {
                Ok(count) => to.start += count,
                Err(error) if error.is_would_block() => return,
                Err(error) => panic!("a write: {error}"),
            }
        }
    }

    /// Watches a side for what can go on.
    fn watch(&mut self, context: &mut Context<'_, Platform<Epoll<'static>>>, side: usize) {
        let other = &self.sides[1 - side];
        let mut interest = Interest::NONE;
        if other.start == other.end && !other.is_last {
            interest |= Interest::READABLE;
        }
        let side = &mut self.sides[side];
        if side.start < side.end {
            interest |= Interest::WRITABLE;
        }
        if side.interest != interest {
            side.interest = interest;
            context.modify(side.source, side.token, interest, Mode::Level).expect("registered");
        }
    }
}

/// The relay as a service. What a side does not take stays with the server.
#[derive(Debug, Default)]
struct Relay {
    /// By the slot of a connection: the connection at the other side.
    others: [Option<Token>; SLOTS],
    first: Option<Token>,
    closed: usize,
}

impl Service for Relay {
    type Session = ();

    fn opened(&mut self, peer: &mut Peer<'_>, _session: &mut ()) {
        let token = peer.token();
        let Some(other) = self.first else {
            self.first = Some(token);
            return;
        };
        self.others[token.index()] = Some(other);
        self.others[other.index()] = Some(token);
        peer.resume_reading_of(other);
    }

    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
        let Some(other) = self.others[peer.token().index()] else { return 0 };
        let sent = peer.send_some_to(other, bytes);
        if sent < bytes.len() {
            peer.request_writable_of(other);
        }
        sent
    }

    fn writable(&mut self, peer: &mut Peer<'_>, _session: &mut ()) {
        if let Some(other) = self.others[peer.token().index()] {
            peer.resume_reading_of(other);
        }
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, _session: &mut (), untaken: usize) {
        if let (0, Some(other)) = (untaken, self.others[peer.token().index()]) {
            peer.shutdown_write_of(other);
        }
    }

    fn closed(&mut self, _peer: &mut Peer<'_>, _session: &mut (), reason: CloseReason) {
        assert_eq!(reason, CloseReason::Finished);
        self.closed += 1;
    }
}

/// Relays by a service until both connections are closed.
pub(crate) fn served(listener: TcpListener) {
    let (platform, listener) = platform(listener);
    let memory = HeapServer::<Socket, ()>::new(SLOTS, 2 * SLOTS, BUFFER_SIZE).expect("memory");
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(SLOTS, BATCH).expect("memory"));
    let mut server = Server::new(Relay::default(), Config::DEFAULT, memory);
    server.listen(&mut event_loop.context(), listener).expect("room for the listener");
    while server.service().closed < 2 {
        event_loop.run_once(&mut server).expect("a wait");
    }
}
