//! A server: accepts connections, feeds a service, sends its answers, keeps deadlines, drains.
//!
//! | file | contents |
//! | --- | --- |
//! | `mod.rs` | the server as its user sees it; routing of events |
//! | `service.rs`, `peer.rs` | the trait that users write; the requests that they can make |
//! | `ops.rs`, `origin.rs` | the operations behind a peer; how a connection began |
//! | `access.rs`, `mailbox.rs` | calls of the service from outside, by its clock, by messages |
//! | `connection.rs` | the state of one slot, drawn; its transitions; its interest |
//! | `connections.rs` | the table of slots; the queues of waiting slots |
//! | `engine.rs` | the context of all that follows: loop, tables, current connection |
//! | `fast_path.rs` | the usual message: read, call, write |
//! | `reader.rs`, `writer.rs` | bytes in, bytes out |
//! | `peer_ops.rs` | a service's requests, carried out |
//! | `lifecycle.rs` | open, serve, reconcile, close |
//! | `deadlines.rs` | which deadline is next, which has passed |
//! | `acceptor.rs`, `connector.rs` | listeners, limits; connections that the server opens |
//! | `buffers.rs`, `buffer_pool.rs` | who may borrow a buffer; the blocks of bytes |
//! | `config.rs`, `counters.rs`, `storage.rs` | limits and parts, figures, memory |
//!
//! Imports go one way: `buffer_pool config counters mailbox origin` <- `connection ops` <- `peer`
//! <- `service storage` <- `connections` <- `engine` <- `connector` <-
//! `buffers mod peer_ops reader writer` <- `acceptor access deadlines fast_path lifecycle`. The
//! last two groups extend `Engine` or `Server`, and are imported by no other file, but for a type
//! of `reader` and `writer`.

mod acceptor;
mod access;
mod buffer_pool;
mod buffers;
mod config;
mod connection;
mod connections;
mod connector;
mod counters;
mod deadlines;
mod engine;
mod fast_path;
mod lifecycle;
#[cfg(target_has_atomic = "ptr")]
mod mailbox;
mod ops;
mod origin;
mod peer;
mod peer_ops;
mod reader;
mod service;
mod storage;
mod writer;

use core::{fmt, marker::PhantomData};

pub use buffer_pool::Block;
pub use config::Config;
pub use counters::{CloseReason, Counters, Sample};
#[cfg(target_has_atomic = "ptr")]
pub use mailbox::Mailbox;
pub use ops::{Ending, PeerOps, SendError};
pub use origin::Origin;
pub use peer::{Peer, Peers};
pub use service::{Receives, Service};
pub use storage::ServerTables;
pub use storage::{ConnectionEntry, Entry, ServerMemory, ServerStorage, StaticServer, WithLimits};

use buffer_pool::{Pool, PoolState};
use config::Features;
use connection::Phase;
use connections::{Connections, Queues};
use engine::{Application, Call, Drain, Engine, NONE, State};

use crate::address_table::LimitEntry;
use crate::contract::{Error, ErrorKind, Event, Instant, Interest, Readiness, Token, Transport};
use crate::event_loop::{Context, Handler};

/// Serves many connections with one [`Service`], as a [`Handler`] of an
/// [`EventLoop`](crate::EventLoop).
///
/// Make one with [`Server::new`], give it a listener with [`listen`](Self::listen), and pass it to
/// [`EventLoop::run`](crate::EventLoop::run). End it with [`drain`](Self::drain), or at once with
/// [`abort`](Self::abort).
///
/// Its promises:
///
/// * **Bounded work per turn**: as many events as the batch has, one read per connection, a
///   number of accepts per listener.
/// * **Reading is limited by the input buffer**: what the service does not take is kept and offered
///   again, and nothing more is read once the input buffer is full. So both directions of a
///   connection flow independently.
/// * **Full is no failure**: a listener is paused while every connection is in use or the
///   platform has no descriptor, and resumed when something is freed. Clients wait in the
///   platform's backlog.
/// * **Half-close**: a peer that ended its stream still gets all output, and a peer that takes
///   nothing more is still read.
/// * **Never deaf**: a peer that is gone is noticed while its connection is paused or full: by
///   the platform's report, or by asking it every 5 seconds, where it has one of these
///   [capabilities](crate::platform::Capabilities).
/// * **Deadlines**: idle connections, stalled ones, and those whose service takes nothing are
///   closed, but only after one more look at them. Only bytes that moved count as progress.
/// * **Draining**: the service is told, bytes received before are served, clients in the backlog
///   are accepted, replies in progress are finished.
pub struct Server<P: Transport, S: Service, M> {
    service: S,
    memory: M,
    queues: Queues,
    pool: PoolState,
    state: State,
    platform: PhantomData<fn(P)>,
}

impl<P: Transport, S: Service, M: ServerMemory<P::Source, S::Session>> Server<P, S, M> {
    /// Returns a server of `service` in `memory`, which is emptied: nothing of an earlier server
    /// in the same memory is left.
    ///
    /// # Panics
    ///
    /// If the tables of `memory` differ in length, if there is nothing to read into, or if the
    /// platform does not keep waiting bytes itself and there are fewer than two blocks to keep
    /// them in (one for output, one for input).
    #[must_use]
    pub fn new(service: S, config: Config, mut memory: M) -> Self {
        let storage = memory.storage();
        let (slots, sessions) = (storage.connections.len(), storage.sessions.len());
        assert_eq!(slots, sessions, "a server has as many sessions as connections");
        assert!(!storage.scratch.is_empty(), "a server needs memory to read into");
        let (blocks, bytes) = (storage.blocks.len(), storage.bytes.len());
        let pool = PoolState::new(blocks, bytes);
        let least = if M::SHARES_BUFFERS { 2 } else { 2 * slots };
        assert!(
            P::OWNS_BUFFERS || pool.free() >= least,
            "a server needs {least} blocks of bytes here: it has {blocks} blocks in {bytes} bytes"
        );
        for index in 0..slots {
            // Only what was used is written to, so fresh pages stay untouched.
            if !storage.connections[index].connection.is_vacant() {
                storage.connections[index] = ConnectionEntry::EMPTY;
                storage.sessions[index] = Entry::Vacant;
            }
        }
        let limits = config.needs_limit_memory();
        if const { M::LIMITS } {
            let entries = storage.limits.len();
            assert!(
                !limits || entries == slots,
                "limits by address and rate need an entry for each of the {slots} slots, and there \
                 are {entries}"
            );
            storage.limits.iter_mut().filter(|entry| !entry.is_unused()).for_each(|entry| {
                *entry = LimitEntry::EMPTY;
            });
        } else {
            assert!(!limits, "limits by address and rate need memory, such as `WithLimits`");
        }
        // What a service leaves of a full scratch must fit into one buffer.
        let scratch = storage.scratch.len();
        let received_max = if pool.size() == 0 { scratch } else { scratch.min(pool.size()) };
        let reserved = if S::CONNECTS { slots / 2 } else { 0 };
        let state = State::new(config.limits(reserved), received_max);
        Self { service, memory, queues: Queues::default(), pool, state, platform: PhantomData }
    }

    /// Accepts connections from `listener` from now on.
    ///
    /// # Errors
    ///
    /// As [`Context::register`]; the listener is still the caller's then.
    ///
    /// # Panics
    ///
    /// If the loop has not as many slots as the server, or has no slot for a connection beside
    /// its listeners.
    pub fn listen(
        &mut self,
        context: &mut Context<'_, P>,
        listener: P::Source,
    ) -> Result<Token, Error> {
        // Before anything is registered, as it panics if the sizes do not fit.
        self.join(context)?;
        let (mut engine, _) = self.engine(context, NONE);
        let token = engine.register(listener, Interest::READABLE)?;
        let connection = engine.connection(token.index());
        connection.listen();
        connection.set_watched(Interest::READABLE);
        engine.state.listeners += 1;
        let (listeners, slots) = (engine.state.listeners, engine.connections.len());
        assert!(
            listeners < slots,
            "a loop of {slots} slots has none for a connection beside {listeners} listeners"
        );
        Ok(token)
    }

    /// Serves a source that is connected already, such as a console beside the connections of a
    /// listener.
    ///
    /// # Errors
    ///
    /// As [`Context::register`]; the source is still the caller's then.
    ///
    /// # Panics
    ///
    /// If the loop has not as many slots as the server.
    pub fn adopt(
        &mut self,
        context: &mut Context<'_, P>,
        source: P::Source,
    ) -> Result<Token, Error> {
        self.join(context)?;
        let (mut engine, mut app) = self.engine(context, NONE);
        let token = engine.register(source, Interest::READABLE)?;
        engine.current = token;
        engine.open(&mut app, Origin::Adopted);
        Ok(token)
    }

    /// Stops accepting from a listener, and returns its source, which stays open with its backlog.
    /// A listener that another process has inherited, or handed over, is taken out so before
    /// [`drain`](Self::drain).
    ///
    /// # Errors
    ///
    /// [`Stale`](crate::ErrorKind::Stale) if the token names no listener of this server; as
    /// [`Context::deregister`], and the listener is forgotten all the same.
    pub fn unlisten(
        &mut self,
        context: &mut Context<'_, P>,
        listener: Token,
    ) -> Result<P::Source, Error> {
        if !self.owns(context, listener) {
            return Err(ErrorKind::Stale.into());
        }
        let (mut engine, _) = self.engine(context, NONE);
        let index = listener.index();
        if engine.connection(index).phase() != Phase::Listening {
            return Err(ErrorKind::Stale.into());
        }
        // First, so that the listener is gone also if the platform fails to deregister it.
        engine.remove_listener(index);
        let source = engine.connections.take_source(index);
        let source = source.ok_or_else(|| Error::new(ErrorKind::Stale))?;
        engine.context.deregister(source, listener)?;
        // A draining server may have waited for this listener only.
        engine.leave_if_drained();
        Ok(source)
    }

    /// Begins to drain. Listeners are accepted from until none waits any more (or
    /// [`Config::drain_accepts`] were taken), then closed. Connections are read until nothing
    /// more has come, then the service is told by [`Service::draining`]. All that is not done at
    /// `deadline` is aborted.
    ///
    /// When all are closed, the loop is [stopped](Context::stop), unless another server serves in
    /// it that has not drained. Of two deadlines the earlier counts.
    pub fn drain(&mut self, context: &mut Context<'_, P>, deadline: Instant) {
        const { assert!(S::DRAINS, "a service whose server drains sets `DRAINS`") }
        let (mut engine, _) = self.engine(context, NONE);
        let now = engine.context.now();
        let accepts_left = engine.state.limits.drain_accepts;
        let until = deadline.saturating_since(now);
        // Services have half of the time to finish, also if their peers never stop to send.
        let mut drain = Drain { deadline, tell_by: now + until / 2, accepts_left };
        if let Some(earlier) = engine.state.drain {
            drain = Drain { deadline: earlier.deadline.min(deadline), ..earlier };
        }
        engine.state.drain = Some(drain);
        // No slot behind these was ever issued.
        let used = engine.context.registry().len_max().min(engine.connections.len());
        for index in 0..used {
            // Scheduled, not served: `drain` may be called from within a callback or a handler.
            if !engine.connection(index).is_vacant() {
                engine.schedule_now(index);
            }
        }
        engine.leave_if_drained();
    }

    /// Returns whether draining has begun.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.state.drain.is_some()
    }

    /// Returns whether draining has begun and all is closed.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        self.is_draining() && self.state.open == 0 && self.state.listeners == 0
    }

    /// Returns the number of open connections.
    #[must_use]
    pub const fn open_connections(&self) -> usize {
        self.state.open
    }

    /// Returns the number of listeners.
    #[must_use]
    pub const fn listeners(&self) -> usize {
        self.state.listeners
    }

    /// Returns the number of blocks that are borrowed: none while no output and no input waits.
    #[must_use]
    pub const fn blocks_borrowed(&self) -> usize {
        self.pool.borrowed()
    }

    /// Returns the counts since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.state.counters
    }

    /// Returns the service.
    #[must_use]
    pub const fn service(&self) -> &S {
        &self.service
    }

    /// Returns the service, to change it between turns.
    #[must_use]
    pub const fn service_mut(&mut self) -> &mut S {
        &mut self.service
    }

    /// Returns whether a live token names a connection or listener of this server. For a handler
    /// that has sources of its own beside the server's.
    #[must_use]
    pub fn owns(&self, context: &Context<'_, P>, token: Token) -> bool {
        let connection = self.memory.connections().get(token.index());
        let is_used = connection.is_some_and(|entry| !entry.connection.is_vacant());
        context.contains(token) && (is_used || self.state.ticker == Some(token))
    }

    /// Returns the engine of the connection or listener under `current`, and the service. Nothing
    /// has happened in a callback yet.
    #[inline]
    fn engine<'e, 'a>(
        &'e mut self,
        context: &'e mut Context<'a, P>,
        current: Token,
    ) -> (Engine<'e, 'a, P, Self>, Application<'e, S>) {
        self.state.call = Call::NEW;
        self.engine_again(context, current)
    }

    /// Returns the engine of the connection whose callback is under way.
    #[inline]
    fn engine_again<'e, 'a>(
        &'e mut self,
        context: &'e mut Context<'a, P>,
        current: Token,
    ) -> (Engine<'e, 'a, P, Self>, Application<'e, S>) {
        let (engine, app, _) = self.parts(context, current);
        (engine, app)
    }

    /// Returns the engine of a connection, the service, and the table for limits.
    #[inline]
    fn parts<'e, 'a>(
        &'e mut self,
        context: &'e mut Context<'a, P>,
        current: Token,
    ) -> (Engine<'e, 'a, P, Self>, Application<'e, S>, &'e mut [LimitEntry]) {
        let memory = self.memory.storage();
        let engine = Engine {
            context,
            connections: Connections::new(memory.connections, &mut self.queues),
            pool: Pool::new(memory.blocks, memory.bytes, &mut self.pool),
            state: &mut self.state,
            current,
            features: PhantomData,
        };
        let app = Application {
            service: &mut self.service,
            sessions: memory.sessions,
            scratch: memory.scratch,
        };
        (engine, app, memory.limits)
    }

    /// Serves an event, or without one a deadline, that the fast path does not.
    fn serve(&mut self, context: &mut Context<'_, P>, token: Token, event: Option<Readiness>) {
        if const { M::LIMITS } && self.state.limits.is_limiting {
            self.serve_limited(context, token, event);
        } else {
            self.serve_phase(context, token, event);
        }
    }

    /// Serves an event or a deadline as the phase of the connection asks for.
    fn serve_phase(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        event: Option<Readiness>,
    ) {
        let (mut engine, mut app) = self.engine(context, token);
        let Some(connection) = engine.connections.get(token.index()) else { return };
        match (connection.phase(), event) {
            // The server's clock has a slot, but no connection in it.
            (Phase::Free, None) if S::TICK.is_some() && engine.state.ticker == Some(token) => {
                self.tick(context, token);
            }
            // A token of another handler in the same loop.
            (Phase::Free, _) => {}
            (Phase::Connecting, _) if S::CONNECTS => engine.on_attempt(&mut app),
            (Phase::Listening, _) if const { M::LIMITS } && engine.state.limits.is_limiting => {
                self.accept_limited(context, token, event.is_some());
            }
            (Phase::Listening, Some(_)) => engine.accept::<S, false>(&mut app, &mut []),
            (Phase::Listening, None) => engine.retry_listener::<S, false>(&mut app, &mut []),
            (_, Some(readiness)) => engine.on_event(&mut app, readiness),
            (_, None) => engine.on_deadline(&mut app),
        }
    }
}

impl<P, S, M> Features for Server<P, S, M>
where
    P: Transport,
    S: Service,
    M: ServerMemory<P::Source, S::Session>,
{
    const CONNECTS: bool = S::CONNECTS;
    const DRAINS: bool = S::DRAINS;
    const SHARES_BUFFERS: bool = M::SHARES_BUFFERS && !P::OWNS_BUFFERS;
    const LENDS_PEER: bool = S::LENDS_PEER;
}

impl<P, S, M> Handler<P> for Server<P, S, M>
where
    P: Transport,
    S: Service,
    M: ServerMemory<P::Source, S::Session>,
{
    #[inline]
    fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
        // Readable and nothing else: hang-ups and errors are for the engine.
        if const { Self::HAS_FAST_PATH } && event.readiness == Readiness::READABLE {
            if let Some(source) = self.is_fast(event.token.index()) {
                return self.receive_fast(context, event.token, source);
            }
        }
        self.serve(context, event.token, Some(event.readiness));
    }

    fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
        self.serve(context, token, None);
    }
}

impl<P: Transport, S: Service + fmt::Debug, M> fmt::Debug for Server<P, S, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("service", &self.service)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
