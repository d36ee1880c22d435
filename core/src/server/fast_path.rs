//! The usual message in as few steps as can be: read, call the service, write.
//!
//! Precondition ([`Server::is_fast`]): the connection is open, watched for reading and nothing
//! else, with nothing pending, unread, requested or ended; and two buffers are free, for which
//! no connection waits, so that unsent output and unread input can be kept. Everything that turns
//! out otherwise is left to the [`Engine`].

use core::net::SocketAddr;

use super::Server;
use super::connection::Phase;
use super::counters::bump;
use super::engine::{Call, Engine};
use super::ops::{Ending, PeerOps, SendError};
use super::origin::Origin;
use super::peer::Peer;
use super::service::Service;
use super::storage::{Entry, ServerMemory};
use crate::contract::{Error, Instant, Token, Transport};
use crate::event_loop::Context;

/// The peer of a callback on the fast path.
struct FastPeer<'e, 'a, P: Transport> {
    engine: Engine<'e, 'a, P>,
    /// The source that takes the first answer.
    unsent: Option<P::Source>,
    /// Something besides the first answer was asked for, so the connection must be reconciled.
    call: Option<Call>,
}

impl<'a, P: Transport> FastPeer<'_, 'a, P> {
    /// Leaves the fast path: calls `act` with an engine that knows what has happened so far. It is
    /// a copy, so that this one can be kept in registers.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call would put all of this into memory")]
    fn leave<R>(&mut self, act: impl FnOnce(Engine<'_, 'a, P>) -> (R, Call)) -> R {
        let has_sent = self.unsent.take().is_none();
        let started = Call { has_sent, reserves_input: true, ..Call::NEW };
        let mut engine = self.engine.reborrow();
        engine.call = self.call.unwrap_or(started);
        let (result, call) = act(engine);
        self.call = Some(call);
        result
    }

    /// Writes the first answer of the current connection.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call would put all of this into memory")]
    fn write(&mut self, source: P::Source, bytes: &[u8]) -> Result<usize, SendError> {
        match self.engine.context.platform.write(source, bytes) {
            Ok(count) => {
                // That bytes moved was recorded when some were received.
                bump(&mut self.engine.state.counters.bytes_out, count);
                if count < bytes.len() {
                    self.leave(|engine| keep_rest(engine, bytes, Ok(count)))
                } else {
                    Ok(count)
                }
            }
            Err(error) => self.leave(|engine| keep_rest(engine, bytes, Err(error))),
        }
    }
}

/// Acts off the fast path.
#[cold]
#[inline(never)]
fn apart<'a, P: Transport, R>(
    mut engine: Engine<'_, 'a, P>,
    act: impl FnOnce(&mut Engine<'_, 'a, P>) -> R,
) -> (R, Call) {
    let result = act(&mut engine);
    (result, engine.call)
}

/// Keeps the bytes of the first answer that the platform did not take.
#[cold]
#[inline(never)]
fn keep_rest<P: Transport>(
    mut engine: Engine<'_, '_, P>,
    bytes: &[u8],
    written: Result<usize, Error>,
) -> (Result<usize, SendError>, Call) {
    let result = engine.keep_rest(engine.current.index(), bytes, written);
    (result, engine.call)
}

impl<P: Transport> PeerOps for FastPeer<'_, '_, P> {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the usual answer is part of receiving")]
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        if token == self.engine.current && bytes.len() <= self.engine.pool.size() {
            if let Some(source) = self.unsent.take() {
                return self.write(source, bytes).map(|_| ());
            }
        }
        self.leave(|engine| apart(engine, |engine| engine.send_all(token, bytes)))
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the usual answer is part of receiving")]
    fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize {
        if token == self.engine.current && bytes.len() <= self.engine.pool.size() {
            if let Some(source) = self.unsent.take() {
                return self.write(source, bytes).unwrap_or(0);
            }
        }
        self.leave(|engine| apart(engine, |engine| engine.send_part(token, bytes)))
    }

    fn room(&mut self, token: Token) -> usize {
        if token == self.engine.current && self.unsent.is_some() {
            return self.engine.pool.size();
        }
        self.leave(|engine| apart(engine, |engine| PeerOps::room(engine, token)))
    }

    fn received_max(&self) -> usize {
        self.engine.state.received_max
    }

    #[inline]
    fn now(&mut self) -> Instant {
        self.engine.context.now()
    }

    #[inline]
    fn set_timer(&mut self, token: Token, deadline: Option<Instant>) {
        // A deadline is no reason to reconcile.
        if token != self.engine.current || self.call.is_some() {
            return self.leave(|engine| apart(engine, |engine| engine.set_timer(token, deadline)));
        }
        let timer = deadline.map_or(Instant::ZERO, |deadline| deadline.max(Instant::from_nanos(1)));
        self.engine.current().timer = timer;
        if timer != Instant::ZERO {
            self.engine.context.set_slot_timer_earlier(token.index(), timer);
        }
    }

    fn request_writable(&mut self, token: Token) {
        self.leave(|engine| apart(engine, |engine| engine.request_writable(token)));
    }

    fn set_reading(&mut self, token: Token, reads: bool) {
        self.leave(|engine| apart(engine, |engine| engine.set_reading(token, reads)));
    }

    fn shutdown_write(&mut self, token: Token) {
        self.leave(|engine| apart(engine, |engine| engine.shutdown_write(token)));
    }

    fn close(&mut self, token: Token, ending: Ending) {
        self.leave(|engine| apart(engine, |engine| engine.close(token, ending)));
    }

    fn send_parts(&mut self, token: Token, parts: &[&[u8]]) -> Result<(), SendError> {
        self.leave(|engine| apart(engine, |engine| engine.send_all_parts(token, parts)))
    }

    fn origin(&self, token: Token) -> Origin {
        self.engine.origin(token)
    }

    fn remote_address(&mut self, token: Token) -> Option<SocketAddr> {
        // Nothing is changed, so there is nothing to reconcile.
        apart(self.engine.reborrow(), |engine| engine.remote_address(token)).0
    }

    fn connect(&mut self, by: Option<Token>, address: SocketAddr) -> Result<Token, Error> {
        self.leave(|engine| apart(engine, |engine| PeerOps::connect(engine, by, address)))
    }
}

/// Fails the connection if the service panics.
struct PanicGuard<'g, 'e, 'a, P: Transport>(&'g mut FastPeer<'e, 'a, P>);

impl<P: Transport> Drop for PanicGuard<'_, '_, '_, P> {
    fn drop(&mut self) {
        // As everywhere, a copy.
        self.0.engine.reborrow().fail_after_panic();
    }
}

impl<P: Transport, S: Service, M: ServerMemory<P::Source, S::Session>> Server<P, S, M> {
    /// True if there is a fast path. Where size counts for more, all messages take the other one.
    pub(super) const HAS_FAST_PATH: bool =
        cfg!(target_pointer_width = "64") && !P::OWNS_BUFFERS && !P::READABLE_UNTIL_EMPTY;

    /// Returns the source of a readable connection, if the fast path may serve it.
    #[inline]
    pub(super) fn is_fast(&mut self, index: usize) -> Option<P::Source> {
        let is_plenty = self.pool.free() >= 2 && !self.queues.are_buffers_scarce();
        let memory = self.memory.storage();
        let connection = memory.connections.get(index)?;
        let source = memory.sources.get(index)?.get()?;
        (connection.is_quiet() && is_plenty).then_some(source)
    }

    /// Receives on the fast path.
    #[inline]
    pub(super) fn receive_fast(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        source: P::Source,
    ) {
        let (engine, app) = self.engine(context, token);
        let read = engine.context.platform.read(source, app.scratch);
        let count = match read {
            Ok(count @ 1..) => count,
            nothing => return self.finish_read(context, token, nothing),
        };
        bump(&mut engine.state.counters.bytes_in, count);
        let Some(session) = app.sessions.get_mut(token.index()).and_then(Entry::as_mut) else {
            return;
        };
        let mut fast = FastPeer { engine, unsent: Some(source), call: None };
        fast.engine.record_progress(token.index());
        let guard = PanicGuard(&mut fast);
        let mut peer = Peer::new(token, &mut *guard.0);
        let consumed = app.service.received(&mut peer, session, &app.scratch[..count]);
        core::mem::forget(guard);
        let call = fast.call;
        if consumed < count || call.is_some() {
            self.finish_fast(context, token, call.unwrap_or(Call::NEW), (consumed, count));
        }
    }

    /// Reconciles a connection of which nothing was read.
    #[cold]
    #[inline(never)]
    fn finish_read(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        read: Result<usize, Error>,
    ) {
        let (mut engine, mut app) = self.engine(context, token);
        engine.record_read(read);
        engine.reconcile(&mut app);
    }

    /// Keeps what the service has left of what it was offered, and reconciles the connection.
    #[cold]
    #[inline(never)]
    fn finish_fast(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        call: Call,
        (consumed, count): (usize, usize),
    ) {
        let (mut engine, mut app) = self.engine(context, token);
        engine.call = Call { reserves_input: false, ..call };
        if consumed < count {
            engine.stash_input(&app.scratch[consumed..count], consumed > 0);
        }
        debug_assert!(engine.current().phase() != Phase::Free);
        engine.reconcile(&mut app);
    }
}
