//! Bytes to the peer: handed to the platform at once, kept in the output buffer as far as it does
//! not take them, and flushed when it does.

use core::time::Duration;

use super::config::Features;
use super::connection::{Connection, Flag, Phase, WriteHalf};
use super::counters::{CloseReason, bump};
use super::engine::{Engine, reason_of};
use super::ops::SendError;
use crate::contract::{Error, ErrorKind, Instant, Token, Transport};

/// The shortest and the longest time after which bytes are offered again that the service could
/// not answer for lack of room, where the platform owns the buffers: it does not report that there
/// is more room than before.
const ROOM_RETRY_MIN: Duration = Duration::from_millis(10);
const ROOM_RETRY_MAX: Duration = Duration::from_secs(1);

/// The length from which bytes are written at once although the callback has sent before: to copy
/// them to the output buffer would cost more than the system call that this saves.
const GATHERED_MAX: usize = 4096;

/// The outcome of an attempt to end the stream to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shutdown {
    Done,
    /// The platform has no room for it yet.
    Blocked,
    Failed,
}

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Returns the number of bytes that can be sent to an open connection without loss. Flushes
    /// what was gathered if that is fewer than `wanted`.
    pub(super) fn room(&mut self, index: usize, wanted: usize) -> usize {
        if P::OWNS_BUFFERS {
            return self.platform_room(index);
        }
        let room = self.buffer_room(index);
        // Gathered bytes were not yet offered to the platform: it may take them and make room.
        if room >= wanted || !self.gathers(index) {
            return room;
        }
        self.flush();
        // The flush may have found that the connection is broken.
        if self.connection(index).is_sendable() { self.buffer_room(index) } else { 0 }
    }

    /// Returns the room in the server's own buffer.
    fn buffer_room(&mut self, index: usize) -> usize {
        match self.connection(index).output() {
            Some(output) => self.pool.room(output),
            None if self.may_borrow_for_output(index) => self.pool.size(),
            None => 0,
        }
    }

    /// Returns the room in the platform's own buffer, and records the most that one has had.
    pub(super) fn platform_room(&mut self, index: usize) -> usize {
        let room = self.source(index).map_or(0, |source| self.context.platform.write_room(source));
        self.state.room_max = self.state.room_max.max(room);
        self.record_room(index, room);
        room
    }

    /// Records the room that a service has left for output, where the platform owns the buffers.
    pub(super) fn record_room(&mut self, index: usize, room: usize) {
        self.state.call.has_filled |= P::OWNS_BUFFERS && room == 0 && index == self.current.index();
    }

    /// Records the room that the service of the current connection is told of.
    pub(super) fn record_told(&mut self, index: usize, room: usize) {
        if P::OWNS_BUFFERS && index == self.current.index() && room < self.state.room_max {
            self.state.call.room_told = Some(room);
        }
    }

    /// Offers the input that a service has left again when there is more room than it was told of.
    pub(super) fn wait_for_more_room(&mut self, index: usize, told: usize) {
        if self.platform_room(index) > told {
            // The peer has made some since.
            self.connection(index).set(Flag::OFFER_AGAIN);
            return self.schedule_now(index);
        }
        self.wait_for_room(index);
    }

    /// Returns whether the output buffer of a connection has only bytes that were not yet tried to
    /// be written.
    fn gathers(&self, index: usize) -> bool {
        self.state.call.has_gathered && index == self.current.index()
    }

    /// Returns the slot of a connection that takes bytes for its peer.
    pub(super) fn find_sendable(&mut self, token: Token) -> Option<usize> {
        let index = self.find_open(token)?;
        let connection = self.connection(index);
        if connection.is_sendable() {
            return Some(index);
        }
        let failed = connection.has(Flag::WRITE_FAILED);
        // A service that takes no input because it cannot answer would stay so for good: the reader
        // closes the connection then.
        self.state.call.was_refused |= failed && index == self.current.index();
        None
    }

    /// Sends all of `bytes`, or none.
    pub(super) fn send_all(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        let Some(index) = self.find_sendable(token) else { return Err(SendError::Closed) };
        if bytes.is_empty() {
            // No byte moves, so nothing is written, and it is no progress.
            return Ok(());
        }
        let room = self.room(index, bytes.len());
        if bytes.len() > room {
            return Err(self.refuse_all(index, bytes.len()));
        }
        self.record_room(index, room - bytes.len());
        self.hand_over(index, bytes, room).map(|_| ())
    }

    /// Records that a service could not send `count` bytes, and returns the reason.
    #[cold]
    pub(super) fn refuse_all(&mut self, index: usize, count: usize) -> SendError {
        self.refuse(index);
        // `Full` lets the service wait for `writable`: in vain, if there is never enough room.
        let ever = if P::OWNS_BUFFERS { self.state.room_max } else { self.pool.size() };
        if count > ever { SendError::TooLong } else { SendError::Full }
    }

    /// Sends as many of `bytes` as there is room for.
    pub(super) fn send_part(&mut self, token: Token, bytes: &[u8]) -> usize {
        let Some(index) = self.find_sendable(token) else { return 0 };
        let room = self.room(index, bytes.len());
        // As nothing waits, only what the platform does not take needs room.
        let has_all_room = !P::OWNS_BUFFERS && room == self.pool.size();
        let count = if has_all_room { bytes.len() } else { bytes.len().min(room) };
        self.record_room(index, room.saturating_sub(count));
        let sent = if count > 0 { self.hand_over(index, &bytes[..count], room) } else { Ok(0) };
        if count < bytes.len() {
            // The service leaves the rest as input, and must be called when there is room again.
            self.refuse(index);
        }
        sent.unwrap_or(0)
    }

    /// Records that a service could not send for lack of room.
    #[cold]
    fn refuse(&mut self, index: usize) {
        if !self.connection(index).is_sendable() {
            return;
        }
        if P::OWNS_BUFFERS {
            // The server has no output buffer that could drain: only the platform knows of its
            // room.
            return self.wait_for_room(index);
        }
        // With output pending, the service is called when it has drained; without any, a buffer
        // has to be waited for.
        let is_current = index == self.current.index();
        if is_current && self.connection(index).output().is_none() {
            self.connection(index).set(Flag::WRITABLE_WANTED);
        }
    }

    /// Waits until the platform's own buffer has room again.
    fn wait_for_room(&mut self, index: usize) {
        let now = self.context.now();
        let is_full = self.platform_room(index) == 0;
        let connection = self.connection(index);
        // Each refused send of one wait would otherwise restart the stall timeout.
        let waits_for_any = is_full || P::REPORTS_ROOM;
        let is_retried = connection.has(Flag::OFFER_AGAIN) && !waits_for_any;
        if !connection.has(Flag::NO_ROOM) && !is_retried {
            connection.set_blocked_since(now);
        }
        if waits_for_any {
            connection.set(Flag::NO_ROOM);
            self.schedule_stall(index, now);
            if index != self.current.index() {
                // The current connection is reconciled at the end of its call, others are not.
                self.update_interest(index);
            }
        } else {
            // There is room, but too little: no event says when there is more.
            connection.set(Flag::OFFER_AGAIN);
            // Longer each time, so that a peer that never takes anything costs little.
            let waited = now.saturating_since(connection.blocked_since());
            let retry = now + waited.clamp(ROOM_RETRY_MIN, ROOM_RETRY_MAX);
            self.schedule(index, retry);
        }
    }

    /// Hands bytes to the platform or to the output buffer, which has `room` for those that the
    /// platform does not take. Returns how many were sent: maybe not all, if they are more.
    pub(super) fn hand_over(
        &mut self,
        index: usize,
        bytes: &[u8],
        room: usize,
    ) -> Result<usize, SendError> {
        let is_current = index == self.current.index();
        let has_output = !P::OWNS_BUFFERS && self.connection(index).output().is_some();
        let is_later = is_current
            && self.state.call.has_sent
            && bytes.len() < GATHERED_MAX
            && bytes.len() <= room
            && !P::OWNS_BUFFERS;
        // Bytes keep their order, so none overtakes the output buffer; and the second send of a
        // callback is gathered, so that many small ones cost two system calls.
        if has_output || is_later {
            // Before, everything was taken by the platform: it is tried again at the end.
            self.state.call.has_gathered |= is_later && !has_output;
            self.append(index, bytes);
            return Ok(bytes.len());
        }
        self.state.call.has_sent |= is_current;
        let written = self.write(index, bytes);
        let count = bytes.len().min(room.saturating_add(written.unwrap_or(0)));
        // If some are left over, output is pending, and the service is called when it has drained.
        self.keep_rest(index, &bytes[..count], written)
    }

    /// Hands bytes to the platform.
    fn write(&mut self, index: usize, bytes: &[u8]) -> Result<usize, Error> {
        let Some(source) = self.source(index) else { return Err(ErrorKind::Stale.into()) };
        let count = self.context.platform.write(source, bytes)?;
        bump(&mut self.state.counters.bytes_out, count);
        self.record_progress(index);
        if P::OWNS_BUFFERS {
            // The bytes wait in the platform's buffer, and the peer may take none of them.
            let now = self.context.now();
            if self.connection(index).has(Flag::NO_ROOM) {
                // There was some in the meantime, as the peer has taken bytes.
                self.connection(index).set_blocked_since(now);
            }
            self.schedule_stall(index, now);
        }
        Ok(count)
    }

    /// Keeps the bytes that the platform did not take.
    #[cold]
    pub(super) fn keep_rest(
        &mut self,
        index: usize,
        bytes: &[u8],
        written: Result<usize, Error>,
    ) -> Result<usize, SendError> {
        let count = match written {
            Ok(count) => count,
            Err(error) if error.is_would_block() => 0,
            Err(error) => {
                // Only our stream has failed: the peer's last bytes may still be unread.
                self.fail_write(index, reason_of(error));
                self.state.call.was_refused |= index == self.current.index();
                return Err(SendError::Closed);
            }
        };
        if let Some(rest @ [_, ..]) = bytes.get(count..) {
            self.append(index, rest);
            if index != self.current.index() {
                self.update_interest(index);
            }
        }
        Ok(bytes.len())
    }

    /// Appends bytes to the output buffer.
    fn append(&mut self, index: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if P::OWNS_BUFFERS {
            // The platform reported more room than it had. A reset is better than a gap in the
            // stream.
            return self.abort(index, CloseReason::Failed);
        }
        let is_new = self.connection(index).output().is_none();
        let Some(output) = self.borrow_for_output(index) else { return };
        self.pool.push(output, bytes);
        // More bytes behind others are no progress of the peer's.
        if is_new {
            let now = self.context.now();
            self.schedule_stall(index, now);
        }
    }

    /// Writes what the current callback has gathered.
    pub(super) fn flush_gathered(&mut self) {
        if self.state.call.has_gathered {
            self.flush();
        }
    }

    /// Hands pending output of the current connection to the platform. Returns whether all of it
    /// was taken just now.
    pub(super) fn flush(&mut self) -> bool {
        let index = self.current.index();
        let is_first_try = core::mem::take(&mut self.state.call.has_gathered);
        if P::OWNS_BUFFERS {
            // The stack sends its buffer by itself.
            return false;
        }
        let (Some(output), Some(source)) = (self.current().output(), self.source(index)) else {
            return false;
        };
        let (moved, failed) = match self.context.platform.write(source, self.pool.bytes(output)) {
            Ok(count) => (count, None),
            Err(error) if error.is_would_block() => (0, None),
            Err(error) => (0, Some(error)),
        };
        self.pool.consume(output, moved);
        self.finish_flush(index, moved, is_first_try);
        if let Some(error) = failed {
            self.fail_write(index, reason_of(error));
        }
        moved > 0 && self.current().output().is_none()
    }

    /// Records that `moved` bytes of pending output were taken.
    fn finish_flush(&mut self, index: usize, moved: usize, is_first_try: bool) {
        bump(&mut self.state.counters.bytes_out, moved);
        let Some(output) = self.connection(index).output() else { return };
        if moved == 0 && !is_first_try {
            return;
        }
        if moved > 0 {
            self.record_progress(index);
        }
        if self.pool.len(output) == 0 {
            return self.release_output(index);
        }
        // The stall timeout restarts if the peer took some, and with the first try.
        let now = self.context.now();
        self.pool.block(output).waiting_since = now;
        self.schedule_stall(index, now);
    }

    /// Ends the sending half after a failure: pending output is thrown away, and what the peer has
    /// sent is still read.
    #[cold]
    pub(super) fn fail_write(&mut self, index: usize, reason: CloseReason) {
        self.release_output(index);
        let connection = self.connection(index);
        match connection.phase() {
            Phase::Open if !connection.has(Flag::WRITE_FAILED) => {
                connection.fail_write(reason);
                // A service that left its input until it can answer may take it now that it cannot.
                connection.set(Flag::OFFER_AGAIN);
                self.reconcile_later(index);
            }
            // Nothing is read while closing, so there is nothing left to wait for.
            Phase::Closing => self.abort(index, reason),
            _ => {}
        }
    }

    /// Ends the stream of the current connection to its peer.
    pub(super) fn shut_down(&mut self) -> Shutdown {
        let Some(source) = self.source(self.current.index()) else { return Shutdown::Failed };
        match self.context.platform.shutdown_write(source) {
            Ok(()) => {
                self.current().end_write();
                Shutdown::Done
            }
            Err(error) if error.is_would_block() => Shutdown::Blocked,
            Err(error) => {
                self.fail_write(self.current.index(), reason_of(error));
                Shutdown::Failed
            }
        }
    }

    /// Returns when the current connection has stalled for too long; the end of time if never.
    pub(super) fn stalled_at(&mut self) -> Instant {
        let connection: Connection = *self.current();
        let since = if P::OWNS_BUFFERS {
            // What the platform still sends then is waited for as long as for the peer's FIN.
            if connection.phase() == Phase::Lingering {
                return Instant::MAX;
            }
            let source = self.source(self.current.index());
            match source.and_then(|source| self.context.platform.unacknowledged_since(source)) {
                Some(since) => since,
                // The platform may not know.
                None if connection.has(Flag::NO_ROOM) => connection.blocked_since(),
                None => return Instant::MAX,
            }
        } else {
            let Some(output) = connection.output() else { return Instant::MAX };
            self.pool.block(output).waiting_since
        };
        self.state.limits.stall.after(since)
    }

    /// Notes that the platform's own buffer has room again. Returns whether that was waited for.
    pub(super) fn regain_room(&mut self) -> bool {
        let waited = P::OWNS_BUFFERS && self.current().has(Flag::NO_ROOM);
        let regained = waited && self.platform_room(self.current.index()) > 0;
        if regained {
            let now = self.context.now();
            self.current().clear(Flag::NO_ROOM);
            // From now on the time counts for the input timeout, no longer for the stall timeout.
            self.current().set_blocked_since(now);
        }
        regained
    }

    /// Returns whether output is pending that the server keeps.
    pub(super) fn has_output(&mut self) -> bool {
        !P::OWNS_BUFFERS && self.current().output().is_some()
    }

    /// Returns whether a reply is in progress: output is pending, or the service waits for room.
    pub(super) fn is_replying(&mut self) -> bool {
        let has_output = self.has_output();
        let connection = self.current();
        has_output
            || connection.has(Flag::WRITABLE_WANTED)
            || connection.has(Flag::NO_ROOM)
            || connection.write_half() == WriteHalf::ShuttingDown
    }
}
