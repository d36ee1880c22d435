//! Accepting for all shards: each connection goes to the one that has the fewest.
//!
//! It has a loop of its own on the thread that runs the shards, so that it outlives a shard whose
//! service panics. It never watches what it accepts.

use std::net::SocketAddr;
use std::time::Duration;

use selkie_core::platform::{ListenOptions, Transport};
use selkie_core::{Context, ErrorKind, Event, EventLoop, Handler, Interest, Mode, Token};

use super::handle::ShardsHandle;
use super::link::{Handed, Link, push_to_any, push_to_least};
use crate::front_door::error::{ServeError, Step};
use crate::front_door::handle::Handle;
use crate::front_door::open::{self, Backend, Platform};
use crate::memory::HeapLoop;
use crate::platform::Socket;

/// The listener, the waker, and a connection on its way.
const SLOTS: usize = 3;
/// Connections that are accepted in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Connections that are accepted from the backlog at most when all shards drain, so that newcomers
/// without end do not hold the drain up.
const DRAIN_ACCEPTS: usize = 4096;
/// The pause after the system had no descriptor or no memory for a connection.
const RETRY: Duration = Duration::from_millis(100);

/// Accepts for all shards.
#[derive(Debug)]
pub(super) struct Acceptor {
    event_loop: EventLoop<Platform, HeapLoop>,
    listener: Socket,
    handle: Handle,
}

impl Acceptor {
    /// Opens the listener, and returns its address.
    pub(super) fn open(
        address: SocketAddr,
        options: &ListenOptions,
    ) -> Result<(SocketAddr, Self), ServeError> {
        let failed = |error| ServeError::new(Step::Platform, error);
        let platform = open::platform(Backend::default(), SLOTS, SLOTS)?;
        let memory = HeapLoop::new(SLOTS, SLOTS).map_err(failed)?;
        let mut event_loop = EventLoop::new(platform, memory);
        let waker = open::Waker::new(&mut event_loop.context()).map_err(failed)?;
        let platform = event_loop.context().platform;
        let listener = open::listen(platform, address, options)?;
        let address = open::local_address(platform, listener).map_err(failed)?;
        Ok((address, Self { event_loop, listener, handle: Handle::new(waker) }))
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Accepts until it is drained or stopped, or until no shard is left.
    pub(super) fn run(self, shards: &ShardsHandle) {
        let Self { mut event_loop, listener, handle } = self;
        let mut context = event_loop.context();
        let Ok(token) = context.register(listener, Interest::READABLE, Mode::Level) else {
            // Without a listener the shards have nothing to wait for.
            return shards.stop();
        };
        let watched = Interest::READABLE;
        let mut accepting =
            Accepting { shards, listener, token, watched, kept: None, is_resting: false };
        while !handle.is_stopped() && !shards.links().iter().all(Link::is_closed) {
            if event_loop.run_once(&mut accepting).is_err() {
                return shards.stop();
            }
            let mut context = event_loop.context();
            if let Some(grace) = handle.take_drain() {
                return accepting.drain(&mut context, grace);
            }
            accepting.look_again(&mut context);
        }
    }
}

/// The handler of the acceptor's loop.
struct Accepting<'a> {
    shards: &'a ShardsHandle,
    listener: Socket,
    token: Token,
    /// The interest that the listener is registered with.
    watched: Interest,
    /// A connection that every shard gave back, since its last slot was taken meanwhile.
    kept: Option<Handed>,
    /// Set while the system has no descriptor or no memory.
    is_resting: bool,
}

/// The reason why accepting stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepted {
    /// All that waited.
    All,
    /// As many as one turn may.
    Share,
    /// As many as the shards and their queues take.
    UntilFull,
    /// None more for want of descriptors or memory, or worse.
    UntilError,
}

impl Handler<Platform> for Accepting<'_> {
    fn ready(&mut self, context: &mut Context<'_, Platform>, event: Event) {
        // The waker's event has done its part: the wait has ended.
        if event.token == self.token {
            self.accept(context);
        }
    }

    fn expired(&mut self, context: &mut Context<'_, Platform>, _: Token) {
        self.is_resting = false;
        self.accept(context);
    }
}

impl Accepting<'_> {
    /// Accepts a share of what waits, and decides on what the listener is watched for.
    fn accept(&mut self, context: &mut Context<'_, Platform>) {
        match self.accept_share(context, ACCEPTS_PER_TURN) {
            Accepted::All | Accepted::Share => {}
            Accepted::UntilFull => self.watch(context, Interest::NONE),
            Accepted::UntilError => self.retry_later(context),
        }
    }

    /// Accepts what waits, as far as there are shards for it.
    fn accept_share(&mut self, context: &mut Context<'_, Platform>, share: usize) -> Accepted {
        for _ in 0..share {
            if !self.make_room() {
                return Accepted::UntilFull;
            }
            match context.platform.accept(self.listener) {
                Ok(socket) => {
                    let address = context.platform.remote_address(socket);
                    // A handle that was just made names a descriptor.
                    let Ok(fd) = context.platform.release(socket) else { continue };
                    let handed = Handed::Connection(fd, address);
                    self.kept = push_to_least(self.shards.links(), handed).err();
                }
                Err(error) if error.is_would_block() => return Accepted::All,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => return Accepted::UntilError,
            }
        }
        Accepted::Share
    }

    /// Hands over the kept connection, and returns true if a shard can take one more. If none can,
    /// the next that can wakes this loop.
    fn make_room(&mut self) -> bool {
        if self.try_room() {
            return true;
        }
        self.shards.links().iter().for_each(Link::await_less);
        // A slot that was freed before that has not woken this loop.
        self.try_room()
    }

    fn try_room(&mut self) -> bool {
        let links = self.shards.links();
        if let Some(handed) = self.kept.take() {
            self.kept = push_to_least(links, handed).err();
        }
        self.kept.is_none() && links.iter().any(|link| link.load_if_free().is_some())
    }

    /// Watches the listener again if there is room.
    fn look_again(&mut self, context: &mut Context<'_, Platform>) {
        if !self.is_resting && self.make_room() {
            self.watch(context, Interest::READABLE);
        }
    }

    fn watch(&mut self, context: &mut Context<'_, Platform>, interest: Interest) {
        if self.watched == interest {
            return;
        }
        if context.modify(self.listener, self.token, interest, Mode::Level).is_ok() {
            self.watched = interest;
        }
    }

    /// Accepts again after a pause.
    fn retry_later(&mut self, context: &mut Context<'_, Platform>) {
        self.watch(context, Interest::NONE);
        self.is_resting = true;
        let retry = context.now() + RETRY;
        let _ = context.set_timer(self.token, retry);
    }

    /// Accepts what is in the backlog, and drains the shards. What they cannot take yet they
    /// accept themselves, as slots are freed: one of them gets the listener.
    fn drain(&mut self, context: &mut Context<'_, Platform>, grace: Duration) {
        let accepted = self.accept_share(context, DRAIN_ACCEPTS);
        let links = self.shards.links();
        if !matches!(accepted, Accepted::All | Accepted::Share) {
            let _ = context.deregister(self.listener, self.token);
            if let Ok(fd) = context.platform.release(self.listener) {
                // Without a shard that stays there is none to serve the backlog.
                drop(push_to_any(links, Handed::Listener(fd)));
            }
        }
        if let Some(handed) = self.kept.take() {
            drop(push_to_any(links, handed));
        }
        self.shards.drain_shards(grace);
    }
}
