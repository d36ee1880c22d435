//! The near side's streams and listeners: the network's truth, with the faults that the parameters
//! ask for.

use core::net::SocketAddr;

use selkie_core::platform::{Capabilities, Close, Selector, Transport};
use selkie_core::{Error, ErrorKind, Instant};

use crate::evidence::Closed;
use crate::network::{Connection, NEAR, Network};
use crate::platform::{Kind, Simulated, Source};
use crate::trace::trace;
use crate::{Address, ClientModel, FarEnd};

impl Network {
    /// Returns the connection of a near end that is open.
    pub(crate) fn near(&self, source: Source) -> Result<u32, Error> {
        if source.kind != Kind::Stream {
            // A stale handle is stale for every use.
            return Err(self.listener(source).err().unwrap_or(ErrorKind::InvalidSource.into()));
        }
        let connection = self
            .find(source.slot, source.generation)
            .filter(|connection| connection.ends[NEAR].open);
        connection.map(|_| source.slot).ok_or(Error::new(ErrorKind::Stale))
    }

    /// Returns the place of a listener that is open.
    pub(crate) fn listener(&self, source: Source) -> Result<u32, Error> {
        if source.kind != Kind::Listener {
            return Err(self.near(source).err().unwrap_or(ErrorKind::InvalidSource.into()));
        }
        let listener = &self.listeners[source.slot as usize];
        if listener.open && listener.generation == source.generation {
            Ok(source.slot)
        } else {
            Err(ErrorKind::Stale.into())
        }
    }

    /// Returns the source of a near end.
    pub(crate) fn source(&self, slot: u32) -> Source {
        Source { kind: Kind::Stream, slot, generation: self.connections[slot as usize].generation }
    }
}

impl<F: ClientModel, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Simulated<F, OWNS_BUFFERS, READS_ON>
{
    /// Draws why an accept fails although a connection waits, if it does.
    fn accept_failure(&mut self) -> Option<ErrorKind> {
        let parameters = &self.network.parameters;
        let exhausted = self.network.near_open as u64 >= parameters.descriptors_max;
        let (aborts, descriptors, memory) = (
            parameters.accept_aborts,
            parameters.accept_descriptor_failures,
            parameters.accept_memory_failures,
        );
        let (aborts, descriptors, memory) =
            (self.chance(aborts), self.chance(descriptors), self.chance(memory));
        if exhausted || descriptors {
            Some(ErrorKind::OutOfDescriptors)
        } else if memory {
            Some(ErrorKind::OutOfMemory)
        } else {
            aborts.then_some(ErrorKind::ConnectionAborted)
        }
    }

    /// Records the answer that the near side got about one of its ends.
    fn note<T>(&mut self, slot: u32, outcome: &Result<T, Error>) {
        if let Err(error) = outcome {
            if error.kind() != ErrorKind::WouldBlock {
                trace!(self.network, "near {slot}: is told that {error}");
                let evidence = &mut self.network.connections[slot as usize].evidence;
                evidence.failed.get_or_insert(error.kind());
                evidence.noticed = true;
                self.evidence.progress += 1;
            }
        }
    }

    /// Records the answer that the near side got to a write.
    fn note_write<T>(&mut self, slot: u32, outcome: &Result<T, Error>) {
        let evidence = &mut self.network.connections[slot as usize].evidence;
        if outcome.as_ref().is_err_and(|error| !error.is_would_block()) {
            evidence.write_failed |= evidence.failed.is_none();
        }
        self.note(slot, outcome);
    }

    /// Records the findings of a read.
    fn note_look(&mut self, slot: u32, outcome: &Result<usize, Error>) {
        let now = self.network.now;
        let Connection { evidence, pipes, ends, .. } = &mut self.network.connections[slot as usize];
        if outcome.as_ref().is_err_and(|error| error.is_would_block()) {
            evidence.looked_at = now;
        }
        // What is left of it waits since now; where it was shown, all of it was.
        let rest = pipes[NEAR].arrived() > if OWNS_BUFFERS { ends[NEAR].seen } else { 0 };
        evidence.waiting_since = rest.then_some(now);
    }

    /// Draws the number of `len` bytes that an operation moves.
    fn part(&mut self, len: usize, partial: u64) -> usize {
        if self.chance(partial) && len > 1 { 1 + self.network.random.index(len - 1) } else { len }
    }
}

impl<F: ClientModel, const OWNS_BUFFERS: bool, const READS_ON: bool> Transport
    for Simulated<F, OWNS_BUFFERS, READS_ON>
{
    type Address = Address;

    const OWNS_BUFFERS: bool = OWNS_BUFFERS;
    // This network does not need it, but the server may as well read on.
    const READABLE_UNTIL_EMPTY: bool = READS_ON;

    /// Takes the port for the number of a listener.
    fn address(address: SocketAddr) -> Option<Address> {
        Some(Address(address.port().into()))
    }

    fn accept(&mut self, listener: Source) -> Result<Source, Error> {
        self.elapse();
        let place = self.network.listener(listener)? as usize;
        self.evidence.note_accept();
        if self.network.listeners[place].backlog.is_empty() {
            return Err(Error::WOULD_BLOCK);
        }
        let failure = self.accept_failure();
        match failure {
            Some(ErrorKind::ConnectionAborted) | None => {}
            Some(why) => {
                trace!(self.network, "near: cannot accept: {}", Error::new(why));
                self.evidence.accepts_failed += 1;
                return Err(why.into());
            }
        }
        let Some(slot) = self.network.listeners[place].backlog.pop_front() else {
            return Err(Error::WOULD_BLOCK);
        };
        self.evidence.progress += 1;
        if let Some(why) = failure {
            self.evidence.accepts_aborted += 1;
            self.network.close(slot, NEAR, Close::Abort);
            return Err(why.into());
        }
        trace!(self.network, "near {slot}: accepted");
        self.evidence.accepted += 1;
        self.network.near_open += 1;
        let now = self.network.now();
        let evidence = &mut self.network.connections[slot as usize].evidence;
        (evidence.moved_at, evidence.opened_at) = (now, now);
        Ok(self.network.source(slot))
    }

    fn connect(&mut self, address: &Address) -> Result<Source, Error> {
        if self.network.near_open as u64 >= self.network.parameters.descriptors_max {
            return Err(ErrorKind::OutOfDescriptors.into());
        }
        let slot = self.network.dial_far(*address);
        self.network.near_open += 1;
        let now = self.network.now();
        let evidence = &mut self.network.connections[slot as usize].evidence;
        (evidence.moved_at, evidence.opened_at) = (now, now);
        self.evidence.progress += 1;
        trace!(self.network, "near {slot}: connects");
        Ok(self.network.source(slot))
    }

    fn connected(&mut self, source: Source) -> Result<(), Error> {
        let slot = self.network.near(source)?;
        let connection = &mut self.network.connections[slot as usize];
        let outcome = match connection.ends[NEAR].error.take() {
            Some(why) => Err(why.into()),
            None if connection.established => Ok(()),
            None => Err(Error::WOULD_BLOCK),
        };
        self.note(slot, &outcome);
        self.evidence.progress += u64::from(outcome.is_ok());
        outcome
    }

    fn read(&mut self, source: Source, buffer: &mut [u8]) -> Result<usize, Error> {
        self.elapse();
        let slot = self.network.near(source)?;
        self.network.connections[slot as usize].ends[NEAR].left = 0;
        // As many as the server promises to make at most where a source is readable until one finds
        // nothing.
        let reads_per_event = if Self::READABLE_UNTIL_EMPTY { 4 } else { 1 };
        self.evidence
            .note_read(&mut self.network.connections[slot as usize].evidence, reads_per_event);
        let arrived =
            self.network.connections[slot as usize].pipes[NEAR].arrived().min(buffer.len());
        let partial = self.network.parameters.partial_reads;
        let part = if arrived > 0 { self.part(arrived, partial) } else { buffer.len() };
        let outcome = self.network.read(slot, NEAR, &mut buffer[..part]);
        self.note(slot, &outcome);
        self.note_look(slot, &outcome);
        let Connection { evidence, pipes, .. } = &mut self.network.connections[slot as usize];
        match outcome {
            Ok(0) if !buffer.is_empty() => {
                self.evidence.progress += u64::from(!evidence.end_read);
                evidence.end_read = true;
                evidence.arrived_total = pipes[NEAR].arrived_total();
            }
            Ok(count) => {
                evidence.moved_at = self.network.now;
                evidence.taken += count as u64;
                self.evidence.bytes_in += count as u64;
                self.evidence.progress += 1;
                trace!(self.network, "near {slot}: reads {count}");
            }
            Err(error) => {
                self.evidence.reads_blocked += u64::from(error.kind() == ErrorKind::WouldBlock);
            }
        }
        outcome
    }

    fn peek(&mut self, source: Source, buffer: &mut [u8]) -> Result<usize, Error> {
        if !OWNS_BUFFERS {
            return Err(ErrorKind::Unsupported.into());
        }
        self.elapse();
        let slot = self.network.near(source)?;
        // At the end of the stream, what was left is shown once more, and counted.
        self.evidence.note_read(&mut self.network.connections[slot as usize].evidence, 4);
        let again = self.network.connections[slot as usize].ends[NEAR].again;
        let outcome = self.network.peek(slot, buffer);
        self.note(slot, &outcome);
        if let Ok(count) = outcome {
            let end = &mut self.network.connections[slot as usize].ends[NEAR];
            end.seen = end.seen.max(count);
        }
        self.note_look(slot, &outcome);
        let Connection { evidence, pipes, .. } = &mut self.network.connections[slot as usize];
        match outcome {
            Ok(0) => {
                self.evidence.progress += u64::from(!evidence.end_read);
                evidence.end_read = true;
                evidence.arrived_total = pipes[NEAR].arrived_total();
            }
            // What it sees again has moved before.
            Ok(_) if again => {}
            Ok(count) => {
                evidence.moved_at = self.network.now;
                self.evidence.progress += 1;
                trace!(self.network, "near {slot}: is shown {count}");
            }
            Err(error) => {
                self.evidence.reads_blocked += u64::from(error.kind() == ErrorKind::WouldBlock);
            }
        }
        outcome
    }

    fn consume(&mut self, source: Source, count: usize, left: usize) {
        self.elapse();
        let Ok(slot) = self.network.near(source) else { return };
        self.network.consume(slot, count, left);
        if count > 0 {
            self.network.connections[slot as usize].evidence.moved_at = self.network.now;
            self.network.connections[slot as usize].evidence.taken += count as u64;
            self.evidence.bytes_in += count as u64;
            self.evidence.progress += 1;
        }
        trace!(self.network, "near {slot}: takes {count}, leaves {left}");
    }

    fn check(&mut self, source: Source) -> Result<(), Error> {
        let slot = self.network.near(source)?;
        if !self.capabilities().contains(Capabilities::CHECK) {
            return Err(ErrorKind::Unsupported.into());
        }
        let end = &mut self.network.connections[slot as usize].ends[NEAR];
        let outcome = match end.error.take() {
            Some(why) => Err(why.into()),
            None if end.broken => Err(ErrorKind::NotConnected.into()),
            None => Ok(()),
        };
        self.note(slot, &outcome);
        outcome
    }

    fn write_vectored(&mut self, source: Source, parts: &[&[u8]]) -> Result<usize, Error> {
        self.write(source, &parts.concat())
    }

    fn write(&mut self, source: Source, bytes: &[u8]) -> Result<usize, Error> {
        self.elapse();
        let slot = self.network.near(source)?;
        let parameters = &self.network.parameters;
        let (partial, blocked) = (parameters.partial_writes, parameters.blocked_writes);
        let room = self.network.room(slot, NEAR).min(bytes.len());
        let broken = self.network.connections[slot as usize].ends[NEAR].broken;
        let whole = OWNS_BUFFERS || broken;
        let outcome = if self.chance(blocked) && !whole {
            Err(ErrorKind::WouldBlock.into())
        } else {
            let part = if whole || room == 0 { bytes.len() } else { self.part(room, partial) };
            self.network.write(slot, NEAR, &bytes[..part])
        };
        self.note_write(slot, &outcome);
        let now = self.network.now();
        // Where bytes wait in its own buffer, the peer takes none while that is full.
        let is_full = OWNS_BUFFERS && self.network.room(slot, NEAR) == 0;
        let evidence = &mut self.network.connections[slot as usize].evidence;
        let taken = *outcome.as_ref().unwrap_or(&0);
        evidence.tried_at = now;
        if taken > 0 {
            evidence.moved_at = now;
            evidence.written += taken as u64;
            self.evidence.bytes_out += taken as u64;
            self.evidence.progress += 1;
        }
        if taken == bytes.len() && !is_full {
            evidence.refused_since = None;
        } else if taken > 0 || evidence.refused_since.is_none() {
            evidence.refused_since = Some(now);
        }
        trace!(self.network, "near {slot}: writes {taken} of {}", bytes.len());
        outcome
    }

    fn write_room(&mut self, source: Source) -> usize {
        self.elapse();
        let Ok(slot) = self.network.near(source) else { return 1 };
        let end = &self.network.connections[slot as usize].ends[NEAR];
        if end.broken || end.write_ended {
            return 1;
        }
        let (room, now) = (self.network.room(slot, NEAR), self.network.now());
        let evidence = &mut self.network.connections[slot as usize].evidence;
        if room > 0 {
            evidence.refused_since = None;
        } else {
            evidence.refused_since.get_or_insert(now);
        }
        evidence.tried_at = now;
        room
    }

    fn unacknowledged_since(&mut self, source: Source) -> Option<Instant> {
        if !OWNS_BUFFERS || self.network.parameters.acknowledges == 0 {
            return None;
        }
        self.elapse();
        let slot = self.network.near(source).ok()?;
        let now = self.network.now();
        let Connection { evidence, ends, .. } = &mut self.network.connections[slot as usize];
        if ends[NEAR].broken {
            return None;
        }
        // It is a look at the peer, as a write is.
        evidence.tried_at = now;
        evidence.unacknowledged_since
    }

    fn shutdown_write(&mut self, source: Source) -> Result<(), Error> {
        self.elapse();
        let slot = self.network.near(source)?;
        let blocked = self.network.parameters.blocked_ends;
        if self.chance(blocked) {
            self.network.connections[slot as usize].evidence.end_refused = true;
            return Err(Error::WOULD_BLOCK);
        }
        let outcome = self.network.end(slot, NEAR);
        self.note_write(slot, &outcome);
        if outcome.is_ok() {
            trace!(self.network, "near {slot}: ends its stream");
            self.evidence.progress += 1;
            self.network.connections[slot as usize].evidence.write_ended = true;
        }
        outcome
    }

    fn close(&mut self, source: Source, how: Close) -> Result<(), Error> {
        self.elapse();
        if source.kind == Kind::Listener {
            let place = self.network.listener(source)?;
            if self.network.listeners[place as usize].token.is_some() {
                return Err(ErrorKind::AlreadyRegistered.into());
            }
            let waiting = self.network.listeners[place as usize].backlog.len() as u64;
            self.evidence.backlog_resets += waiting;
            self.network.close_listener(place);
        } else {
            let slot = self.network.near(source)?;
            let Connection { evidence, ends, pipes, .. } = &self.network.connections[slot as usize];
            let (evidence, unread) =
                (*evidence, pipes[NEAR].arrived().saturating_sub(ends[NEAR].seen));
            let offered = pipes[NEAR].arrived_total() - unread as u64;
            let position =
                self.evidence.deregistered.iter().position(|(closed, _)| *closed == source);
            let token = position.map(|position| self.evidence.deregistered.swap_remove(position).1);
            trace!(self.network, "near {slot}: closes ({how:?})");
            let far = FarEnd { slot, generation: source.generation };
            let at = self.network.now();
            self.evidence.closed.push(Closed { token, far, how, evidence, unread, offered, at });
            self.evidence.progress += 1;
            self.network.near_open -= 1;
            self.network.close(slot, NEAR, how);
        }
        let failures = self.network.parameters.close_failures;
        if self.chance(failures) {
            self.evidence.closes_failed += 1;
            return Err(Error::with_code(ErrorKind::Other, 5));
        }
        Ok(())
    }
}
