//! The requests of a service, as the server carries them out.

use core::net::SocketAddr;

use super::config::Features;
use super::connection::{Flag, Phase, ReadHalf};
use super::counters::{CloseReason, Counters, bump};
use super::engine::Engine;
use super::ops::{Ending, PeerOps, SendError};
use super::origin::Origin;
use crate::contract::{Error, ErrorKind, Instant, Token, Transport};

impl<P: Transport, F: Features> PeerOps for Engine<'_, '_, P, F> {
    fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        self.send_all(token, bytes)
    }

    fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize {
        self.send_part(token, bytes)
    }

    fn room(&mut self, token: Token) -> usize {
        let Some(index) = self.find_sendable(token) else { return 0 };
        let room = Engine::room(self, index, 1);
        self.record_told(index, room);
        room
    }

    fn received_max(&self) -> usize {
        self.state.received_max
    }

    fn counters(&self) -> &Counters {
        &self.state.counters
    }

    fn now(&mut self) -> Instant {
        self.context.now()
    }

    #[inline]
    fn set_timer(&mut self, token: Token, deadline: Option<Instant>) {
        let Some(index) = self.find_open(token) else { return };
        // Zero is no deadline, and the time after it is as good.
        let timer = deadline.map_or(Instant::ZERO, |deadline| deadline.max(Instant::from_nanos(1)));
        self.connection(index).timer = timer;
        // An old deadline of the loop's stays, and is found to be too early when it passes.
        if timer != Instant::ZERO {
            self.schedule(index, timer);
        }
    }

    fn request_writable(&mut self, token: Token) {
        let Some(index) = self.find_sendable(token) else { return };
        self.connection(index).set(Flag::WRITABLE_WANTED);
        // The current connection is reconciled at the end of its call.
        if index != self.current.index() {
            self.update_interest(index);
        }
    }

    fn set_reading(&mut self, token: Token, reads: bool) {
        let Some(index) = self.find_open(token) else { return };
        let is_current = index == self.current.index();
        let connection = self.connection(index);
        let was_paused = connection.has(Flag::PAUSED);
        if !reads {
            connection.set(Flag::PAUSED);
            // Scheduled, since it may wait for a buffer that another could have.
            if !is_current {
                self.schedule_now(index);
            }
            return;
        }
        connection.clear(Flag::PAUSED);
        let has_input = !P::OWNS_BUFFERS && connection.input().is_some();
        let has_unread = has_input || connection.has(Flag::LEFT);
        // What the call that is under way leaves is not kept yet.
        if is_current || has_unread || was_paused {
            connection.set(Flag::OFFER_AGAIN);
            self.schedule_now(index);
        }
    }

    fn shutdown_write(&mut self, token: Token) {
        if let Some(index) = self.find_sendable(token) {
            self.connection(index).begin_shutdown();
            self.reconcile_later(index);
        }
    }

    fn close(&mut self, token: Token, ending: Ending) {
        let Some(index) = self.find(token) else { return };
        let connection = self.connection(index);
        // A service that closes after the peer's FIN ends a complete exchange.
        let has_ended = connection.is_open() && connection.read_half() != ReadHalf::Open;
        let closes_as = self.state.call.closes_as;
        let reason = if has_ended { CloseReason::Finished } else { closes_as };
        match (ending, self.connection(index).phase()) {
            // The first reason counts.
            (Ending::Aborted, Phase::Failed) => {}
            (Ending::Aborted, _) => self.abort(index, CloseReason::Aborted),
            // Nothing was sent that could be flushed.
            (_, Phase::Connecting) => self.abort(index, reason),
            (Ending::Finished, Phase::Open) if F::DRAINS => {
                let connection = self.connection(index);
                connection.set(Flag::FINISHING);
                // The reason of a failed write is kept.
                let has_failed = connection.has(Flag::WRITE_FAILED)
                    && connection.reason() != CloseReason::Finished;
                if !has_failed {
                    connection.set_reason(reason);
                }
                self.reconcile_later(index);
            }
            (_, Phase::Open) => self.begin_closing(index, reason),
            // It is closing already.
            _ => {}
        }
    }

    fn send_parts(&mut self, token: Token, parts: &[&[u8]]) -> Result<(), SendError> {
        self.send_all_parts(token, parts)
    }

    fn origin(&self, token: Token) -> Origin {
        let connection = self.find(token).and_then(|index| self.connections.get(index));
        self.state.origin_of(token, connection)
    }

    fn remote_address(&mut self, token: Token) -> Option<SocketAddr> {
        let index = self.find(token)?;
        let source = self.source(index)?;
        self.context.platform.remote_address(source)
    }

    fn connect(&mut self, by: Option<Token>, address: SocketAddr) -> Result<Token, Error> {
        if !F::CONNECTS {
            // The program has no code for it.
            return Err(ErrorKind::Unsupported.into());
        }
        let address = P::address(address).ok_or(Error::new(ErrorKind::Unsupported))?;
        self.connect_to(by, &address)
    }
}

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Sends the bytes of all parts, or none.
    pub(super) fn send_all_parts(
        &mut self,
        token: Token,
        parts: &[&[u8]],
    ) -> Result<(), SendError> {
        let Some(index) = self.find_sendable(token) else { return Err(SendError::Closed) };
        let count: usize = parts.iter().map(|part| part.len()).sum();
        let room = self.room(index, count);
        if count > room {
            return Err(self.refuse_all(index, count));
        }
        self.record_room(index, room - count);
        let mut written = 0;
        if count > 0 && !P::OWNS_BUFFERS && !self.keeps_order(index) {
            written = self.write_parts(index, parts)?;
        }
        for part in parts {
            let skipped = written.min(part.len());
            written -= skipped;
            if skipped < part.len() {
                self.hand_over(index, &part[skipped..], room)?;
            }
        }
        Ok(())
    }

    /// Hands several parts to the platform at once. Returns the number of bytes that it took.
    fn write_parts(&mut self, index: usize, parts: &[&[u8]]) -> Result<usize, SendError> {
        let Some(source) = self.source(index) else { return Err(SendError::Closed) };
        self.state.call.has_sent |= index == self.current.index();
        match self.context.platform.write_vectored(source, parts) {
            Ok(count) => {
                bump(&mut self.state.counters.bytes_out, count);
                self.record_progress(index);
                Ok(count)
            }
            Err(error) => self.keep_rest(index, &[], Err(error)),
        }
    }

    /// Returns whether bytes for a connection have to be kept behind others.
    fn keeps_order(&mut self, index: usize) -> bool {
        let is_later = index == self.current.index() && self.state.call.has_sent;
        is_later || self.connection(index).output().is_some()
    }
}
