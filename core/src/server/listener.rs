//! The life of a listener: accept, pause while nothing more can be served, resume when something is freed.

use super::Server;
use super::connection::{Connection, Flags};
use super::service::Service;
use crate::{Close, Context, ErrorKind, Interest, Mode, Token, Transport};

impl<'a, P: Transport, S: Service> Server<'a, P, S> {
    /// Takes waiting connections, as many as one turn may.
    pub(super) fn accept(&mut self, context: &mut Context<'a, P>, listener: Token) {
        let Some(source) = self.table.sources[listener.index()] else { return };
        for _ in 0..self.table.config.accepts_per_turn.max(1) {
            if self.is_full(context) {
                self.table.counters.accept_pauses += 1;
                return self.pause(context, listener);
            }
            match context.platform.accept(source) {
                Ok(connection) => self.welcome(context, connection),
                Err(nb::Error::WouldBlock) => return,
                Err(nb::Error::Other(error)) if error.kind() == ErrorKind::ConnectionAborted => {
                    self.table.counters.aborted_early += 1;
                }
                Err(nb::Error::Other(_)) => {
                    // Out of descriptors or memory, or worse: the listener stays ready, so it must not be watched. A
                    // connection that closes arms it again; so does time, as others may free what it lacks.
                    self.table.counters.accept_failures += 1;
                    let retry = context.now() + self.table.config.accept_retry;
                    self.driver(context, listener).schedule(listener, retry);
                    return self.pause(context, listener);
                }
            }
        }
    }

    /// Whether no further connection can be served.
    fn is_full(&self, context: &Context<'a, P>) -> bool {
        let slots = context.registry();
        self.table.open >= self.table.config.connections_max || slots.len() + slots.retired() >= slots.capacity()
    }

    /// Opens a connection that was just accepted, or closes it if it cannot be registered.
    fn welcome(&mut self, context: &mut Context<'a, P>, source: P::Source) {
        if let Ok(token) = self.register(context, source) {
            return self.open(context, token);
        }
        self.table.counters.refused += 1;
        let closed = context.platform.close(source, Close::Abort);
        self.table.counters.close_failures += u64::from(closed.is_err());
    }

    /// Disarms a listener.
    fn pause(&mut self, context: &mut Context<'a, P>, listener: Token) {
        if self.watch_listener(context, listener, Interest::NONE) {
            self.table.connections[listener.index()].set(Flags::PAUSED);
            self.table.paused += 1;
        }
    }

    /// Arms every disarmed listener: something was freed.
    #[inline]
    pub(super) fn resume_listeners(&mut self, context: &mut Context<'a, P>) {
        if self.table.paused == 0 || self.is_full(context) {
            return;
        }
        for index in 0..self.table.connections.len() {
            if self.table.paused == 0 {
                break;
            }
            if let Some(listener) = context.registry().token_at(index) {
                self.resume(context, listener);
            }
        }
    }

    /// Arms a listener that was disarmed.
    pub(super) fn resume(&mut self, context: &mut Context<'a, P>, listener: Token) {
        if self.table.connections[listener.index()].is(Flags::PAUSED)
            && self.watch_listener(context, listener, Interest::READABLE)
        {
            self.table.connections[listener.index()].clear(Flags::PAUSED);
            self.table.paused -= 1;
        }
    }

    /// Changes what a listener is watched for, and says whether that worked. If not, it is tried again in a while.
    fn watch_listener(&mut self, context: &mut Context<'a, P>, listener: Token, interest: Interest) -> bool {
        let Some(source) = self.table.sources[listener.index()] else { return false };
        let done = context.modify(source, listener, interest, Mode::Level).is_ok();
        if !done {
            let retry = context.now() + self.table.config.accept_retry;
            self.driver(context, listener).schedule(listener, retry);
        }
        done
    }

    pub(super) fn close_listener(&mut self, context: &mut Context<'a, P>, listener: Token) {
        let connection = core::mem::replace(&mut self.table.connections[listener.index()], Connection::EMPTY);
        self.table.paused -= usize::from(connection.is(Flags::PAUSED));
        self.close_source(context, listener, Close::Graceful);
    }
}
