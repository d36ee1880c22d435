//! The network as a selector: which sockets are ready.

use selkie_core::backend::{check_tenant, check_vacant};
use selkie_core::platform::{Capabilities, Events, Selector};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{self, State};

use crate::lifecycle::has_fin;
use crate::slot::{Failure, Role};
use crate::source_state::SourceState;
use crate::time::NEVER;
use crate::{Network, Slot, Socket, time};

impl<D: Device> Network<'_, D> {
    /// Finds the entry that is registered under the index of `token`.
    fn registered(&mut self, token: Token) -> Option<&mut SourceState> {
        let mut position = 0;
        while !self.entry_at(position)?.has_index(token.index()) {
            position += 1;
        }
        self.entry_at(position)
    }

    /// Finds the entry that is registered under `token`: that of the source, unless it was closed
    /// before.
    fn tenant(&mut self, source: Socket, token: Token) -> Result<&mut SourceState, Error> {
        let is_another = self.entry(source).is_ok_and(|entry| entry.token != token);
        let tenant = self.registered(token);
        check_tenant(tenant.as_ref().map(|entry| entry.token), token)?;
        match tenant {
            Some(entry) if !is_another => Ok(entry),
            _ => Err(ErrorKind::InvalidSource.into()),
        }
    }

    /// Returns the readiness of the slot at `position`, or behind the slots of the listener.
    fn readiness_at(&mut self, position: usize, armed: Interest) -> Readiness {
        let Some(slot) = self.slots.get(position) else {
            #[cfg(feature = "udp")]
            if let Some(handle) = self.listeners[position - self.slots.len()].udp {
                return crate::udp::readiness(self.sockets.get(handle), armed);
            }
            let number = position - self.slots.len() + 1;
            let readable =
                armed.contains(Interest::READABLE) && self.oldest_arrival(number).is_some();
            return if readable { Readiness::READABLE } else { Readiness::NONE };
        };
        readiness(slot, self.sockets.get_mut(slot.handle.unwrap_or_default()), armed)
    }
}

/// Checks a mode and an interest: only level and oneshot, as smoltcp does not report changes.
fn check_supported(interest: Interest, mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge || interest.contains(Interest::PRIORITY) {
        return Err(ErrorKind::Unsupported.into());
    }
    Ok(())
}

/// Returns the readiness of a stream, as far as `interest` asks for it.
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
        if has_fin(state) {
            readiness |= Readiness::READ_CLOSED.with_implied();
        }
    }
    if interest.contains(Interest::WRITABLE) && (!socket.may_send() || slot.has_room(socket)) {
        readiness |= Readiness::WRITABLE;
    }
    if !socket.is_active() {
        readiness |= Readiness::CLOSED;
    }
    if slot.failure != Failure::None {
        readiness |= Readiness::ERROR;
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
        check_supported(interest, mode)?;
        let tenant = self.registered(token).map(|entry| entry.token);
        check_vacant(tenant, token, self.capacity)?;
        let entry = self.entry(source)?;
        if entry.is_registered() {
            return Err(ErrorKind::AlreadyRegistered.into());
        }
        entry.watch(token, interest, mode);
        self.has_unreported = true;
        Ok(())
    }

    fn modify(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        check_supported(interest, mode)?;
        self.tenant(source, token)?;
        self.entry(source)?.watch(token, interest, mode);
        self.has_unreported = true;
        Ok(())
    }

    fn deregister(&mut self, source: Socket, token: Token) -> Result<(), Error> {
        self.tenant(source, token)?.unregister();
        Ok(())
    }

    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        if events.room() == 0 {
            return Ok(());
        }
        self.poll_stack(now);
        let count = self.slots.len() + self.listeners.len();
        for _ in 0..count {
            if events.room() == 0 {
                break;
            }
            let position = self.first;
            self.first = if position + 1 < count { position + 1 } else { 0 };
            let Some(&mut SourceState { token, armed, open, .. }) = self.entry_at(position) else {
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
                entry.mark_fired();
            }
        }
        Ok(())
    }

    /// Returns the earliest of smoltcp's own timers and the times of sockets that are closing, or
    /// `now` while frames are left.
    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.has_unreported {
            return Some(now);
        }
        let mut next = self.interface.poll_at(self.now, &self.sockets).unwrap_or(NEVER);
        for slot in self.slots.iter() {
            if matches!(slot.role, Role::Closing | Role::Waiting) {
                next = next.min(slot.timestamp);
            }
        }
        self.sleep = next.max(self.now) - self.now;
        (next != NEVER).then(|| time::from_smoltcp(next + self.lag).max(now))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::READ_CLOSED
            | Capabilities::CLOSED
            | Capabilities::ERROR
            | Capabilities::HANGUP
            | Capabilities::CHECK
            | Capabilities::ABORT
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}
