//! The network as a selector: which sockets are ready.

use selkie_core::{
    Capabilities, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Readiness, Selector,
    Token,
};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{self, State};

use crate::entry::Entry;
use crate::slot::Role;
use crate::time::NEVER;
use crate::{Network, Slot, Socket, time};

impl<D: Device> Network<'_, D> {
    /// What is registered under the index of `token`.
    fn registered(&mut self, token: Token) -> Option<&mut Entry> {
        let mut position = 0;
        while !self.entry_at(position)?.has_index(token.index()) {
            position += 1;
        }
        self.entry_at(position)
    }

    /// What is registered under `token`: the source, unless that was closed before.
    fn tenant(&mut self, source: Socket, token: Token) -> Result<&mut Entry, Error> {
        let is_another = self.entry(source).is_ok_and(|entry| entry.token != token);
        let kind = match self.registered(token) {
            None => ErrorKind::NotRegistered,
            Some(entry) if entry.token.generation() != token.generation() => ErrorKind::Stale,
            Some(_) if is_another => ErrorKind::InvalidSource,
            Some(entry) => return Ok(entry),
        };
        Err(kind.into())
    }

    /// What of its interest the slot, or behind the slots the listener, at `position` is ready for.
    fn readiness_at(&mut self, position: usize, armed: Interest) -> Readiness {
        let Some(slot) = self.slots.get(position) else {
            let number = position - self.slots.len() + 1;
            let readable =
                armed.contains(Interest::READABLE) && self.oldest_arrival(number).is_some();
            return if readable { Readiness::READABLE } else { Readiness::NONE };
        };
        readiness(slot, self.sockets.get_mut(slot.handle.unwrap_or_default()), armed)
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
fn readiness(slot: &Slot, socket: &tcp::Socket<'_>, interest: Interest) -> Readiness {
    let mut readiness = Readiness::NONE;
    let state = socket.state();
    if matches!(state, State::SynSent | State::SynReceived) {
        return readiness;
    }
    if interest.contains(Interest::READABLE) {
        if slot.has_more(socket)
            || !matches!(state, State::Established | State::FinWait1 | State::FinWait2)
        {
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

    fn register(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        supported(interest, mode)?;
        let kind = match self.registered(token).map(|entry| entry.token.generation()) {
            _ if token.index() >= self.capacity => ErrorKind::Full,
            Some(registered) if registered > token.generation() => ErrorKind::Stale,
            None if token.generation() == 0 => ErrorKind::NotRegistered,
            None => {
                let entry = self.entry(source)?;
                if !entry.is_registered() {
                    entry.watch(token, interest, mode);
                    self.unsettled = true;
                    return Ok(());
                }
                ErrorKind::AlreadyRegistered
            }
            Some(_) => ErrorKind::AlreadyRegistered,
        };
        Err(kind.into())
    }

    fn modify(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        supported(interest, mode)?;
        self.tenant(source, token)?;
        self.entry(source)?.watch(token, interest, mode);
        self.unsettled = true;
        Ok(())
    }

    fn deregister(&mut self, source: Socket, token: Token) -> Result<(), Error> {
        self.tenant(source, token)?.forget();
        Ok(())
    }

    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() == 0 {
            return Ok(());
        }
        self.drive(now);
        let count = self.slots.len() + self.listeners.len();
        for _ in 0..count {
            if events.room() == 0 {
                break;
            }
            let position = self.first;
            self.first = if position + 1 < count { position + 1 } else { 0 };
            let Some(&mut Entry { token, armed, open, .. }) = self.entry_at(position) else {
                break;
            };
            if !open || armed.is_empty() {
                continue;
            }
            let readiness = self.readiness_at(position, armed);
            if readiness.is_empty() {
                continue;
            }
            // There is room.
            let _ = events.push(Event { token, readiness });
            if let Some(entry) = self.entry_at(position) {
                entry.fired();
            }
        }
        Ok(())
    }

    /// smoltcp's own timers, the times of streams that are closing, and at once while frames are
    /// left.
    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.unsettled {
            return Some(now);
        }
        let mut next = self.interface.poll_at(self.now, &self.sockets).unwrap_or(NEVER);
        for slot in self.slots.iter().filter(|slot| slot.role == Role::Closing) {
            next = next.min(slot.deadline);
        }
        (next != NEVER).then(|| time::from_smoltcp(next).max(now))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::READ_CLOSED | Capabilities::CLOSED
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}
