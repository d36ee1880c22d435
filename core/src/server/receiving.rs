//! How bytes come in: read, offered to the service, held as far as it leaves them.

use super::connection::Flags;
use super::counters::tally;
use super::service::{Peer, Service};
use super::table::Driver;
use super::{Server, Task};
use crate::contract::{Close, Error, Token, Transport};
use crate::event_loop::Context;

/// How many reads a connection gets in one turn where a source stays readable until one has found
/// nothing. There are few, so that a peer that sends a byte at a time, and never stops, keeps
/// nobody else from theirs.
const READS_MAX: usize = 4;

impl<P: Transport, S: Service> Server<'_, P, S> {
    /// Receives from a connection that is open and nothing else, while blocks are plenty: what is
    /// nearly always the case, in as few steps as can be. [`Task::receive`] does the same and
    /// everything else; whatever turns out otherwise here is finished there.
    #[inline]
    pub(super) fn receive_quickly(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        source: P::Source,
    ) {
        let count = match context.platform.read(source, self.scratch) {
            Ok(0) => return self.nothing_came(context, token, Ok(0)),
            Ok(count) => count,
            Err(error) => return self.nothing_came(context, token, Err(error)),
        };
        tally(&mut self.table.counters.bytes_in, count);
        let Some(Some(session)) = self.sessions.get_mut(token.index()) else { return };
        let mut driver =
            Driver { context, table: &mut self.table, current: token, quick: Some(source) };
        driver.touch(token.index());
        let consumed = self.service.received(
            &mut Peer::new(token, &mut driver),
            session,
            &self.scratch[..count],
        );
        if consumed < count || driver.quick.is_none() {
            self.finish_receiving(context, token, consumed, count);
        }
    }

    /// Settles a connection of which nothing came.
    #[cold]
    #[inline(never)]
    fn nothing_came(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        read: Result<usize, Error>,
    ) {
        let mut task = self.task(context, token);
        task.came(read);
        task.settle();
    }

    /// Holds what the service has left of what it was offered, and settles the connection unless it
    /// is as it was.
    #[cold]
    #[inline(never)]
    fn finish_receiving(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        consumed: usize,
        count: usize,
    ) {
        let mut task = self.task(context, token);
        if consumed < count {
            task.driver.hold(&task.scratch[consumed..count]);
        }
        if task.driver.here().flags != Flags::OPEN {
            task.settle();
        }
    }
}

impl<P: Transport, S: Service> Task<'_, '_, '_, P, S> {
    /// Receives as much as there is room for: reads if `more` says that something may have come,
    /// and offers it to the service behind what is held. Once, or where one read leaves a
    /// source readable, until nothing is there. However often, no more bytes are taken than one
    /// read may.
    #[inline(never)]
    pub(super) fn receive(&mut self, more: bool) {
        if P::OWNS_BUFFERS {
            return self.receive_in_place(more);
        }
        let mut limit = self.scratch.len();
        let mut reads = 0;
        loop {
            let count = self.receive_once(more, limit);
            limit -= count;
            reads += 1;
            if !P::READABLE_UNTIL_EMPTY
                || reads == READS_MAX
                || count == 0
                || limit == 0
                || self.driver.here().flags != Flags::OPEN
            {
                break;
            }
        }
    }

    /// Reads once, and offers what came to the service behind what is held. Gives how many bytes
    /// came.
    fn receive_once(&mut self, more: bool, limit: usize) -> usize {
        let index = self.driver.current.index();
        if !self.driver.feed() || !self.driver.has_room(index) {
            return 0;
        }
        let held = self.driver.unhold(self.scratch);
        let mut came = 0;
        if more && held < limit {
            if let (Some(source), Some(rest)) =
                (self.driver.source(index), self.scratch.get_mut(held..limit))
            {
                let read = self.driver.context.platform.read(source, rest);
                came = self.came(read);
            }
        }
        let count = held + came;
        let offered = count.min(self.driver.outbox_room(index));
        let mut consumed = 0;
        if let (Some(Some(session)), Some(bytes @ [_, ..])) =
            (self.sessions.get_mut(index), self.scratch.get(..offered))
        {
            let mut peer = Peer::new(self.driver.current, &mut self.driver);
            consumed = self.service.received(&mut peer, session, bytes).min(offered);
        }
        self.driver.hold(self.scratch.get(consumed..count).unwrap_or_default());
        came
    }

    /// Offers the service what the platform has, as far as the platform has room for an answer: if
    /// `more` says that something may have come, and otherwise once more.
    fn receive_in_place(&mut self, more: bool) {
        let index = self.driver.current.index();
        let Some(source) = self.driver.source(index) else { return };
        let room = self.driver.outbox_room(index);
        self.driver.here().clear(Flags::CRAMPED);
        if room == 0 {
            return;
        }
        let platform = &mut self.driver.context.platform;
        if !more {
            platform.consume(source, 0, 0);
        }
        let shown = match platform.peek(source, self.scratch) {
            Ok(shown @ 1..) => shown,
            nothing => {
                self.came(nothing);
                return;
            }
        };
        let offered = shown.min(room);
        let mut consumed = 0;
        if let (Some(Some(session)), Some(bytes)) =
            (self.sessions.get_mut(index), self.scratch.get(..offered))
        {
            let mut peer = Peer::new(self.driver.current, &mut self.driver);
            consumed = self.service.received(&mut peer, session, bytes).min(offered);
        }
        let left = offered - consumed;
        self.driver.context.platform.consume(source, consumed, left);
        tally(&mut self.driver.table.counters.bytes_in, consumed);
        if more || consumed > 0 {
            self.driver.touch(index);
        }
        let connection = self.driver.here();
        connection.clear(Flags::HOLDS);
        let ended = connection.is(Flags::READ_ENDED);
        if consumed < shown {
            connection.set(Flags::HOLDS);
        }
        if offered < shown && (left > 0 || ended) {
            connection.set(Flags::CRAMPED);
            self.driver.offer_later(index);
        } else if left == self.scratch.len() && !ended {
            connection.set(Flags::CRAMPED);
        }
    }

    /// Takes note of what came of a read: how many bytes, or else what that means for the
    /// connection.
    pub(super) fn came(&mut self, read: Result<usize, Error>) -> usize {
        match read {
            Ok(0) => self.driver.here().set(Flags::READ_ENDED),
            Ok(count) => {
                tally(&mut self.driver.table.counters.bytes_in, count);
                self.driver.touch(self.driver.current.index());
                return count;
            }
            Err(error) if error.is_would_block() => {
                tally(&mut self.driver.table.counters.reads_spurious, 1);
            }
            Err(error) => self.driver.fail(self.driver.current.index(), error),
        }
        0
    }

    /// Offers held bytes again to a service that asked for it, or to whom no block could be lent
    /// before.
    pub(super) fn offer_again(&mut self) {
        let flags = self.driver.here().flags;
        self.driver.here().clear(Flags::RESUMED);
        if flags.intersects(Flags::CLOSING | Flags::BROKEN) {
            return;
        }
        let starved = flags.contains(Flags::STARVED);
        if starved || flags.contains(Flags::RESUMED | Flags::HOLDS) {
            // It was readable when it began to wait, or had bytes left to be offered.
            self.receive(starved && !flags.contains(Flags::READ_ENDED));
        }
    }

    /// Throws away what a peer sends after all was sent to it, until it ends its stream.
    pub(super) fn linger(&mut self) {
        let Some(source) = self.driver.source(self.driver.current.index()) else { return };
        match self.driver.context.platform.read(source, self.scratch) {
            Ok(0) => self.close(Close::Graceful),
            Err(error) if !error.is_would_block() => self.close(Close::Graceful),
            read => {
                self.came(read);
            }
        }
    }
}
