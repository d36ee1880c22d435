//! The life of a listener: accept, pause while nothing more can be served, resume when something is
//! freed.

use super::Task;
use super::connection::{Connection, Flags};
use super::counters::tally;
use super::service::Service;
use super::table::Driver;
use crate::contract::{Close, Error, ErrorKind, Interest, Mode, Token, Transport};

impl<P: Transport, S: Service> Task<'_, '_, '_, P, S> {
    /// Takes waiting connections, as many as one turn may.
    pub(super) fn accept(&mut self) {
        let listener = self.driver.current.index();
        let Some(source) = self.driver.source(listener) else { return };
        for _ in 0..self.driver.table.limits.accepts_per_turn {
            if self.driver.is_full() {
                tally(&mut self.driver.table.counters.accept_pauses, 1);
                return self.driver.pause(listener);
            }
            match self.driver.context.platform.accept(source) {
                Ok(connection) => self.welcome(connection),
                Err(error) if error.is_would_block() => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {
                    tally(&mut self.driver.table.counters.aborted_early, 1);
                }
                Err(_) => {
                    // Out of descriptors or memory, or worse: the listener stays ready, so it must
                    // not be watched. A connection that closes arms it again;
                    // so does time, as others may free what it lacks.
                    tally(&mut self.driver.table.counters.accept_failures, 1);
                    self.driver.retry_later(listener);
                    return self.driver.pause(listener);
                }
            }
        }
    }

    /// Opens a connection that was just accepted, or closes it if it cannot be registered.
    fn welcome(&mut self, source: P::Source) {
        if let Ok(token) = self.driver.register(source) {
            self.driver.current = token;
            return self.open();
        }
        tally(&mut self.driver.table.counters.refused, 1);
        let closed = self.driver.context.platform.close(source, Close::Abort);
        tally(&mut self.driver.table.counters.close_failures, usize::from(closed.is_err()));
    }
}

impl<P: Transport> Driver<'_, '_, '_, P> {
    /// Watches a source for reading, and remembers it.
    #[inline(never)]
    pub(super) fn register(&mut self, source: P::Source) -> Result<Token, Error> {
        let token = self.context.register(source, Interest::READABLE, Mode::Level)?;
        if token.index() >= self.table.connections.len() {
            self.context.deregister(source, token)?;
            return Err(Error::new(ErrorKind::Full));
        }
        *self.connection(token.index()) =
            Connection { interest: Interest::READABLE, ..Connection::EMPTY };
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
        tally(
            &mut self.table.counters.close_failures,
            usize::from(deregistered.is_err() || closed.is_err()),
        );
    }

    pub(super) fn stop_when_drained(&mut self) {
        if self.table.draining && self.table.open == 0 {
            self.context.stop();
        }
    }

    /// Whether no further connection can be served.
    fn is_full(&self) -> bool {
        let slots = self.context.registry();
        self.table.open >= self.table.limits.connections_max
            || slots.len() + slots.retired() >= slots.capacity()
    }

    /// Disarms a listener.
    fn pause(&mut self, listener: usize) {
        self.table.paused = true;
        self.arm(listener, Interest::NONE);
    }

    /// Arms every disarmed listener: something was freed.
    pub(super) fn resume_listeners(&mut self) {
        if !self.table.paused || self.is_full() {
            return;
        }
        self.table.paused = false;
        for index in 0..self.table.connections.len() {
            self.resume_listener(index);
        }
    }

    /// Arms a listener, if it is one and was disarmed.
    pub(super) fn resume_listener(&mut self, index: usize) {
        if self.connection(index).is(Flags::LISTENER) {
            self.arm(index, Interest::READABLE);
        }
    }

    /// Changes what a listener is watched for. If that does not work, it is armed in a while, or
    /// when something is freed.
    fn arm(&mut self, listener: usize, interest: Interest) {
        if self.watch(listener, interest).is_err() {
            self.table.paused = true;
            self.retry_later(listener);
        }
    }

    /// Has a listener looked after in a while.
    fn retry_later(&mut self, listener: usize) {
        let retry = self.table.limits.accept_retry.after(self.context.turn_time());
        self.schedule(listener, retry);
    }

    pub(super) fn close_listener(&mut self, listener: usize) {
        *self.connection(listener) = Connection::EMPTY;
        self.close_source(listener, Close::Graceful);
    }
}
