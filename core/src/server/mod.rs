//! A server: accepts connections, feeds a service, sends what is owed, keeps deadlines, drains.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `service.rs` | what users write, and what they are given |
//! | `mod.rs` | the server as its user sees it |
//! | `life.rs` | the life of a connection: open, serve, settle, close |
//! | `receiving.rs` | how bytes come in: read, offered to the service, held |
//! | `listener.rs` | the life of a listener: accept, pause, resume |
//! | `table.rs` | the connections: what they are watched for, when they are looked at, how they end |
//! | `outbox.rs` | what is sent to them, and all else that a service can ask for |
//! | `blocks.rs` | what they borrow from the pool, and who waits while there is nothing to borrow |
//! | `connection.rs` | the bookkeeping of one slot |
//! | `pool.rs` | the blocks that waiting bytes are kept in |
//! | `storage.rs`, `config.rs`, `counters.rs` | memory, limits, figures |

mod blocks;
mod config;
mod connection;
mod counters;
mod life;
mod listener;
mod outbox;
mod pool;
mod receiving;
mod service;
mod storage;
mod table;

pub use config::Config;
pub use connection::Connection;
pub use counters::{CloseReason, Counters};
pub use pool::Block;
pub use service::{Peer, SendError, Service};
pub use storage::{ServerStorage, StaticServer};

use connection::Flags;
use table::{Driver, Limits, Span, Table};

use crate::contract::{Error, Event, Instant, Readiness, Token, Transport};
use crate::event_loop::{Context, Handler};

/// Serves many connections with one [`Service`], as a [`Handler`] of an
/// [`EventLoop`](crate::EventLoop).
///
/// What it promises:
///
/// * **Bounded work per turn**: as many events as the batch holds, one read per connection, a
///   number of accepts per listener.
/// * **Backpressure**: a peer that does not take what it is owed is not read from until it does.
/// * **Full is no failure**: a listener is disarmed while every connection is in use or the
///   platform has no descriptor, and armed again when something is freed. Clients wait in the
///   platform's backlog.
/// * **Half-close**: a peer that ended its stream still gets what it is owed.
/// * **Deadlines**: idle connections and stalled ones are closed. Only bytes that moved count as
///   progress.
/// * **Draining**: no new connections, what is owed is sent, then all is closed.
#[derive(Debug)]
pub struct Server<'a, P: Transport, S: Service> {
    service: S,
    sessions: &'a mut [Option<S::Session>],
    scratch: &'a mut [u8],
    table: Table<'a, P::Source>,
}

impl<'a, P: Transport, S: Service> Server<'a, P, S> {
    /// A server of `service` in the memory of `storage`.
    ///
    /// # Panics
    ///
    /// If the tables of `storage` differ in length, if there is nothing to read into, or if the
    /// platform does not keep what waits itself and there are fewer than two blocks to keep it
    /// in (one for what is owed, one for what is held).
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "the server takes the memory over")]
    pub fn new(
        service: S,
        config: Config,
        storage: ServerStorage<'a, P::Source, S::Session>,
    ) -> Self {
        let slots = storage.connections.len();
        assert_eq!(slots, storage.sources.len(), "a server has as many sources as connections");
        assert_eq!(slots, storage.sessions.len(), "a server has as many sessions as connections");
        assert!(!storage.scratch.is_empty(), "a server needs memory to read into");
        let pool = pool::Pool::new(storage.blocks, storage.bytes);
        assert!(
            P::OWNS_BUFFERS || pool.free() >= 2,
            "a server needs at least two blocks of bytes on this platform"
        );
        let scratch_len = storage.scratch.len();
        let received_max =
            if pool.size() == 0 { scratch_len } else { scratch_len.min(pool.size()) };
        Self {
            service,
            sessions: storage.sessions,
            // What is read at once is offered and held at once.
            scratch: &mut storage.scratch[..received_max],
            table: Table {
                connections: storage.connections,
                sources: storage.sources,
                pool,
                limits: Limits {
                    connections_max: config.connections_max,
                    accepts_per_turn: config.accepts_per_turn.max(1),
                    idle: Span::new(config.idle_timeout),
                    stall: Span::new(config.stall_timeout),
                    linger: Span::new(Some(config.linger)),
                    accept_retry: Span::new(Some(config.accept_retry)),
                },
                counters: Counters::default(),
                open: 0,
                starved: 0,
                starved_cursor: 0,
                paused: false,
                draining: false,
                drained_by: Instant::MAX,
                received_max,
            },
        }
    }

    /// Accepts connections from `listener` from now on.
    ///
    /// # Errors
    ///
    /// As [`Context::register`]; the listener is still the caller's then.
    pub fn listen(
        &mut self,
        context: &mut Context<'_, P>,
        listener: P::Source,
    ) -> Result<Token, Error> {
        let mut task = self.task(context, NOBODY);
        let token = task.driver.register(listener)?;
        task.driver.connection(token.index()).set(Flags::LISTENER);
        Ok(token)
    }

    /// Serves a source that is connected already, such as a console beside the connections of a
    /// listener.
    ///
    /// # Errors
    ///
    /// As [`Context::register`]; the source is still the caller's then.
    pub fn adopt(
        &mut self,
        context: &mut Context<'_, P>,
        source: P::Source,
    ) -> Result<Token, Error> {
        let mut task = self.task(context, NOBODY);
        let token = task.driver.register(source)?;
        task.driver.current = token;
        task.open();
        Ok(token)
    }

    /// Begins to drain: closes the listeners, sends what is owed, closes the connections; whatever
    /// is left at `deadline` is aborted. When all are closed, the loop is
    /// [stopped](Context::stop).
    pub fn drain(&mut self, context: &mut Context<'_, P>, deadline: Instant) {
        self.table.draining = true;
        self.table.drained_by = self.table.drained_by.min(deadline);
        let mut driver = self.task(context, NOBODY).driver;
        for index in 0..driver.table.connections.len() {
            let connection = *driver.connection(index);
            if connection.is(Flags::LISTENER) {
                driver.close_listener(index);
            } else if connection.is(Flags::OPEN) {
                driver.look_soon(index);
            }
        }
        driver.stop_when_drained();
    }

    /// Whether draining has begun.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.table.draining
    }

    /// Whether draining has begun and all is closed.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        self.is_draining() && self.table.open == 0
    }

    /// How many connections are open.
    #[must_use]
    pub const fn open_connections(&self) -> usize {
        self.table.open
    }

    /// How many blocks of the pool are borrowed: none while nothing is owed and nothing held.
    #[must_use]
    pub const fn blocks_borrowed(&self) -> usize {
        self.table.pool.borrowed()
    }

    /// What the server has counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.table.counters
    }

    /// The service.
    #[must_use]
    pub const fn service(&self) -> &S {
        &self.service
    }

    /// The service, to change it between turns.
    #[must_use]
    pub const fn service_mut(&mut self) -> &mut S {
        &mut self.service
    }

    /// Whether a connection or listener of this server lives under `token`. For a handler that has
    /// sources of its own beside the server's.
    #[must_use]
    pub fn owns(&self, token: Token) -> bool {
        self.table
            .connections
            .get(token.index())
            .is_some_and(|connection| !connection.flags.is_empty())
    }

    /// Takes the server apart, and gives the service back.
    #[must_use]
    pub fn into_service(self) -> S {
        self.service
    }

    /// What acts on the connection or listener under `current`.
    #[inline]
    fn task<'d, 'c>(
        &'d mut self,
        context: &'d mut Context<'c, P>,
        current: Token,
    ) -> Task<'d, 'c, 'a, P, S> {
        Task {
            driver: Driver { context, table: &mut self.table, current, quick: None },
            service: &mut self.service,
            sessions: self.sessions,
            scratch: self.scratch,
        }
    }

    /// Serves an event, or without one a deadline, that needs more than the quick way.
    #[inline(never)]
    fn serve(&mut self, context: &mut Context<'_, P>, token: Token, readiness: Option<Readiness>) {
        let mut task = self.task(context, token);
        let Some(connection) = task.driver.table.connections.get(token.index()) else { return };
        let flags = connection.flags;
        match readiness {
            Some(readiness) if flags.contains(Flags::OPEN) => task.serve(readiness),
            None if flags.contains(Flags::OPEN) => task.look_after(),
            Some(_) if flags.contains(Flags::LISTENER) => task.accept(),
            _ => task.driver.resume_listener(token.index()),
        }
    }
}

/// No connection and no listener.
const NOBODY: Token = Token::new(u32::MAX, 0);

/// One event, or one call from outside, and all that it acts with.
struct Task<'d, 'c, 'a, P: Transport, S: Service> {
    driver: Driver<'d, 'c, 'a, P>,
    service: &'d mut S,
    sessions: &'d mut [Option<S::Session>],
    scratch: &'d mut [u8],
}

impl<P: Transport, S: Service> Handler<P> for Server<'_, P, S> {
    #[inline]
    fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
        if const { Driver::<P>::HAS_QUICK_WAY } && event.readiness == Readiness::READABLE {
            let index = event.token.index();
            if let (Some(connection), Some(Some(source))) =
                (self.table.connections.get(index), self.table.sources.get(index))
            {
                if connection.flags == Flags::OPEN
                    && self.table.pool.free() >= 2 * blocks::BLOCKS_PER_READ
                {
                    return self.receive_quickly(context, event.token, *source);
                }
            }
        }
        self.serve(context, event.token, Some(event.readiness));
    }

    fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
        self.serve(context, token, None);
    }
}
