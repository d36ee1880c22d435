//! The network as a selector: which sockets are ready.

use selkie_core::{Capabilities, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Readiness, Selector, Token};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{self, State};

use crate::slot::{Role, UNREGISTERED};
use crate::socket::Kind;
use crate::{Network, Socket, time};

impl<D: Device> Network<'_, D> {
    /// Under which token a source is registered.
    fn registered(&mut self, source: Socket) -> Result<&mut Token, Error> {
        match source.kind {
            Kind::Stream => self.stream(source).map(|(slot, _)| &mut slot.token),
            Kind::Listener => self.listener(source).map(|(listener, _)| &mut listener.token),
        }
    }

    /// The token of a slot, or behind the slots of a listener.
    fn token_at(&self, position: usize) -> Token {
        match self.slots.get(position) {
            Some(slot) => slot.token,
            None => self.listeners[position - self.slots.len()].token,
        }
    }

    /// What of `interest` the slot, or behind the slots the listener, at `position` is ready for.
    fn readiness_at(&mut self, position: usize, interest: Interest) -> Readiness {
        let Some(slot) = self.slots.get(position) else {
            let number = position - self.slots.len() + 1;
            let waits = u16::try_from(number).is_ok_and(|number| self.oldest_arrival(number).is_some());
            let readable = waits && interest.contains(Interest::READABLE);
            return if readable { Readiness::READABLE } else { Readiness::NONE };
        };
        readiness(self.sockets.get(slot.handle.unwrap_or_default()), interest)
    }
}

/// Only level and oneshot: smoltcp does not say when something new happened.
fn supported(interest: Interest, mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge || interest.contains(Interest::PRIORITY) {
        return Err(ErrorKind::Unsupported.into());
    }
    Ok(())
}

/// What of `interest` a stream is ready for.
fn readiness(socket: &tcp::Socket<'_>, interest: Interest) -> Readiness {
    let mut readiness = Readiness::NONE;
    let state = socket.state();
    if interest.is_empty() || matches!(state, State::SynSent | State::SynReceived) {
        return readiness;
    }
    if interest.contains(Interest::READABLE) {
        if socket.can_recv() || !socket.may_recv() {
            readiness |= Readiness::READABLE;
        }
        if matches!(state, State::CloseWait | State::LastAck | State::Closing | State::TimeWait) {
            readiness |= Readiness::READ_CLOSED.with_implied();
        }
    }
    if interest.contains(Interest::WRITABLE) && (socket.can_send() || !socket.may_send()) {
        readiness |= Readiness::WRITABLE;
    }
    if !socket.is_active() {
        readiness |= Readiness::CLOSED;
    }
    readiness
}

impl<D: Device> Selector for Network<'_, D> {
    type Source = Socket;

    fn register(&mut self, source: Socket, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        supported(interest, mode)?;
        if *self.registered(source)? != UNREGISTERED {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        self.registrations.vacancy(token)?;
        self.registrations.insert(token, interest, mode);
        *self.registered(source)? = token;
        self.unsettled = true;
        Ok(())
    }

    fn modify(&mut self, source: Socket, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        supported(interest, mode)?;
        self.registrations.get(token)?;
        if *self.registered(source)? != token {
            return Err(ErrorKind::InvalidSource.into());
        }
        self.registrations.update(token, interest, mode);
        self.unsettled = true;
        Ok(())
    }

    fn deregister(&mut self, source: Socket, token: Token) -> Result<(), Error> {
        self.registrations.get(token)?;
        match self.registered(source) {
            Ok(registered) if *registered != token => return Err(ErrorKind::InvalidSource.into()),
            Ok(registered) => *registered = UNREGISTERED,
            // It was closed before, which is no error.
            Err(_) => {}
        }
        self.registrations.remove(token);
        Ok(())
    }

    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() == 0 {
            return Ok(());
        }
        self.drive(now);
        let count = self.slots.len() + self.listeners.len();
        let first = self.first;
        for turn in 0..count {
            let position = if first + turn < count { first + turn } else { first + turn - count };
            let token = self.token_at(position);
            if token == UNREGISTERED {
                continue;
            }
            let Some((_, registration)) = self.registrations.at(token.index()) else { continue };
            let readiness = self.readiness_at(position, registration.armed());
            if readiness.is_empty() {
                continue;
            }
            self.first = position;
            if events.push(Event { token, readiness }).is_err() {
                break;
            }
            self.registrations.fired(token.index());
            self.first = if position + 1 < count { position + 1 } else { 0 };
        }
        Ok(())
    }

    /// smoltcp's own timers, the times of streams that are closing, and at once while frames are left.
    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.unsettled {
            return Some(now);
        }
        let at = time::instant(now);
        let network = self.interface.poll_at(at, &self.sockets).map(time::from_smoltcp);
        let closing = self.slots.iter().filter(|slot| slot.role == Role::Closing).map(|slot| slot.deadline).min();
        Instant::earlier(network, closing).map(|deadline| deadline.max(now))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::READ_CLOSED | Capabilities::CLOSED
    }

    fn capacity(&self) -> usize {
        self.registrations.capacity()
    }
}
