//! Moving bytes. The letters are those of `mod.rs`.

use core::net::SocketAddr;

use selkie_core::{Close, Error, ErrorKind, Transport};

use super::abi::{self, Outcome};
use super::address::{Connect, Fallible};
use super::endpoint::{BYTES_MAX, Kind, Side, State};
use super::operations::{cancelled, leave};
use super::sockets::create;
use super::{Socket, WaitableSet};
use crate::direction::Direction;

/// The most bytes that one read or write may have.
const COUNT_MAX: usize = (1 << 28) - 1;

const NOT_A_STREAM: Error = Error::new(ErrorKind::NotConnected);

impl WaitableSet {
    /// What is known of one direction of a stream, after the host had a chance to say more.
    fn state(&mut self, source: Socket, direction: Direction) -> Result<(usize, State), Error> {
        let (slot, entry) = self.endpoints.get(source)?;
        if matches!(entry.platform.kind, Kind::Listener | Kind::Attempt) {
            return Err(NOT_A_STREAM);
        }
        if entry.platform.side(direction).state == State::InFlight {
            self.collect(usize::MAX);
        }
        Ok((slot, self.endpoints.at(slot).platform.side(direction).state))
    }

    /// Ends a read or write that was asked for just now: if it is not done, it is taken back. Says
    /// how much has moved, with the bytes that came ahead of it. (b)
    fn moved(
        &mut self,
        slot: usize,
        direction: Direction,
        ahead: usize,
        outcome: Outcome,
    ) -> Result<usize, Error> {
        let mut outcome = outcome;
        if outcome.is_blocked() {
            let side = self.endpoints.at(slot).platform.side(direction);
            leave(side);
            outcome = cancelled(side.end, direction);
        }
        self.used(slot, direction, outcome.is_dropped());
        match ahead + outcome.count() {
            0 => self.nothing(slot, direction),
            count => Ok(count),
        }
    }

    /// What a read or write says that moves nothing.
    fn nothing(&mut self, slot: usize, direction: Direction) -> Result<usize, Error> {
        let &mut Side { state, error, .. } = self.endpoints.at(slot).platform.side(direction);
        match (state, error) {
            (State::Ended, Some(error)) => Err(error),
            (State::Ended, None) if direction == Direction::Read => Ok(0),
            (State::Ended, None) => Err(Error::new(ErrorKind::BrokenPipe)),
            _ => Err(Error::WOULD_BLOCK),
        }
    }

    /// Records that a source was used, and that it now has to be asked again, unless there will be
    /// nothing more.
    fn used(&mut self, slot: usize, direction: Direction, is_over: bool) {
        let entry = self.endpoints.at(slot);
        let is_queued = entry.platform.queued;
        let side = entry.platform.side(direction);
        side.state = State::Unknown;
        if is_over || side.last {
            self.end(slot, direction);
        }
        if !is_queued {
            self.attend(slot);
        }
    }
}

impl Transport for WaitableSet {
    type Address = SocketAddr;

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        let (slot, entry) = self.endpoints.get(listener)?;
        if entry.platform.kind != Kind::Listener {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        if !self.endpoints.has_room() {
            return Err(Error::new(ErrorKind::OutOfDescriptors));
        }
        match self.endpoints.at(slot).platform.side(Direction::Read).state {
            State::Unknown => self.ask(slot, Direction::Read),
            State::InFlight => self.collect(usize::MAX),
            State::Ready | State::Ended => {}
        }
        match *self.endpoints.at(slot).platform.side(Direction::Read) {
            Side { state: State::Unknown | State::InFlight, .. } => Err(Error::WOULD_BLOCK),
            Side { state: State::Ended, error, .. } => {
                Err(error.unwrap_or(Error::new(ErrorKind::Other)))
            }
            Side { state: State::Ready, .. } => {
                let socket = self.mailboxes[slot].socket();
                self.used(slot, Direction::Read, false);
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
        let arguments = Connect::new(socket, address);
        let place: *mut Fallible = self.mailboxes[slot].result_place();
        // SAFETY: the arguments are read during the call. The mailbox has room for the result and
        // lives for ever, and nothing else is in flight that the host would write to it, as
        // its place in the table was vacant.
        let word = unsafe { abi::socket_connect(&raw const arguments, place) };
        let (state, subtask) = (word & 0xf, word >> 4);
        if state == abi::SUBTASK_RETURNED {
            self.finish_attempt(slot);
            return Ok(source);
        }
        let endpoint = &mut self.endpoints.at(slot).platform;
        endpoint.sides =
            [0, subtask].map(|end| Side { state: State::InFlight, ..Side::new(end, 0) });
        self.in_flight += 1;
        abi::waitable_join(subtask, self.set);
        self.own(subtask, slot, Direction::Write);
        Ok(source)
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        if self.endpoints.get(source)?.1.platform.kind == Kind::Attempt {
            self.collect(usize::MAX);
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
        let (slot, state) = self.state(source, Direction::Read)?;
        if !matches!(state, State::Unknown | State::Ready) {
            return self.nothing(slot, Direction::Read);
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut ahead = 0;
        if state == State::Ready {
            // (a)
            let endpoint = &mut self.endpoints.at(slot).platform;
            let end = endpoint.mail[1];
            ahead = self.mailboxes[slot].copy(endpoint.mail, buffer);
            #[expect(clippy::cast_possible_truncation, reason = "a mailbox is smaller")]
            let first = endpoint.mail[0] + ahead as u16;
            endpoint.mail[0] = first;
            if first < end {
                if !endpoint.queued {
                    self.attend(slot);
                }
                return Ok(ahead);
            }
            if usize::from(end) < BYTES_MAX
                || endpoint.side(Direction::Read).last
                || ahead == buffer.len()
            {
                // There was no more a moment ago, or there is no more room.
                self.used(slot, Direction::Read, false);
                return Ok(ahead);
            }
        }
        let place = buffer.get_mut(ahead..).unwrap_or_default();
        let end = self.endpoints.at(slot).platform.side(Direction::Read).end;
        let count = place.len().min(COUNT_MAX);
        // SAFETY: the place is valid for writes of `count` bytes, and the host writes to it before
        // the end of this call: what is not done is taken back.
        let outcome = unsafe { abi::stream_read(end, place.as_mut_ptr(), count) };
        self.moved(slot, Direction::Read, ahead, outcome)
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        let (slot, state) = self.state(source, Direction::Write)?;
        if !matches!(state, State::Unknown | State::Ready) {
            return self.nothing(slot, Direction::Write);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let end = self.endpoints.at(slot).platform.side(Direction::Write).end;
        let count = bytes.len().min(COUNT_MAX);
        // SAFETY: the bytes are valid for reads of `count` bytes, and the host reads them before
        // the end of this call: what is not done is taken back.
        let outcome = unsafe { abi::stream_write(end, bytes.as_ptr(), count) };
        self.moved(slot, Direction::Write, 0, outcome)
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let (slot, entry) = self.endpoints.get(source)?;
        if entry.platform.kind != Kind::Stream {
            return Err(NOT_A_STREAM);
        }
        self.cancel(slot, Direction::Write);
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
        // (g)
        let (slot, entry) = self.endpoints.get(source)?;
        let token = core::mem::replace(&mut entry.token, super::UNREGISTERED);
        if token != super::UNREGISTERED {
            self.registrations.remove(token);
        }
        self.release(slot);
        Ok(())
    }
}
