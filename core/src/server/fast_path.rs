//! The usual message in as few steps as can be: read, call the service, write.
//!
//! Precondition ([`Server::is_fast`]): the connection is open, watched for reading and nothing
//! else, with nothing pending, unread, requested or ended; and two buffers are free, for which
//! no connection waits, so that unsent output and unread input can be kept. Everything that turns
//! out otherwise is left to the [`Engine`].
//!
//! Where the platform owns the buffers, input is shown and then consumed, and all that fits is
//! written at once; the server's own buffers are not needed.

mod beside;

use core::marker::PhantomData;
use core::net::SocketAddr;

use super::Server;
use super::buffer_pool::{Pool, PoolState};
use super::config::Features;
use super::connection::Phase;
use super::connections::{Connections, Queues};
use super::counters::{Counters, bump};
use super::engine::{Call, Engine, State};
use super::ops::{Ending, PeerOps, SendError};
use super::origin::Origin;
use super::peer::Peer;
use super::service::Service;
use super::storage::{Entry, ServerMemory, ServerTables};
use crate::contract::{Error, Instant, Token, Transport};
use crate::event_loop::Context;

/// The peer of a callback on the fast path. It has the parts of an [`Engine`], which is put
/// together only when something is asked for that the fast path does not do.
struct FastPeer<'e, 'a, P: Transport, T, F: Features> {
    context: &'e mut Context<'a, P>,
    tables: T,
    queues: &'e mut Queues,
    pool: &'e mut PoolState,
    state: &'e mut State,
    current: Token,
    /// The source that takes the first answer; where the platform owns the buffers, each answer.
    unsent: Option<P::Source>,
    /// Something besides the first answer was asked for, so the connection must be reconciled.
    has_left: bool,
    features: PhantomData<F>,
}

impl<'a, P, T, F> FastPeer<'_, 'a, P, T, F>
where
    P: Transport,
    T: ServerTables<P::Source>,
    F: Features,
{
    /// Returns what acts on the current connection. It borrows what it needs and nothing of the
    /// peer itself, so that the peer can be kept in registers.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call would put all of this into memory")]
    fn engine(&mut self) -> Engine<'_, 'a, P, F> {
        let (connections, blocks, bytes) = self.tables.tables();
        Engine {
            context: self.context,
            connections: Connections::new(connections, self.queues),
            pool: Pool::new(blocks, bytes, self.pool),
            state: self.state,
            current: self.current,
            features: PhantomData,
        }
    }

    /// Leaves the fast path: calls `act` with an engine that knows what has happened so far.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call would put all of this into memory")]
    fn leave<R>(&mut self, act: impl FnOnce(&mut Engine<'_, 'a, P, F>) -> R) -> R {
        if const { F::LENDS_PEER } { self.leave_by_call(act) } else { self.leave_here(act) }
    }

    /// Leaves the fast path in a function of its own, which takes the peer from memory: one that
    /// is lent is there anyway, and what calls this has fewer registers to save.
    #[cold]
    #[inline(never)]
    fn leave_by_call<R>(&mut self, act: impl FnOnce(&mut Engine<'_, 'a, P, F>) -> R) -> R {
        self.leave_here(act)
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call would put all of this into memory")]
    fn leave_here<R>(&mut self, act: impl FnOnce(&mut Engine<'_, 'a, P, F>) -> R) -> R {
        let has_sent = self.unsent.take().is_none();
        // Once a callback: the engine has noted more since.
        if !core::mem::replace(&mut self.has_left, true) {
            let reserves_input = !P::OWNS_BUFFERS;
            self.state.call = Call { has_sent, reserves_input, ..Call::NEW };
        }
        outlined(self.engine(), act)
    }

    /// Writes the first answer of the current connection. `say` makes the result where it is
    /// known: one that several places share would be in memory.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call would put all of this into memory")]
    fn write<R>(
        &mut self,
        source: P::Source,
        bytes: &[u8],
        say: fn(Result<usize, SendError>) -> R,
    ) -> R {
        let written = self.context.platform.write(source, bytes);
        if let Ok(count) = written {
            bump(&mut self.state.counters.bytes_out, count);
            if count == bytes.len() {
                return say(Ok(count));
            }
        }
        // The socket is full: the rest waits in a buffer until it drains. All of it does if the
        // socket only would block.
        self.leave(move |engine| say(engine.keep_rest(engine.current.index(), bytes, written)))
    }

    /// Returns the source of the current connection, if `count` bytes fit into the platform's own
    /// buffer and leave some room. Without any room the engine waits for some.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "part of the usual answer")]
    fn with_room(&mut self, count: usize) -> Option<P::Source> {
        let source = self.unsent?;
        let room = self.context.platform.write_room(source);
        (1..room).contains(&count).then_some(source)
    }

    /// Writes an answer of the current connection into the platform's own buffer.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "part of the usual answer")]
    fn write_in_place(&mut self, source: P::Source, bytes: &[u8]) -> Result<usize, SendError> {
        let index = self.current.index();
        let written = self.context.platform.write(source, bytes);
        if let Ok(count) = written {
            bump(&mut self.state.counters.bytes_out, count);
            // The peer may take none of them. The time of the turn is early enough: when it
            // expires, the platform is asked since when they wait.
            let now = self.context.turn_time();
            self.engine().schedule_stall(index, now);
            if count == bytes.len() {
                return Ok(count);
            }
        }
        self.leave(move |engine| engine.keep_rest(index, bytes, written))
    }
}

/// Reads, or where the platform owns the buffers, is shown what it has.
#[inline(always)]
#[allow(clippy::inline_always, reason = "part of receiving")]
fn read<P: Transport>(
    platform: &mut P,
    source: P::Source,
    buffer: &mut [u8],
) -> Result<usize, Error> {
    if P::OWNS_BUFFERS { platform.peek(source, buffer) } else { platform.read(source, buffer) }
}

/// Returns the session in a slot. One without bytes and without a destructor is the same in all
/// slots: it is made, not looked up.
#[inline]
fn session_of<'s, T: Default>(
    sessions: &'s mut [Entry<T>],
    index: usize,
    made: &'s mut Option<T>,
) -> Option<&'s mut T> {
    if const { size_of::<T>() == 0 && !core::mem::needs_drop::<T>() } {
        return Some(made.insert(T::default()));
    }
    sessions.get_mut(index).and_then(Entry::as_mut)
}

/// Acts off the fast path, in a function of its own.
#[cold]
fn outlined<'a, P: Transport, F: Features, R>(
    mut engine: Engine<'_, 'a, P, F>,
    act: impl FnOnce(&mut Engine<'_, 'a, P, F>) -> R,
) -> R {
    act(&mut engine)
}

impl<P: Transport, T: ServerTables<P::Source>, F: Features> PeerOps for FastPeer<'_, '_, P, T, F> {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the usual answer is part of receiving")]
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        if token != self.current {
            return self.send_beside(token, bytes);
        }
        if P::OWNS_BUFFERS {
            return match self.with_room(bytes.len()) {
                Some(source) => self.write_in_place(source, bytes).map(|_| ()),
                None => self.leave(move |engine| engine.send_all(token, bytes)),
            };
        }
        // A longer answer might not fit into a buffer if the socket takes none of it.
        if bytes.len() <= self.pool.size() {
            if let Some(source) = self.unsent.take() {
                return self.write(source, bytes, |written| written.map(|_| ()));
            }
        }
        self.leave(move |engine| engine.send_all(token, bytes))
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the usual answer is part of receiving")]
    fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize {
        if P::OWNS_BUFFERS && token == self.current {
            return match self.with_room(bytes.len()) {
                Some(source) => self.write_in_place(source, bytes).unwrap_or(0),
                None => self.leave(move |engine| engine.send_part(token, bytes)),
            };
        }
        if token == self.current && bytes.len() <= self.pool.size() {
            if let Some(source) = self.unsent.take() {
                return self.write(source, bytes, |written| written.unwrap_or(0));
            }
        }
        self.leave(move |engine| engine.send_part(token, bytes))
    }

    fn room(&mut self, token: Token) -> usize {
        // Nothing is pending and a buffer is free (`is_fast`), so a whole one is the room.
        if !P::OWNS_BUFFERS && token == self.current && self.unsent.is_some() {
            return self.pool.size();
        }
        self.leave(move |engine| PeerOps::room(engine, token))
    }

    fn received_max(&self) -> usize {
        self.state.received_max
    }

    fn counters(&self) -> &Counters {
        &self.state.counters
    }

    #[inline]
    fn now(&mut self) -> Instant {
        self.context.now()
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call would put all of this into memory")]
    fn set_timer(&mut self, token: Token, deadline: Option<Instant>) {
        // A deadline is no reason to reconcile.
        if token != self.current || self.has_left {
            return self.leave(move |engine| engine.set_timer(token, deadline));
        }
        let timer = deadline.map_or(Instant::ZERO, |deadline| deadline.max(Instant::from_nanos(1)));
        self.engine().current().timer = timer;
        if timer != Instant::ZERO {
            self.context.set_slot_timer_earlier(token.index(), timer);
        }
    }

    fn request_writable(&mut self, token: Token) {
        self.leave(move |engine| engine.request_writable(token));
    }

    fn set_reading(&mut self, token: Token, reads: bool) {
        self.leave(move |engine| engine.set_reading(token, reads));
    }

    fn shutdown_write(&mut self, token: Token) {
        self.leave(move |engine| engine.shutdown_write(token));
    }

    fn close(&mut self, token: Token, ending: Ending) {
        self.leave(move |engine| engine.close(token, ending));
    }

    fn send_parts(&mut self, token: Token, parts: &[&[u8]]) -> Result<(), SendError> {
        self.leave(move |engine| engine.send_all_parts(token, parts))
    }

    fn origin(&self, token: Token) -> Origin {
        let is_named = token == self.current || self.context.contains(token);
        let entry = self.tables.connections().get(token.index()).filter(|_| is_named);
        self.state.origin_of(token, entry.map(|entry| &entry.connection))
    }

    fn remote_address(&mut self, token: Token) -> Option<SocketAddr> {
        // Nothing is changed, so there is nothing to reconcile.
        outlined(self.engine(), move |engine| engine.remote_address(token))
    }

    fn connect(&mut self, by: Option<Token>, address: SocketAddr) -> Result<Token, Error> {
        self.leave(move |engine| PeerOps::connect(engine, by, address))
    }
}

/// Fails the connection if the service panics. It has nothing of the peer, so that the peer can be
/// kept in registers.
struct PanicGuard<'g, 'a, P, S, M>
where
    P: Transport,
    S: Service,
    M: ServerMemory<P::Source, S::Session>,
{
    server: &'g mut Server<P, S, M>,
    context: &'g mut Context<'a, P>,
    token: Token,
}

impl<P, S, M> Drop for PanicGuard<'_, '_, P, S, M>
where
    P: Transport,
    S: Service,
    M: ServerMemory<P::Source, S::Session>,
{
    #[inline]
    fn drop(&mut self) {
        self.server.fail_after_panic(self.context, self.token);
    }
}

impl<P: Transport, S: Service, M: ServerMemory<P::Source, S::Session>> Server<P, S, M> {
    /// True if there is a fast path. Where size counts for more, all messages take the other one:
    /// with it, a WASI 0.1 guest is 8 % larger.
    pub(super) const HAS_FAST_PATH: bool =
        cfg!(target_pointer_width = "64") && !P::READABLE_UNTIL_EMPTY;

    /// Returns the source of a readable connection, if the fast path may serve it.
    #[inline]
    pub(super) fn is_fast(&mut self, index: usize) -> Option<P::Source> {
        // Two: for output that the socket does not take, and input that the service leaves.
        let is_plenty =
            P::OWNS_BUFFERS || (self.pool.free() >= 2 && !self.queues.are_buffers_scarce());
        let memory = self.memory.storage();
        let entry = memory.connections.get(index)?;
        let source = entry.source.get()?;
        (entry.connection.is_quiet(P::OWNS_BUFFERS) && is_plenty).then_some(source)
    }

    /// Receives on the fast path.
    #[inline]
    pub(super) fn receive_fast(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        source: P::Source,
    ) {
        let guard = PanicGuard { server: self, context, token };
        let Self { service, memory, queues, pool, state, .. } = &mut *guard.server;
        let (mut sessions, scratch, tables) = memory.split();
        let scratch = if P::OWNS_BUFFERS { scratch } else { &mut scratch[..state.received_max] };
        let count = match read(guard.context.platform, source, scratch) {
            Ok(count @ 1..) => count,
            // An end, a failure, or nothing at all: the engine distinguishes them.
            nothing => {
                drop((sessions, tables));
                core::mem::forget(guard);
                return self.finish_read(context, token, nothing.err());
            }
        };
        if !P::OWNS_BUFFERS {
            bump(&mut state.counters.bytes_in, count);
        }
        let mut fast = FastPeer::<P, _, Self> {
            context: &mut *guard.context,
            tables,
            queues,
            pool,
            state,
            current: token,
            unsent: Some(source),
            has_left: false,
            features: PhantomData,
        };
        let mut made = None;
        let session = session_of(sessions.as_mut(), token.index(), &mut made);
        let consumed = session.map_or(count, |session| {
            service.received(&mut Peer::new(token, &mut fast), session, &scratch[..count])
        });
        let has_left = fast.has_left;
        drop((fast, sessions));
        // Only an unwinding callback drops the guard.
        core::mem::forget(guard);
        self.end_callback(context, (token, source), (consumed, count), has_left);
    }

    /// Ends a callback that was offered `count` bytes: usually there is nothing to do.
    #[inline]
    fn end_callback(
        &mut self,
        context: &mut Context<'_, P>,
        (token, source): (Token, P::Source),
        (consumed, count): (usize, usize),
        has_left: bool,
    ) {
        if has_left || consumed < count {
            if !has_left {
                // The engine knows nothing of this callback yet, since nothing has left the path.
                self.state.call = Call::NEW;
            }
            return self.finish_fast(context, token, consumed, count);
        }
        if P::OWNS_BUFFERS {
            context.platform.consume(source, count, 0);
            bump(&mut self.state.counters.bytes_in, count);
        }
        // Checked first, so that without an idle timeout nothing is looked up.
        if !self.state.limits.idle.is_endless() {
            self.set_progress(context, token.index());
        }
    }

    /// Records that the bytes of a callback have moved.
    #[inline]
    fn set_progress(&mut self, context: &mut Context<'_, P>, index: usize) {
        if let Some(entry) = self.memory.storage().connections.get_mut(index) {
            entry.connection.progress = context.now();
        }
    }

    /// Fails a connection whose service has panicked.
    #[cold]
    fn fail_after_panic(&mut self, context: &mut Context<'_, P>, token: Token) {
        self.engine(context, token).0.fail_after_panic();
    }

    /// Reconciles a connection of which nothing was read.
    #[cold]
    fn finish_read(&mut self, context: &mut Context<'_, P>, token: Token, failure: Option<Error>) {
        let served = self.serving(context, token);
        let (mut engine, mut app) = served.server.engine(served.context, token);
        engine.record_read(failure.map_or(Ok(0), Err));
        engine.reconcile(&mut app);
    }

    /// Keeps what the service has left of `count` bytes, and reconciles the connection.
    #[cold]
    fn finish_fast(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        consumed: usize,
        count: usize,
    ) {
        let served = self.serving(context, token);
        let (mut engine, mut app) = served.server.engine_again(served.context, token);
        // Some bytes were received.
        engine.record_progress(token.index());
        if P::OWNS_BUFFERS {
            engine.finish_offer(consumed.min(count), count, app.scratch.len());
            return engine.reconcile(&mut app);
        }
        // The input that the service leaves takes the buffer that was kept free for it.
        engine.state.call.reserves_input = false;
        if consumed < count {
            engine.stash_input(&app.scratch[consumed..count], consumed > 0);
        }
        debug_assert!(engine.current().phase() != Phase::Free);
        engine.reconcile(&mut app);
    }
}
