//! Streams and listeners of WASI 0.3. `mod.rs` lists the quirks.

use core::net::SocketAddr;

use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind};

use super::abi::{self, Outcome};
use super::address::{Connect, Fallible, RawAddress};
use super::endpoint::{BYTES_MAX, Kind, Side, State};
use super::operations::{cancel_stream, leave_set};
use super::listener::{check_remote_address, create};
use super::WaitableSet;
use crate::shared::direction::Direction;
use crate::shared::socket_table::{Socket, UNREGISTERED};

/// Largest number of bytes of one read or write.
const COUNT_MAX: usize = (1 << 28) - 1;

/// The error of a call for connections on another source.
const NOT_A_STREAM: Error = Error::new(ErrorKind::NotConnected);

impl WaitableSet {
    /// Processes new events if one direction of a stream is in flight, and returns its state.
    fn refresh_state(
        &mut self,
        source: Socket,
        direction: Direction,
    ) -> Result<(usize, State), Error> {
        let (slot, entry) = self.endpoints.get(source)?;
        if matches!(entry.platform.kind, Kind::Listener | Kind::Attempt | Kind::Other) {
            return Err(NOT_A_STREAM);
        }
        if entry.platform.side(direction).state == State::InFlight {
            self.drain_events(usize::MAX);
        }
        Ok((slot, self.endpoints.at(slot).platform.side(direction).state))
    }

    /// Finishes a read or write that was just started, and returns the number of bytes moved, plus
    /// those read `ahead`. in-flight-memory: if it is not done, it is cancelled.
    fn finish_transfer(
        &mut self,
        slot: usize,
        direction: Direction,
        ahead: usize,
        outcome: Outcome,
    ) -> Result<usize, Error> {
        let mut outcome = outcome;
        if outcome.is_blocked() {
            let side = self.endpoints.at(slot).platform.side(direction);
            leave_set(side);
            outcome = cancel_stream(side.end, direction);
        }
        self.mark_used(slot, direction, outcome.is_dropped());
        match ahead + outcome.count() {
            0 => self.transfer_nothing(slot, direction),
            count => Ok(count),
        }
    }

    /// Returns the result of a read or write that moved nothing.
    fn transfer_nothing(&mut self, slot: usize, direction: Direction) -> Result<usize, Error> {
        let &mut Side { state, error, .. } = self.endpoints.at(slot).platform.side(direction);
        match (state, error) {
            (State::Ended, Some(error)) => Err(error),
            (State::Ended, None) if direction == Direction::Read => Ok(0),
            (State::Ended, None) => Err(Error::new(ErrorKind::BrokenPipe)),
            _ => Err(Error::WOULD_BLOCK),
        }
    }

    /// Records that a source was used, so that its readiness is unknown, or its end if `is_over`.
    pub(super) fn mark_used(&mut self, slot: usize, direction: Direction, is_over: bool) {
        let entry = self.endpoints.at(slot);
        let is_queued = entry.platform.queued;
        let side = entry.platform.side(direction);
        side.state = State::Unknown;
        if is_over || side.last {
            self.record_end(slot, direction);
        }
        if !is_queued {
            self.enqueue(slot);
        }
    }
}

impl Transport for WaitableSet {
    type Address = SocketAddr;

    fn address(address: SocketAddr) -> Option<SocketAddr> {
        Some(address)
    }

    fn remote_address(&mut self, source: Socket) -> Option<SocketAddr> {
        self.peer_address(source).ok()
    }

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        let (slot, entry) = self.endpoints.get(listener)?;
        if entry.platform.kind != Kind::Listener {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        if !self.endpoints.has_room() {
            return Err(Error::new(ErrorKind::OutOfDescriptors));
        }
        match self.endpoints.at(slot).platform.side(Direction::Read).state {
            State::Unknown => self.request_readiness(slot, Direction::Read),
            State::InFlight => self.drain_events(usize::MAX),
            State::Ready | State::Ended => {}
        }
        match *self.endpoints.at(slot).platform.side(Direction::Read) {
            Side { state: State::Unknown | State::InFlight, .. } => Err(Error::WOULD_BLOCK),
            Side { state: State::Ended, error, .. } => {
                Err(error.unwrap_or(Error::new(ErrorKind::Other)))
            }
            Side { state: State::Ready, .. } => {
                let socket = self.read_aheads[slot].socket();
                self.mark_used(slot, Direction::Read, false);
                Ok(self.add_stream(socket)?)
            }
        }
    }

    fn connect(&mut self, address: &SocketAddr) -> Result<Socket, Error> {
        if !self.endpoints.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        let socket = create(address)?;
        let (source, slot) = self.add(Kind::Attempt, socket);
        let arguments = Connect { socket, address: RawAddress::new(address) };
        let place: *mut Fallible = self.read_aheads[slot].result_place();
        // SAFETY: the arguments are read during the call. The memory for the result is large enough
        // and `'static`, and no other operation that writes to it is in flight, as its place in the
        // table was vacant.
        let word = unsafe { abi::socket_connect(&raw const arguments, place) };
        self.endpoints.at(slot).platform.side(Direction::Read).state = State::InFlight;
        if self.record_call(slot, Direction::Write, word) {
            self.finish_attempt(slot);
        }
        Ok(source)
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        if self.endpoints.get(source)?.1.platform.kind == Kind::Attempt {
            self.drain_events(usize::MAX);
        }
        let endpoint = &mut self.endpoints.get(source)?.1.platform;
        match (endpoint.kind, endpoint.side(Direction::Write).error) {
            (Kind::Attempt, _) => Err(Error::WOULD_BLOCK),
            (Kind::Failed, Some(error)) => Err(error),
            (Kind::Stream, _) => Ok(()),
            _ => Err(NOT_A_STREAM),
        }
    }

    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        let (slot, state) = self.refresh_state(source, Direction::Read)?;
        if !matches!(state, State::Unknown | State::Ready) {
            return self.transfer_nothing(slot, Direction::Read);
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut ahead = 0;
        if state == State::Ready {
            // zero-length-read: the bytes of the readiness request are first.
            let endpoint = &mut self.endpoints.at(slot).platform;
            let end = endpoint.ahead_range[1];
            ahead = self.read_aheads[slot].copy(endpoint.ahead_range, buffer);
            #[expect(clippy::cast_possible_truncation, reason = "at most `BYTES_MAX`")]
            let first = endpoint.ahead_range[0] + ahead as u16;
            endpoint.ahead_range[0] = first;
            if first < end {
                if !endpoint.queued {
                    self.enqueue(slot);
                }
                return Ok(ahead);
            }
            if usize::from(end) < BYTES_MAX
                || endpoint.side(Direction::Read).last
                || ahead == buffer.len()
            {
                // The request left nothing behind, or the buffer is full.
                self.mark_used(slot, Direction::Read, false);
                return Ok(ahead);
            }
        }
        let place = buffer.get_mut(ahead..).unwrap_or_default();
        let end = self.endpoints.at(slot).platform.side(Direction::Read).end;
        let count = place.len().min(COUNT_MAX);
        // SAFETY: the place is valid for writes of `count` bytes, and the host writes to it during
        // this call only: a read that is not done is cancelled.
        let outcome = unsafe { abi::stream_read(end, place.as_mut_ptr(), count) };
        self.finish_transfer(slot, Direction::Read, ahead, outcome)
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        let (slot, state) = self.refresh_state(source, Direction::Write)?;
        if !matches!(state, State::Unknown | State::Ready) {
            return self.transfer_nothing(slot, Direction::Write);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let end = self.endpoints.at(slot).platform.side(Direction::Write).end;
        let count = bytes.len().min(COUNT_MAX);
        // SAFETY: the bytes are valid for reads of `count` bytes, and the host reads them during
        // this call only: a write that is not done is cancelled.
        let outcome = unsafe { abi::stream_write(end, bytes.as_ptr(), count) };
        self.finish_transfer(slot, Direction::Write, 0, outcome)
    }

    fn check(&mut self, source: Socket) -> Result<(), Error> {
        let (slot, _) = self.refresh_state(source, Direction::Write)?;
        if self.endpoints.at(slot).platform.kind == Kind::Input {
            return Ok(());
        }
        for direction in Direction::BOTH {
            // Input is read ahead, and a write of 0 bytes started; both leave a live peer alone.
            let side = self.endpoints.at(slot).platform.side(direction);
            if direction == Direction::Write && side.state == State::Ready {
                side.state = State::Unknown;
            }
            if side.state == State::Unknown {
                self.request_readiness(slot, direction);
            }
        }
        let endpoint = &mut self.endpoints.at(slot).platform;
        for side in &endpoint.sides {
            if let (State::Ended, Some(error)) = (side.state, side.error) {
                return Err(error);
            }
        }
        // no-hangup: only an established connection has a remote address.
        let is_shut_down = endpoint.side(Direction::Write).end == 0;
        match check_remote_address(endpoint.socket) {
            Err(error) if error.kind() == ErrorKind::NotConnected && !is_shut_down => {
                Err(Error::new(ErrorKind::ConnectionReset))
            }
            // Another error is about the question, not about the connection.
            _ => Ok(()),
        }
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let (slot, entry) = self.endpoints.get(source)?;
        if entry.platform.kind != Kind::Stream {
            return Err(NOT_A_STREAM);
        }
        self.cancel_operation(slot, Direction::Write);
        let side = self.endpoints.at(slot).platform.side(Direction::Write);
        let end = core::mem::take(&mut side.end);
        if end != 0 {
            side.state = State::Ended;
            abi::stream_drop_writable(end);
            self.owners.remove(end);
        }
        Ok(())
    }

    fn close(&mut self, source: Socket, _how: Close) -> Result<(), Error> {
        // no-reset: both kinds of closing are the same.
        let (slot, entry) = self.endpoints.get(source)?;
        let token = core::mem::replace(&mut entry.token, UNREGISTERED);
        if token != UNREGISTERED {
            self.registrations.remove(token);
        }
        self.release(slot);
        Ok(())
    }
}
