//! Accepting for all shards: each connection goes to the one that has the fewest.
//!
//! It has a loop of its own on the thread that runs the shards, so that it outlives a shard whose
//! service panics. It never watches what it accepts.

use std::net::SocketAddr;
use std::time::Duration;

use selkie_core::platform::{ListenOptions, Transport};
use selkie_core::{Context, ErrorKind, Event, EventLoop, Handler, Instant, Interest, Mode, Token};

use super::handle::ShardsHandle;
use super::link::{Handed, Link, push_to_least};
use crate::front_door::error::{ServeError, Step};
use crate::front_door::handle::Handle;
use crate::front_door::open::{self, Backend, Platform};
use crate::memory::HeapLoop;
use crate::platform::Socket;

/// The listener, the waker, and a connection on its way.
const SLOTS: usize = 3;
/// Connections that are accepted in one turn.
const ACCEPTS_PER_TURN: usize = 64;
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
        let mut accepting = Accepting {
            shards,
            listener,
            token,
            watched,
            is_resting: false,
            drain: None,
            is_done: false,
        };
        while !accepting.is_done && !handle.is_stopped() {
            if event_loop.run_once(&mut accepting).is_err() {
                return shards.stop();
            }
            let mut context = event_loop.context();
            if let Some(grace) = handle.take_drain() {
                accepting.drain(&mut context, grace);
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
    /// Set while the system has no descriptor or no memory.
    is_resting: bool,
    /// The end of the time for a drain.
    drain: Option<Instant>,
    is_done: bool,
}

impl Handler<Platform> for Accepting<'_> {
    fn ready(&mut self, context: &mut Context<'_, Platform>, event: Event) {
        // The waker's event has done its part: the wait has ended.
        if event.token == self.token {
            self.accept(context);
        }
    }

    fn expired(&mut self, context: &mut Context<'_, Platform>, _: Token) {
        if let Some(deadline) = self.drain {
            if deadline <= context.now() {
                return self.finish(context);
            }
            let _ = context.set_timer(self.token, deadline);
        }
        self.is_resting = false;
        self.accept(context);
    }
}

impl Accepting<'_> {
    /// Accepts what waits, as far as there are shards for it.
    fn accept(&mut self, context: &mut Context<'_, Platform>) {
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.has_room() {
                return self.watch(context, Interest::NONE);
            }
            match context.platform.accept(self.listener) {
                Ok(socket) => {
                    // A handle that was just made names a descriptor.
                    let Ok(fd) = context.platform.release(socket) else { continue };
                    // The last shard with room has ended meanwhile: its client is told by a reset.
                    drop(push_to_least(self.shards.links(), Handed::Connection(fd)));
                }
                Err(error) if error.is_would_block() => {
                    if self.drain.is_some() {
                        self.finish(context);
                    }
                    return;
                }
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => return self.retry_later(context),
            }
        }
    }

    /// Returns whether a shard can take one more. If none can, the next that can wakes this loop.
    fn has_room(&self) -> bool {
        let links = self.shards.links();
        let has_room = || links.iter().any(|link| link.load_if_free().is_some());
        if has_room() {
            return true;
        }
        links.iter().for_each(Link::await_less);
        // A slot that was freed before that has not woken this loop.
        has_room()
    }

    /// Watches the listener again if there is room, and ends with the last shard.
    fn look_again(&mut self, context: &mut Context<'_, Platform>) {
        if self.shards.links().iter().all(Link::is_closed) {
            self.is_done = true;
        } else if !self.is_done && !self.is_resting && self.has_room() {
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
        let _ = context.set_timer(self.token, self.drain.map_or(retry, |drain| drain.min(retry)));
    }

    /// Accepts what is in the backlog, and then drains the shards.
    fn drain(&mut self, context: &mut Context<'_, Platform>, grace: Duration) {
        let deadline = context.now() + grace;
        let deadline = self.drain.map_or(deadline, |earlier| earlier.min(deadline));
        self.drain = Some(deadline);
        let _ = context.set_timer(self.token, deadline);
        self.accept(context);
    }

    /// Drains the shards in the time that is left. The listener is closed with the loop.
    fn finish(&mut self, context: &mut Context<'_, Platform>) {
        let now = context.now();
        let left = self.drain.map_or(Duration::ZERO, |deadline| deadline.saturating_since(now));
        self.shards.drain_shards(left);
        self.is_done = true;
    }
}
