//! The life of a listener: accept, pause while nothing more can be served, resume when something is freed.

use super::Task;
use super::connection::{Connection, Flags};
use super::service::Service;
use super::table::Driver;
use crate::{Close, Error, ErrorKind, Interest, Mode, Token, Transport};

impl<P: Transport, S: Service> Task<'_, '_, P, S> {
    /// Takes waiting connections, as many as one turn may.
    pub(super) fn accept(&mut self) {
        let listener = self.driver.current.index();
        let Some(source) = self.driver.source(listener) else { return };
        for _ in 0..self.driver.table.limits.accepts_per_turn {
            if self.driver.is_full() {
                self.driver.table.counters.accept_pauses += 1;
                return self.driver.pause(listener);
            }
            match self.driver.context.platform.accept(source) {
                Ok(connection) => self.welcome(connection),
                Err(nb::Error::WouldBlock) => return,
                Err(nb::Error::Other(error)) if error.kind() == ErrorKind::ConnectionAborted => {
                    self.driver.table.counters.aborted_early += 1;
                }
                Err(nb::Error::Other(_)) => {
                    // Out of descriptors or memory, or worse: the listener stays ready, so it must not be watched. A
                    // connection that closes arms it again; so does time, as others may free what it lacks.
                    self.driver.table.counters.accept_failures += 1;
                    self.driver.retry_later(listener);
                    return self.driver.pause(listener);
                }
            }
        }
    }

    /// Opens a connection that was just accepted, or closes it if it cannot be registered.
    fn welcome(&mut self, source: P::Source) {
        match self.driver.register(source) {
            Ok(token) => {
                self.driver.current = token;
                self.open();
            }
            Err(_) => {
                self.driver.table.counters.refused += 1;
                let closed = self.driver.context.platform.close(source, Close::Abort);
                self.driver.table.counters.close_failures += u64::from(closed.is_err());
            }
        }
    }
}

impl<P: Transport> Driver<'_, '_, P> {
    /// Watches a source for reading, and remembers it.
    #[inline(never)]
    pub(super) fn register(&mut self, source: P::Source) -> Result<Token, Error> {
        let token = self.context.register(source, Interest::READABLE, Mode::Level)?;
        if token.index() >= self.table.connections.len() {
            self.context.deregister(source, token)?;
            return Err(Error::new(ErrorKind::Full));
        }
        *self.connection(token.index()) = Connection { interest: Interest::READABLE, ..Connection::EMPTY };
        self.table.sources[token.index()] = Some(source);
        Ok(token)
    }

    /// Deregisters and closes a source.
    #[inline(never)]
    pub(super) fn close_source(&mut self, index: usize, how: Close) {
        let Some(token) = self.context.registry().token_at(index) else { return };
        let Some(source) = self.table.sources[index].take() else { return };
        let deregistered = self.context.deregister(source, token);
        let closed = self.context.platform.close(source, how);
        self.table.counters.close_failures += u64::from(deregistered.is_err() || closed.is_err());
    }

    pub(super) fn stop_when_drained(&mut self) {
        if self.table.draining && self.table.open == 0 {
            self.context.stop();
        }
    }

    /// Whether no further connection can be served.
    fn is_full(&self) -> bool {
        let slots = self.context.registry();
        self.table.open >= self.table.limits.connections_max || slots.len() + slots.retired() >= slots.capacity()
    }

    /// Disarms a listener.
    fn pause(&mut self, listener: usize) {
        if self.watch_listener(listener, Interest::NONE) {
            self.connection(listener).set(Flags::PAUSED);
            self.table.paused += 1;
        }
    }

    /// Arms every disarmed listener: something was freed.
    pub(super) fn resume_listeners(&mut self) {
        if self.table.paused == 0 || self.is_full() {
            return;
        }
        for index in 0..self.table.connections.len() {
            self.resume_listener(index);
        }
    }

    /// Arms a listener that was disarmed.
    pub(super) fn resume_listener(&mut self, listener: usize) {
        if self.connection(listener).is(Flags::PAUSED) && self.watch_listener(listener, Interest::READABLE) {
            self.connection(listener).clear(Flags::PAUSED);
            self.table.paused -= 1;
        }
    }

    /// Changes what a listener is watched for, and says whether that worked. If not, it is tried again in a while.
    fn watch_listener(&mut self, listener: usize, interest: Interest) -> bool {
        let done = self.watch(listener, interest).is_ok();
        if !done {
            self.retry_later(listener);
        }
        done
    }

    /// Has a listener looked after in a while.
    fn retry_later(&mut self, listener: usize) {
        let retry = self.table.limits.accept_retry.after(self.context.now());
        self.schedule(listener, retry);
    }

    pub(super) fn close_listener(&mut self, listener: usize) {
        let paused = core::mem::take(self.connection(listener)).is(Flags::PAUSED);
        self.table.paused -= usize::from(paused);
        self.close_source(listener, Close::Graceful);
    }
}
