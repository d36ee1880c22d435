//! Calls of the service from outside its callbacks: by a main, another handler, or a clock.

use super::Server;
use super::config::Features;
use super::connection::{Connection, Phase, WriteHalf};
use super::counters::{CloseReason, bump};
use super::engine::{Drain, Engine, NONE};
use super::origin::Origin;
use super::peer::{Peer, Peers};
use super::service::Service;
use super::storage::{Entry, ServerMemory};
use crate::contract::{Close, Error, ErrorKind, Token, Transport};
use crate::event_loop::Context;

#[cfg(target_has_atomic = "ptr")]
use super::{mailbox::Mailbox, service::Receives};

impl<P: Transport, S: Service, M: ServerMemory<P::Source, S::Session>> Server<P, S, M> {
    /// Calls `call` with the service, and with a peer and its session, as in a callback of that
    /// peer: what it sends is flushed at the end, and what it asks for is done.
    ///
    /// For mains, and for handlers around the server: never from inside a callback, which has the
    /// peer already. Returns what `call` returns, or `None` if the token names no open connection
    /// of this server; then it is not called.
    ///
    /// ```
    /// # use selkie_core::platform::Transport;
    /// # use selkie_core::memory::ServerMemory;
    /// # use selkie_core::{Context, Server, Service, Token};
    /// /// Sends a result that another thread has worked out, or drops it if its client has left.
    /// fn deliver<P: Transport, S: Service, M: ServerMemory<P::Source, S::Session>>(
    ///     server: &mut Server<P, S, M>,
    ///     context: &mut Context<'_, P>,
    ///     client: Token,
    ///     result: &[u8],
    /// ) -> bool {
    ///     let sent = server.with(context, client, |_service, peer, _session| peer.send(result));
    ///     matches!(sent, Some(Ok(())))
    /// }
    /// ```
    pub fn with<R>(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        call: impl FnOnce(&mut S, &mut Peer<'_>, &mut S::Session) -> R,
    ) -> Option<R> {
        let served = self.serving(context, token);
        let (mut engine, mut app) = served.server.engine(served.context, token);
        // Usual: a result is often ready only after its client has left.
        if !engine.is_served(token) {
            return None;
        }
        let mut result = None;
        app.call(&mut engine, |service, peer, session| {
            result = Some(call(service, peer, session));
        });
        engine.reconcile(&mut app);
        result
    }

    /// Calls `call` with the service and all of its peers: for what concerns no one connection, or
    /// several. What is sent goes to the platform at once, and is kept as far as that does not take
    /// it.
    ///
    /// For mains, and for handlers around the server: never from inside a callback.
    pub fn with_all<R>(
        &mut self,
        context: &mut Context<'_, P>,
        call: impl FnOnce(&mut S, &mut Peers<'_>) -> R,
    ) -> R {
        let (mut engine, app) = self.engine(context, NONE);
        call(app.service, &mut Peers::new(&mut engine))
    }

    /// Delivers the messages of a mailbox, at most as many as fit it: calls
    /// [`Receives::message`] for each one whose connection is open. One whose connection is gone is
    /// dropped and [counted](crate::Counters::messages_dropped). Returns the number that was
    /// delivered.
    ///
    /// A handler around the server calls this when the loop's waker has woken it:
    ///
    /// ```
    /// # use selkie_core::mailbox::{Mailbox, Receives};
    /// # use selkie_core::memory::ServerMemory;
    /// # use selkie_core::platform::Transport;
    /// # use selkie_core::{Context, Event, Handler, Server, Token};
    /// struct Main<'m, P: Transport, S: Receives<u32>, M> {
    ///     server: Server<P, S, M>,
    ///     results: &'m Mailbox<u32, 64>,
    ///     waker: Token,
    /// }
    ///
    /// impl<P, S, M> Handler<P> for Main<'_, P, S, M>
    /// where
    ///     P: Transport,
    ///     S: Receives<u32>,
    ///     M: ServerMemory<P::Source, S::Session>,
    /// {
    ///     fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
    ///         if event.token == self.waker {
    ///             self.server.deliver(context, self.results);
    ///         } else {
    ///             self.server.ready(context, event);
    ///         }
    ///     }
    ///
    ///     fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
    ///         self.server.expired(context, token);
    ///     }
    /// }
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    pub fn deliver<T, const N: usize>(
        &mut self,
        context: &mut Context<'_, P>,
        mailbox: &Mailbox<T, N>,
    ) -> usize
    where
        S: Receives<T>,
    {
        let mut delivered = 0;
        // What is posted meanwhile comes with a wake of its own.
        for _ in 0..N {
            let Some((token, message)) = mailbox.take() else { break };
            let called = self.with(context, token, |service, peer, session| {
                service.message(peer, session, message);
            });
            delivered += usize::from(called.is_some());
            bump(&mut self.state.counters.messages_dropped, usize::from(called.is_none()));
        }
        delivered
    }

    /// Connects to an address of the platform, and returns the token of the new connection at once.
    /// The service is told as for [`Peer::connect`](crate::Peer::connect); such a connection is
    /// [opened by](crate::Peer::opened_by) no peer.
    ///
    /// A service whose server connects sets [`CONNECTS`](Service::CONNECTS); without it this does
    /// not compile.
    ///
    /// # Errors
    ///
    /// If the attempt cannot begin; the service is not called then.
    /// [`Full`](crate::ErrorKind::Full) if there is no slot, and as [`Transport::connect`].
    ///
    /// # Panics
    ///
    /// If the loop has not as many slots as the server.
    pub fn connect(
        &mut self,
        context: &mut Context<'_, P>,
        address: &P::Address,
    ) -> Result<Token, Error> {
        const { assert!(S::CONNECTS, "a service whose server connects sets `CONNECTS`") }
        self.join(context)?;
        let (mut engine, _) = self.engine(context, NONE);
        engine.connect_to(None, address)
    }

    /// Takes an open connection out of the server: its source, which stays open, its session, and
    /// the number of bytes that were received and not taken, which are copied to `unread`. For a
    /// connection that changes to another protocol, or to another loop. The service is not called.
    ///
    /// Where the platform owns the buffers, what is unread stays there, and the number is 0.
    ///
    /// # Errors
    ///
    /// [`Stale`](crate::ErrorKind::Stale) if the token names no open connection of this server,
    /// [`WouldBlock`](crate::ErrorKind::WouldBlock) while output is pending or is to be ended,
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if `unread` is too short. Nothing changes
    /// then.
    pub fn release(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        unread: &mut [u8],
    ) -> Result<(P::Source, S::Session, usize), Error> {
        let (mut engine, app) = self.engine(context, token);
        let is_served = engine.is_served(token);
        let source = engine.source(token.index()).filter(|_| is_served).ok_or(ErrorKind::Stale)?;
        let is_ending = engine.current().write_half() == WriteHalf::ShuttingDown;
        if is_ending || engine.has_output() {
            return Err(Error::WOULD_BLOCK);
        }
        let count = if P::OWNS_BUFFERS { 0 } else { engine.unread() };
        if count > unread.len() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let session = app.sessions.get_mut(token.index()).and_then(Entry::take);
        let session = session.ok_or(ErrorKind::Stale)?;
        engine.release_current(source, &mut unread[..count]);
        self.forget_if_closed(context, token);
        Ok((source, session, count))
    }

    /// Aborts every connection, closes the listeners, and returns the service: an end at once,
    /// where [`drain`](Self::drain) takes its time. The service is told of each connection by
    /// [`closed`](crate::Service::closed). The loop is stopped as by a drain.
    ///
    /// A server that is dropped before its end leaves its sources open and registered, as it has no
    /// loop to take them out of. The loop goes on to count it, and is not stopped by the drain of
    /// another.
    pub fn abort(mut self, context: &mut Context<'_, P>) -> S {
        let now = context.now();
        // No slot behind these was ever issued.
        let used = context.registry().len_max();
        let (mut engine, mut app) = self.engine(context, NONE);
        let accepts_left = 0;
        engine.state.drain = Some(Drain { deadline: now, tell_by: now, accepts_left });
        // `closed` may ask for another connection.
        engine.state.limits.connections_max = 0;
        for index in 0..used.min(engine.connections.len()) {
            let Some(token) = engine.context.registry().token_at(index) else { continue };
            match engine.connection(index).phase() {
                Phase::Free => {}
                Phase::Listening => engine.close_listener(index),
                _ => {
                    engine.current = token;
                    engine.abort(index, CloseReason::Aborted);
                    engine.close_connection(&mut app, Close::Abort);
                }
            }
        }
        // There may have been nothing to close.
        engine.leave_if_drained();
        if let Some(ticker) = self.state.ticker.take() {
            // Its own token is live.
            let _ = context.release(ticker);
        }
        self.service
    }

    /// Consumes the server, and returns the service. Only for a server that has drained: the
    /// sources of any other stay open and registered, and [`abort`](Self::abort) ends it.
    #[must_use]
    pub fn into_service(self) -> S {
        self.service
    }

    /// Makes the loop count this server, and starts its clock, once.
    pub(super) fn join(&mut self, context: &mut Context<'_, P>) -> Result<(), Error> {
        let (slots, service) = (context.registry().capacity(), self.service.slots_max());
        assert!(
            service >= slots,
            "the loop has {slots} slots, and the service only {service}: give both as many"
        );
        self.engine(context, NONE).0.join();
        if let (Some(interval), None) = (S::TICK, self.state.ticker) {
            let ticker = context.issue()?;
            let first = context.now() + interval;
            context.set_timer(ticker, first)?;
            self.state.ticker = Some(ticker);
        }
        Ok(())
    }

    /// Calls the service at a tick, and sets the timer of the next one.
    pub(super) fn tick(&mut self, context: &mut Context<'_, P>, ticker: Token) {
        if self.is_drained() {
            // A server that runs again issues another token.
            self.state.ticker = None;
            let _ = context.release(ticker);
            return;
        }
        if let Some(interval) = S::TICK {
            // Before the call, whose time counts towards the interval.
            let next = context.now() + interval;
            let _ = context.set_timer(ticker, next);
        }
        self.with_all(context, S::tick);
    }
}

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Forgets the current connection, whose input is moved out.
    fn release_current(&mut self, source: P::Source, unread: &mut [u8]) {
        let index = self.current.index();
        self.stop_waiting(index);
        if P::OWNS_BUFFERS {
            // All of it is shown to the next reader.
            self.context.platform.consume(source, 0, 0);
        } else {
            self.take_input(unread);
            self.release_input(index);
        }
        let connection = core::mem::replace(self.current(), Connection::EMPTY);
        if matches!(connection.origin(), Origin::Connected { .. }) {
            self.state.connects -= 1;
        }
        self.state.open -= 1;
        bump(&mut self.state.counters.released, 1);
        self.connections.take_source(index);
        // A selector that fails has no more use for the source either.
        let _ = self.context.deregister(source, self.current);
        self.resume_listener();
        self.leave_if_drained();
    }

    /// Returns whether a token names an open connection of this server.
    fn is_served(&self, token: Token) -> bool {
        let connection = self.connections.get(token.index());
        self.context.contains(token) && connection.is_some_and(Connection::is_open)
    }
}
