//! The loop of one thread.

use std::os::fd::OwnedFd;
use std::time::Duration;
use std::vec::Vec;

use selkie_core::{Context, Error, Event, EventLoop, Handler, Instant, Server, Service, Token};
use selkie_std::shards::pin_to_cpu;

use super::Part;
use super::handle::ShardsHandle;
use super::link::{Handed, Link, push_to_any};
use crate::front_door::error::{ServeError, Step};
use crate::front_door::listening::Finished;
use crate::front_door::open::Platform;
use crate::memory::{HeapLoop, HeapServer};
use crate::platform::Socket;

type ShardServer<S> = Server<Platform, S, HeapServer<Socket, <S as Service>::Session>>;

/// A loop, and what it serves.
pub(super) struct Shard<S: Service> {
    event_loop: EventLoop<Platform, HeapLoop>,
    listener: Option<Socket>,
    work: Work<S>,
    membership: Membership,
}

/// The handler of a shard's loop: its server, and the queue from other threads.
struct Work<S: Service> {
    server: ShardServer<S>,
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
            drop(push_to_any(self.handle.links(), handed));
        }
        self.handle.wake_acceptor();
    }
}

impl<S: Service> Shard<S> {
    pub(super) fn new(
        index: usize,
        part: Part,
        server: ShardServer<S>,
        handle: ShardsHandle,
    ) -> Self {
        Self {
            event_loop: part.event_loop,
            listener: part.listener,
            work: Work { server, wake: part.wake, is_woken: false },
            membership: Membership { handle, index, counted: 0 },
        }
    }

    /// Serves until it is drained or stopped.
    pub(super) fn run(mut self, is_pinned: bool) -> Result<Finished<S>, ServeError> {
        if is_pinned {
            pin_to_cpu(self.membership.index).map_err(|error| ServeError::new(Step::Pin, error))?;
        }
        let failed = |error| ServeError::new(Step::Wait, error);
        let mut listeners = Vec::new();
        if let Some(listener) = self.listener {
            let listening = self.work.server.listen(&mut self.event_loop.context(), listener);
            listeners.push(listening.map_err(failed)?);
        }
        while !self.is_over() {
            self.event_loop.run_once(&mut self.work).map_err(failed)?;
            if std::mem::take(&mut self.work.is_woken) {
                self.take_handed(&mut listeners);
                if let Some(grace) = self.membership.link().handle().take_drain() {
                    self.drain(&mut listeners, grace);
                }
            }
            self.membership.count(self.work.server.open_connections());
        }
        let Self { event_loop, work, .. } = self;
        let (counters, loop_counters) = (*work.server.counters(), event_loop.counters());
        Ok(Finished { service: work.server.into_service(), counters, loop_counters })
    }

    /// Returns true once it was stopped, or was drained and all is closed.
    fn is_over(&self) -> bool {
        // A server that never had a connection or a listener does not stop its loop.
        self.work.server.is_drained()
            || self.event_loop.is_stopped()
            || self.membership.link().handle().is_stopped()
    }

    /// Takes over what other threads have put into the queue.
    fn take_handed(&mut self, listeners: &mut Vec<Token>) {
        while let Some(handed) = self.membership.link().pop() {
            match handed {
                Handed::Connection(fd) => {
                    // Its acceptor has counted it.
                    self.membership.counted += 1;
                    // One that cannot be served is closed: its client is gone, or memory is short.
                    let _ = self.adopt(fd);
                }
                Handed::Listener(fd) => {
                    listeners.extend(self.take_listener(fd));
                }
            }
        }
    }

    /// Serves a connection that another thread has accepted.
    fn adopt(&mut self, fd: OwnedFd) -> Result<Token, Error> {
        let mut context = self.event_loop.context();
        let socket = context.platform.adopt(fd).map_err(|(error, _closed)| error)?;
        let adopted = self.work.server.adopt(&mut context, socket);
        if adopted.is_err() {
            context.platform.release(socket)?;
        }
        adopted
    }

    /// Accepts from a listener that another shard has left. A shard that ends itself passes it on.
    fn take_listener(&mut self, fd: OwnedFd) -> Option<Token> {
        let mut fd = fd;
        if self.membership.link().is_leaving() {
            let passed = push_to_any(self.membership.handle.links(), Handed::Listener(fd));
            let Err(Handed::Listener(back)) = passed else { return None };
            fd = back;
        }
        listen(&mut self.event_loop, &mut self.work.server, fd)
    }

    /// Shuts the server down gracefully. Its listeners go to a shard that stays, if there is one.
    fn drain(&mut self, listeners: &mut Vec<Token>, grace: Duration) {
        let links = self.membership.handle.links();
        for token in listeners.drain(..) {
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
        let mut context = self.event_loop.context();
        let deadline = context.now() + grace;
        self.work.server.drain(&mut context, deadline);
    }
}

/// Accepts from a listener.
fn listen<S: Service>(
    event_loop: &mut EventLoop<Platform, HeapLoop>,
    server: &mut ShardServer<S>,
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
