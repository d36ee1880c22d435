//! How bytes come in: read, offered to the service, and held as far as it leaves them.

use super::Server;
use super::connection::Flags;
use super::service::{Peer, Service};
use super::table::Driver;
use crate::{Close, Context, Token, Transport};

/// How many reads a connection gets in one turn where a source stays readable until one has found nothing. There are few,
/// so that a peer that sends a byte at a time, and never stops, keeps nobody else from theirs.
const READS_MAX: usize = 4;

impl<'a, P: Transport, S: Service> Server<'a, P, S> {
    /// Reads, and offers what came to the service: once, or where that leaves a source readable, until nothing is there.
    /// However often, it takes no more bytes than one read may.
    #[inline]
    pub(super) fn receive(&mut self, context: &mut Context<'a, P>, token: Token) {
        let mut limit = self.table.received_max;
        for _ in 0..const { if P::READABLE_UNTIL_EMPTY { READS_MAX } else { 1 } } {
            let count = self.receive_once(context, token, limit);
            if count == 0 || self.table.connections[token.index()].flags != Flags::OPEN {
                return self.settle(context, token);
            }
            limit -= count;
            if limit == 0 {
                return;
            }
        }
    }

    /// Reads once, at most `limit` bytes, and offers what came to the service. Gives how many bytes came.
    ///
    /// Nothing is held and nothing owed in the usual case, which is kept free of anything else.
    #[inline]
    fn receive_once(&mut self, context: &mut Context<'a, P>, token: Token, limit: usize) -> usize {
        if !self.driver(context, token).is_fed(token) {
            return 0;
        }
        let limit = if P::OWNS_OUTBOX { self.driver(context, token).outbox_room(token).min(limit) } else { limit };
        if limit == 0 {
            return 0;
        }
        let Some(count) = self.read(context, token, 0, limit) else { return 0 };
        let consumed = self.offer(context, token, count);
        if consumed < count {
            let Self { table, scratch, .. } = self;
            Driver { context, table, current: token }.hold(token, &scratch[consumed..count]);
        }
        count
    }

    /// Reads into the scratch memory from `start` to `limit`. Gives how many bytes came, or nothing if none did, with the
    /// connection marked for what that means.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[allow(
        clippy::inline_always,
        reason = "where speed counts, the usual way from the socket and back has no call in between"
    )]
    fn read(&mut self, context: &mut Context<'a, P>, token: Token, start: usize, limit: usize) -> Option<usize> {
        let source = self.table.sources[token.index()]?;
        match context.platform.read(source, &mut self.scratch[start..limit]) {
            Ok(0) => {
                self.table.connections[token.index()].set(Flags::READ_ENDED);
                None
            }
            Ok(count) => {
                self.table.counters.bytes_in += count as u64;
                self.driver(context, token).touch(token);
                Some(count)
            }
            Err(nb::Error::WouldBlock) => {
                self.table.counters.reads_spurious += 1;
                None
            }
            Err(nb::Error::Other(error)) => {
                self.driver(context, token).fail(token, error);
                None
            }
        }
    }

    /// Offers the first `count` bytes of the scratch memory to the service, and says how many it took.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[allow(clippy::inline_always, reason = "as for `read`")]
    fn offer(&mut self, context: &mut Context<'a, P>, token: Token, count: usize) -> usize {
        let session = self.sessions[token.index()].get_or_insert_with(S::Session::default);
        let mut driver = Driver { context, table: &mut self.table, current: token };
        let bytes = &self.scratch[..count];
        self.service.received(&mut Peer::new(token, &mut driver), session, bytes).min(count)
    }

    /// Offers held bytes again, with more behind them if `more` says that some may have come.
    fn receive_held(&mut self, context: &mut Context<'a, P>, token: Token, more: bool) {
        let limit = self.table.received_max;
        let held = {
            let Self { table, scratch, .. } = self;
            Driver { context, table, current: token }.unhold(token, scratch)
        };
        let mut count = held;
        if more && held < limit {
            count += self.read(context, token, held, limit).unwrap_or(0);
        }
        let room = self.driver(context, token).outbox_room(token);
        if P::OWNS_OUTBOX && room < count {
            self.driver(context, token).offer_later(token);
        }
        let consumed = match count.min(room) {
            0 => 0,
            offered => self.offer(context, token, offered),
        };
        let Self { table, scratch, .. } = self;
        let mut driver = Driver { context, table, current: token };
        if consumed < count {
            driver.hold(token, &scratch[consumed..count]);
        }
        driver.release_inbox(token);
    }

    /// Receives while something is owed or held already.
    pub(super) fn receive_behind(&mut self, context: &mut Context<'a, P>, token: Token, readable: bool) {
        if self.driver(context, token).feed(token) && self.driver(context, token).has_room(token) {
            self.receive_held(context, token, readable);
        }
    }

    /// Offers held bytes again to a service that asked for it, or to whom no block could be lent before.
    pub(super) fn offer_again(&mut self, context: &mut Context<'a, P>, token: Token) {
        let connection = &mut self.table.connections[token.index()];
        let (starved, resumed) = (connection.is(Flags::STARVED), connection.is(Flags::RESUMED));
        connection.clear(Flags::RESUMED);
        if connection.is(Flags::CLOSING | Flags::BROKEN) {
            return;
        }
        let holds = connection.is(Flags::HOLDS);
        if !starved {
            if resumed && holds {
                self.receive_behind(context, token, false);
            }
            return;
        }
        // It was readable when it began to wait, or had bytes left to be offered.
        let more = !connection.is(Flags::READ_ENDED);
        let mut driver = self.driver(context, token);
        if driver.feed(token) && (more || holds) && driver.has_room(token) {
            self.receive_held(context, token, more);
        }
    }

    /// Throws away what a peer sends after all was sent to it, until it ends its stream.
    pub(super) fn linger(&mut self, context: &mut Context<'a, P>, token: Token) {
        let Some(source) = self.table.sources[token.index()] else { return };
        match context.platform.read(source, self.scratch) {
            Ok(0) | Err(nb::Error::Other(_)) => self.close(context, token, Close::Graceful),
            Ok(count) => self.table.counters.bytes_in += count as u64,
            Err(nb::Error::WouldBlock) => self.table.counters.reads_spurious += 1,
        }
    }
}
