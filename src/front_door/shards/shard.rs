//! The loop of one thread.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;
use std::vec::Vec;

use selkie_core::platform::Close;
use selkie_core::{Context, ErrorKind, Event, EventLoop, Handler, Instant, Service, Token};
use selkie_std::shards::pin_to_cpu;

use super::Part;
use super::handle::ShardsHandle;
use super::link::{Handed, Link, push_to_any, push_to_least};
use super::mailbox::ShardMailbox;
use super::platform::{ShardPlatform, ShardServer};
use crate::front_door::error::{ServeError, Step};
use crate::front_door::listening::Finished;
use crate::memory::HeapLoop;

/// A loop, and what it serves.
pub(super) struct Shard<P: ShardPlatform, S: Service, B> {
    event_loop: EventLoop<P, HeapLoop>,
    /// The listener that it was made with.
    listener: Option<P::Source>,
    /// Those that it accepts from, others' included.
    listeners: Vec<Token>,
    work: Work<P, S>,
    /// Before the membership, which is dropped after it: the messages to it are given back first.
    mailbox: B,
    membership: Membership,
}

/// The handler of a shard's loop: its server, and the queue from other threads.
struct Work<P: ShardPlatform, S: Service> {
    server: ShardServer<P, S>,
    /// The token of the waker, which is woken when the queue has something.
    wake: Token,
    is_woken: bool,
}

impl<P: ShardPlatform, S: Service> Handler<P> for Work<P, S> {
    #[inline]
    fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
        if event.token == self.wake {
            self.is_woken = true;
        } else {
            self.server.ready(context, event);
        }
    }

    #[inline]
    fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
        self.server.expired(context, token);
    }
}

/// A shard's place among all.
struct Membership {
    handle: ShardsHandle,
    index: usize,
    /// Connections that its link counts.
    counted: usize,
    /// A connection from the queue that waits for a slot.
    waiting: Option<Handed>,
}

impl Membership {
    fn link(&self) -> &Link {
        &self.handle.links()[self.index]
    }

    /// Takes the next one that other threads have given to the shard.
    fn next_handed(&mut self) -> Option<Handed> {
        self.waiting.take().or_else(|| self.link().pop())
    }

    /// Records in the link how many connections are open.
    fn count(&mut self, open: usize) {
        let before = std::mem::replace(&mut self.counted, open);
        if open > before {
            self.link().add_load(open - before);
        } else if open < before && self.link().remove_load(before - open) {
            self.handle.wake_acceptor();
        }
    }
}

impl Drop for Membership {
    /// Marks the shard as ended, also when it panics, and passes on its queue.
    fn drop(&mut self) {
        for handed in self.waiting.take().into_iter().chain(self.link().close()) {
            // Without a shard that stays it is closed, which the client sees as a reset.
            drop(push_or_queue(self.handle.links(), handed));
        }
        self.handle.wake_acceptor();
    }
}

impl<P: ShardPlatform, S: Service, B: ShardMailbox<S>> Shard<P, S, B> {
    pub(super) fn new(
        index: usize,
        part: Part<P>,
        server: ShardServer<P, S>,
        mailbox: B,
        handle: ShardsHandle,
    ) -> Self {
        Self {
            event_loop: part.event_loop,
            listener: part.listener,
            listeners: Vec::with_capacity(handle.shards()),
            work: Work { server, wake: part.wake, is_woken: false },
            mailbox,
            membership: Membership { handle, index, counted: 0, waiting: None },
        }
    }

    /// Serves until it is drained or stopped.
    pub(super) fn run(mut self, is_pinned: bool) -> Result<Finished<S>, ServeError> {
        // After a panic the server still knows its listeners; see `Service`.
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(is_pinned)));
        if !matches!(served, Ok(Ok(()))) {
            self.membership.link().leave();
            self.pass_listeners();
        }
        served.unwrap_or_else(|panic| resume_unwind(panic))?;
        let Self { event_loop, work, .. } = self;
        let (counters, loop_counters) = (*work.server.counters(), event_loop.counters());
        Ok(Finished { service: work.server.into_service(), counters, loop_counters })
    }

    fn serve(&mut self, is_pinned: bool) -> Result<(), ServeError> {
        let failed = |error| ServeError::new(Step::Wait, error);
        if let Some(listener) = self.listener {
            let listening = self.work.server.listen(&mut self.event_loop.context(), listener);
            self.listeners.push(listening.map_err(failed)?);
        }
        if is_pinned {
            pin_to_cpu(self.membership.index).map_err(|error| ServeError::new(Step::Pin, error))?;
        }
        while !self.is_over() {
            self.event_loop.run_once(&mut self.work).map_err(failed)?;
            if std::mem::take(&mut self.work.is_woken) {
                self.mailbox.deliver(&mut self.work.server, &mut self.event_loop.context());
                self.take_handed();
                if let Some(grace) = self.membership.link().handle().take_drain() {
                    self.drain(grace);
                }
            } else if self.membership.waiting.is_some() {
                self.take_handed();
            }
            self.mailbox.wake_others(self.membership.handle.links());
            self.membership.count(self.work.server.open_connections());
        }
        Ok(())
    }

    /// Returns true once it was stopped, or was drained, all is closed and nothing is in its queue.
    fn is_over(&mut self) -> bool {
        let link = self.membership.link();
        if link.handle().is_stopped() {
            return true;
        }
        let is_drained = self.work.server.is_drained() && self.membership.waiting.is_none();
        is_drained && self.mailbox.may_end(self.membership.handle.links()) && link.close_if_empty()
    }

    /// Takes over what other threads have put into the queue, as far as there are slots.
    fn take_handed(&mut self) {
        while let Some(handed) = self.membership.next_handed() {
            let Some(handed) = self.pass_on(handed) else { continue };
            match handed {
                Handed::Connection(..) if !self.has_room() => {
                    self.membership.waiting = Some(handed);
                    break;
                }
                Handed::Connection(fd, address) => {
                    if let Err(handed) = self.adopt(fd, address) {
                        self.membership.waiting = Some(handed);
                        break;
                    }
                    // The thread that has put it into the queue has counted it.
                    self.membership.counted += 1;
                }
                Handed::Listener(fd) => {
                    let token = listen(&mut self.event_loop, &mut self.work.server, fd);
                    self.listeners.extend(token);
                }
            }
        }
        if self.membership.link().take_awaited() {
            self.membership.handle.wake_acceptor();
        }
    }

    /// Returns true if another connection can be served.
    fn has_room(&self) -> bool {
        self.work.server.open_connections() < self.membership.link().connections_max()
    }

    /// Passes something on if this shard is about to end. Returns what it has to take itself.
    fn pass_on(&mut self, handed: Handed) -> Option<Handed> {
        if !self.membership.link().is_leaving() {
            return Some(handed);
        }
        let is_connection = matches!(handed, Handed::Connection(..));
        let links = self.membership.handle.links();
        let left = if self.has_room() { push(links, handed) } else { push_or_queue(links, handed) };
        // It was counted when it was put into the queue. The next count takes that away.
        self.membership.counted += usize::from(left.is_ok() && is_connection);
        left.err()
    }

    /// Serves a connection that another thread has accepted. Gives it back if it has to wait for a
    /// place. One that cannot be served is closed: its client is gone, or memory is short.
    fn adopt(&mut self, fd: OwnedFd, address: Option<SocketAddr>) -> Result<(), Handed> {
        let mut context = self.event_loop.context();
        let socket = match context.platform.adopt(fd, address) {
            Ok(socket) => socket,
            Err((error, fd)) if error.kind() == ErrorKind::Full => {
                return Err(Handed::Connection(fd, address));
            }
            Err((_, _closed)) => return Ok(()),
        };
        if self.work.server.adopt(&mut context, socket).is_err() {
            // A handle that was just made names a descriptor.
            let _ = context.platform.close(socket, Close::Graceful);
        }
        Ok(())
    }

    /// Shuts the server down gracefully. Its listeners go to a shard that stays, if there is one.
    fn drain(&mut self, grace: Duration) {
        self.pass_listeners();
        let mut context = self.event_loop.context();
        let deadline = context.now() + grace;
        self.work.server.drain(&mut context, deadline);
    }

    /// Gives the listeners, open, to a shard that stays. Without one they stay open.
    fn pass_listeners(&mut self) {
        let links = self.membership.handle.links();
        for token in self.listeners.drain(..) {
            if links.iter().all(Link::is_leaving) {
                break;
            }
            let mut context = self.event_loop.context();
            let Ok(socket) = self.work.server.unlisten(&mut context, token) else { continue };
            // Those that the platform has accepted ahead go there too.
            let accepted = |fd| drop(push_or_queue(links, Handed::Connection(fd, None)));
            let released = context.platform.release_listener(socket, accepted);
            let Ok(fd) = released else { continue };
            if let Err(Handed::Listener(fd)) = push_to_any(links, Handed::Listener(fd)) {
                listen(&mut self.event_loop, &mut self.work.server, fd);
            }
        }
    }
}

/// Gives something to a shard that stays: a connection to the one that has the fewest.
fn push(links: &[Link], handed: Handed) -> Result<(), Handed> {
    match handed {
        Handed::Connection(..) => push_to_least(links, handed),
        Handed::Listener(..) => push_to_any(links, handed),
    }
}

/// Gives something to a shard that stays, also if it has to wait for a slot there.
fn push_or_queue(links: &[Link], handed: Handed) -> Result<(), Handed> {
    push(links, handed).or_else(|handed| push_to_any(links, handed))
}

/// Accepts from a listener.
fn listen<P: ShardPlatform, S: Service>(
    event_loop: &mut EventLoop<P, HeapLoop>,
    server: &mut ShardServer<P, S>,
    fd: OwnedFd,
) -> Option<Token> {
    let mut context = event_loop.context();
    let socket = context.platform.adopt(fd, None).ok()?;
    let token = server.listen(&mut context, socket).ok();
    if server.is_draining() {
        // The listener takes part in it. The earlier deadline stays.
        server.drain(&mut context, Instant::MAX);
    }
    token
}
