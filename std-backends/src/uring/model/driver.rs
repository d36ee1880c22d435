//! The user of the platform: does anything that the contracts allow, and checks what it gets.

use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;

use selkie_core::platform::{Close, Events, Selector, Transport, Wake};
use selkie_core::{Error, ErrorKind, Event, Interest, Mode, Readiness, Token};

use super::kernel::Model;
use super::world::{Listener, User, byte, identity};
use super::{CLOCK, Faults};
use crate::Waker;
use crate::uring::memory::SHARED;
use crate::uring::{Uring, UringSocket, UringStorage};

/// Tokens: listeners, the waker, and from there on connections.
const WAKER: Token = Token::new(2, 1);
const FIRST: usize = 3;
/// Connections that are registered at most.
const SOCKETS: usize = 6;

/// A platform over the model, and its user.
pub(super) struct Driver {
    /// Dropped only after a run without a failure: the model may fail while it is entered.
    pub(super) platform: ManuallyDrop<Uring>,
    pub(super) model: Model,
    waker: Waker,
    generation: u32,
}

impl Driver {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let storage = UringStorage::leaked_for(FIRST + SOCKETS + 2, SOCKETS).expect("memory");
        let mut model = None;
        let setup = |params: &mut _| {
            let made = Model::new(params, seed, faults);
            let kernel = made.kernel();
            model = Some(made);
            Ok(kernel)
        };
        let mut platform = Uring::over(setup, storage).expect("the model refuses nothing here");
        let model = model.expect("the ring was set up");
        let waker = platform.waker(WAKER).expect("the token is vacant");
        let platform = ManuallyDrop::new(platform);
        let mut driver = Self { platform, model, waker, generation: 0 };
        driver.listen(0);
        driver.listen(1);
        driver
    }

    fn listen(&mut self, index: u32) {
        let platform = &mut self.platform;
        let source = platform.listen(([127, 0, 0, 1], 0).into(), 16).expect("a listener");
        let (token, fd) = (Token::new(index, 1), platform.fd(source).expect("it is open"));
        let identity = identity(fd.as_raw_fd());
        self.model.state().world.listeners.push(Listener { source, identity, waiting: 0 });
        platform.register(source, token, Interest::READABLE, Mode::Level).expect("it is vacant");
    }

    fn below(&self, limit: usize) -> usize {
        self.model.state().random.below(limit)
    }

    fn user(&self, id: usize) -> User {
        self.model.state().world.peers[id].user
    }

    fn change(&self, id: usize, change: impl FnOnce(&mut User)) {
        change(&mut self.model.state().world.peers[id].user);
    }

    /// Returns a connection that the user has.
    fn any(&self) -> Option<(usize, UringSocket)> {
        let mut state = self.model.state();
        let used: Vec<_> =
            (0..state.world.peers.len()).filter(|&id| state.world.peers[id].is_used()).collect();
        let id = *used.get(state.random.below(used.len()))?;
        Some((id, state.world.peers[id].user.source?))
    }

    /// Looks at the platform, and serves what it reports: partly, or to the end.
    pub(super) fn turn(&mut self, is_thorough: bool) {
        let mut slots = [Event { token: WAKER, readiness: Readiness::NONE }; 5];
        let room = 1 + self.below(slots.len());
        let mut events = Events::new(&mut slots[..room]);
        self.platform.poll(CLOCK, &mut events).expect("the model fails no poll");
        let count = events.len();
        self.check_buffers();
        let reported: Vec<Event> = slots[..count].to_vec();
        for event in reported {
            match event.token.index() {
                index if index < 2 => self.accept(index),
                2 => assert_eq!(event.token, WAKER),
                _ => self.ready(event, is_thorough),
            }
        }
    }

    /// Checks that no connection keeps the buffers of others.
    fn check_buffers(&mut self) {
        self.platform.buffers.check_provided();
        for index in 0..self.platform.endpoints.capacity() {
            let held = self.platform.endpoints.at(index).map_or(0, |(_, found)| found.input.held);
            let held_max = self.platform.held_max as usize + SHARED;
            assert!(held as usize <= held_max, "a connection keeps {held} buffers");
        }
    }

    fn accept(&mut self, index: usize) {
        let source = self.model.state().world.listeners[index].source;
        match self.platform.accept(source) {
            Ok(source) => {
                let fd = self.platform.fd(source).expect("it is open");
                let fd = fd.as_raw_fd();
                let id = self.model.state().world.find(fd).expect("the model has made it");
                assert!(self.user(id).source.is_none(), "a connection is accepted twice");
                self.open(id, source);
            }
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::WouldBlock
                        | ErrorKind::OutOfDescriptors
                        | ErrorKind::ConnectionAborted
                ),
                "{error:?}"
            ),
        }
    }

    fn open(&mut self, id: usize, source: UringSocket) {
        self.change(id, |user| user.source = Some(source));
        self.register(id, source);
    }

    fn register(&mut self, id: usize, source: UringSocket) {
        self.generation += 1;
        let index = self.model.state().world.free_index(FIRST);
        #[expect(clippy::cast_possible_truncation, reason = "few tokens")]
        let token = Token::new(index as u32, self.generation);
        let (interest, mode) = self.some_interest();
        self.platform.register(source, token, interest, mode).expect("a vacant token");
        self.change(id, |user| user.token = Some(token));
    }

    fn some_interest(&self) -> (Interest, Mode) {
        let interest = [
            Interest::READABLE,
            Interest::READABLE | Interest::WRITABLE,
            Interest::WRITABLE,
            Interest::NONE,
        ][self.below(4)];
        (interest, [Mode::Level, Mode::Level, Mode::Oneshot][self.below(3)])
    }

    fn ready(&mut self, event: Event, is_thorough: bool) {
        let found = self.model.state().world.with_token(event.token);
        let Some(id) = found else {
            panic!("an event for a token that is not registered: {event:?}");
        };
        let User { source: Some(source), closed: None, .. } = self.user(id) else { return };
        if !is_thorough && self.below(4) == 0 {
            return;
        }
        if event.readiness.is_readable() {
            self.read(id, source, is_thorough);
        }
    }

    /// Reads: takes all that is shown, or a part.
    fn read(&mut self, id: usize, source: UringSocket, is_thorough: bool) {
        let mut bytes = [0; 200];
        let size = if is_thorough { bytes.len() } else { 1 + self.below(bytes.len()) };
        let result = self.platform.peek(source, &mut bytes[..size]);
        let consumed = self.user(id).consumed;
        match result {
            Ok(0) => {
                let state = self.model.state();
                let peer = &state.world.peers[id];
                assert!(peer.has_ended, "connection {id} ends without its peer");
                let found = consumed + peer.user.left;
                assert_eq!(found, peer.sent, "connection {id} lost its last bytes");
            }
            Ok(count) => {
                for (offset, &found) in bytes[..count].iter().enumerate() {
                    let expected = byte(id, true, consumed + offset as u64);
                    assert_eq!(found, expected, "connection {id} receives a wrong byte");
                }
                let taken = if is_thorough { count } else { self.below(count + 1) };
                self.platform.consume(source, taken, count - taken);
                return self.change(id, |user| {
                    user.consumed += taken as u64;
                    user.left = (count - taken) as u64;
                });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => self.check_failure(id),
        }
        self.change(id, |user| user.saw_end = true);
    }

    /// Checks that a connection fails for a reason, and with all bytes that were received before.
    fn check_failure(&self, id: usize) {
        let state = self.model.state();
        let peer = &state.world.peers[id];
        assert!(peer.is_reset, "connection {id} fails without a reason");
        let found = peer.user.consumed + peer.user.left;
        assert_eq!(found, peer.given, "connection {id} lost bytes before its end");
    }

    /// Uses one connection in some way.
    pub(super) fn act(&mut self) {
        let Some((id, source)) = self.any() else { return };
        match self.below(12) {
            0..=4 => self.write(id, source),
            5 => self.shut_down(id, source),
            6 => self.close(id, source, Close::Graceful),
            7 => self.close(id, source, Close::Abort),
            8 | 9 => self.watch(id, source),
            10 => self.platform.submit().expect("the model fails no entry"),
            _ => self.waker.wake(),
        }
    }

    fn write(&mut self, id: usize, source: UringSocket) {
        let written = self.user(id).written;
        let count = 1 + self.below(300) as u64;
        let bytes: Vec<u8> = (0..count).map(|offset| byte(id, false, written + offset)).collect();
        match self.platform.write(source, &bytes) {
            Ok(count) => self.change(id, |user| user.written += count as u64),
            Err(error) => {
                let state = self.model.state();
                let peer = &state.world.peers[id];
                let is_expected =
                    error.kind() == ErrorKind::WouldBlock || peer.user.has_shut || peer.is_reset;
                assert!(is_expected, "a write fails: {error:?}");
            }
        }
    }

    fn shut_down(&mut self, id: usize, source: UringSocket) {
        if self.platform.shutdown_write(source).is_ok() {
            self.change(id, |user| user.has_shut = true);
        }
    }

    /// Watches a connection in another way, or no more, or again.
    fn watch(&mut self, id: usize, source: UringSocket) {
        let (interest, mode) = self.some_interest();
        match self.user(id).token {
            None => self.register(id, source),
            Some(token) if self.below(4) == 0 => {
                self.platform.deregister(source, token).expect("it is registered");
                self.change(id, |user| user.token = None);
            }
            Some(token) => {
                let changed: Result<(), Error> =
                    self.platform.modify(source, token, interest, mode);
                changed.expect("it is registered");
            }
        }
    }

    pub(super) fn close(&mut self, id: usize, source: UringSocket, how: Close) {
        if let Some(token) = self.user(id).token {
            self.platform.deregister(source, token).expect("it is registered");
        }
        let mut state = self.model.state();
        let peer = &mut state.world.peers[id];
        (peer.user.token, peer.user.closed) = (None, Some(how));
        peer.has_failed |= how == Close::Abort;
        drop(state);
        let _ = self.platform.close(source, how);
        assert_eq!(self.platform.write(source, b"x"), Err(ErrorKind::Stale.into()));
    }

    /// Begins a connection.
    pub(super) fn connect(&mut self) {
        let before = self.model.state().world.peers.len();
        let Ok(source) = self.platform.connect(&([127, 0, 0, 1], 9).into()) else { return };
        // The model sees it when it is submitted.
        for _ in 0..100 {
            self.platform.submit().expect("the model fails no entry");
            let count = self.model.state().world.peers.len();
            if let Some(id) = (before..count).find(|&id| self.is_of(id, source)) {
                return self.open(id, source);
            }
        }
        panic!("a connection attempt is not submitted");
    }

    fn is_of(&self, id: usize, source: UringSocket) -> bool {
        let fd = self.platform.fd(source).map(|fd| fd.as_raw_fd());
        fd.is_ok_and(|fd| self.model.state().world.find(fd) == Some(id))
    }

    /// Reads and closes everything, without faults: nothing may be stuck.
    pub(super) fn finish_connections(&mut self) {
        let open: Vec<_> = {
            let state = self.model.state();
            let peers = state.world.peers.iter().enumerate().filter(|(_, peer)| peer.is_used());
            peers.filter_map(|(id, peer)| Some((id, peer.user.source?))).collect()
        };
        for (id, source) in open {
            let user = self.user(id);
            let Some(token) = user.token else {
                self.register(id, source);
                continue;
            };
            if user.left > 0 {
                // What was left is wanted now.
                self.platform.consume(source, 0, 0);
                self.change(id, |user| user.left = 0);
                self.read(id, source, true);
            } else if user.saw_end {
                self.close(id, source, Close::Graceful);
                continue;
            }
            if !user.is_watched {
                let all = Interest::READABLE | Interest::WRITABLE;
                self.platform.modify(source, token, all, Mode::Level).expect("it is registered");
                self.change(id, |user| user.is_watched = true);
            }
        }
    }
}
