//! The loop of one thread.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;
use std::vec::Vec;

use selkie_core::{Context, Error, Event, EventLoop, Handler, Instant, Service, Token};
use selkie_std::shards::pin_to_cpu;

use super::Part;
use super::handle::ShardsHandle;
use super::link::{Handed, Link, push_to_any, push_to_least};
use super::mailbox::ShardMailbox;
use crate::front_door::error::{ServeError, Step};
use crate::front_door::listening::{Finished, FrontServer};
use crate::front_door::open::Platform;
use crate::memory::HeapLoop;
use crate::platform::Socket;

/// A loop, and what it serves.
pub(super) struct Shard<S: Service, B> {
    event_loop: EventLoop<Platform, HeapLoop>,
    /// The listener that it was made with.
    listener: Option<Socket>,
    /// Those that it accepts from, others' included.
    listeners: Vec<Token>,
    work: Work<S>,
    /// Before the membership, which is dropped after it: the messages to it are given back first.
    mailbox: B,
    membership: Membership,
}

/// The handler of a shard's loop: its server, and the queue from other threads.
struct Work<S: Service> {
    server: FrontServer<S>,
    /// The token of the waker, which is woken when the queue has something.
    wake: Token,
    is_woken: bool,
}

impl<S: Service> Handler<Platform> for Work<S> {
    #[inline]
    fn ready(&mut self, context: &mut Context<'_, Platform>, event: Event) {
        if event.token == self.wake {
            self.is_woken = true;
        } else {
            self.server.ready(context, event);
        }
    }

    #[inline]
    fn expired(&mut self, context: &mut Context<'_, Platform>, token: Token) {
        self.server.expired(context, token);
    }
}

/// A shard's place among all.
struct Membership {
    handle: ShardsHandle,
    index: usize,
    /// Connections that its link counts.
    counted: usize,
}

impl Membership {
    fn link(&self) -> &Link {
        &self.handle.links()[self.index]
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
        for handed in self.link().close() {
            // Without a shard that stays it is closed, which the client sees as a reset.
            drop(push(self.handle.links(), handed));
        }
        self.handle.wake_acceptor();
    }
}

impl<S: Service, B: ShardMailbox<S>> Shard<S, B> {
    pub(super) fn new(
        index: usize,
        part: Part,
        server: FrontServer<S>,
        mailbox: B,
        handle: ShardsHandle,
    ) -> Self {
        Self {
            event_loop: part.event_loop,
            listener: part.listener,
            listeners: Vec::with_capacity(handle.shards()),
            work: Work { server, wake: part.wake, is_woken: false },
            mailbox,
            membership: Membership { handle, index, counted: 0 },
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
        let is_drained = self.work.server.is_drained();
        is_drained && self.mailbox.may_end(self.membership.handle.links()) && link.close_if_empty()
    }

    /// Takes over what other threads have put into the queue.
    fn take_handed(&mut self) {
        while let Some(handed) = self.membership.link().pop() {
            // Its acceptor has counted it. If it is passed on, the next count takes that away.
            self.membership.counted += usize::from(matches!(handed, Handed::Connection(..)));
            match self.pass_on(handed) {
                Some(Handed::Connection(fd, address)) => {
                    // One that cannot be served is closed: its client is gone, or memory is short.
                    let _ = self.adopt(fd, address);
                }
                Some(Handed::Listener(fd)) => {
                    let token = listen(&mut self.event_loop, &mut self.work.server, fd);
                    self.listeners.extend(token);
                }
                None => {}
            }
        }
        if self.membership.link().take_awaited() {
            self.membership.handle.wake_acceptor();
        }
    }

    /// Passes something on if this shard is about to end. Returns what it has to take itself.
    fn pass_on(&self, handed: Handed) -> Option<Handed> {
        if !self.membership.link().is_leaving() {
            return Some(handed);
        }
        push(self.membership.handle.links(), handed).err()
    }

    /// Serves a connection that another thread has accepted.
    fn adopt(&mut self, fd: OwnedFd, address: Option<SocketAddr>) -> Result<Token, Error> {
        let mut context = self.event_loop.context();
        let socket = context.platform.adopt_from(fd, address).map_err(|(error, _closed)| error)?;
        let adopted = self.work.server.adopt(&mut context, socket);
        if adopted.is_err() {
            context.platform.release(socket)?;
        }
        adopted
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
            let Ok(fd) = context.platform.release(socket) else { continue };
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

/// Accepts from a listener.
fn listen<S: Service>(
    event_loop: &mut EventLoop<Platform, HeapLoop>,
    server: &mut FrontServer<S>,
    fd: OwnedFd,
) -> Option<Token> {
    let mut context = event_loop.context();
    let socket = context.platform.adopt(fd).ok()?;
    let token = server.listen(&mut context, socket).ok();
    if server.is_draining() {
        // The listener takes part in it. The earlier deadline stays.
        server.drain(&mut context, Instant::MAX);
    }
    token
}
