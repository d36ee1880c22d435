//! The reports of the platform: what is ready, with the faults that the parameters ask for.

use core::sync::atomic::Ordering;

use selkie_core::backend::Registration;
use selkie_core::platform::{Capabilities, Events, Selector};
use selkie_core::{Event, Instant, Interest, Mode, Readiness, Token};

use crate::ClientModel;
use crate::network::{Connection, NEAR};
use crate::platform::{Kind, Simulated, Source};
use crate::trace::trace;

impl<F: ClientModel, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Simulated<F, OWNS_BUFFERS, READS_ON>
{
    /// Returns the readiness of a source within its armed interest.
    fn readiness(&mut self, source: Source, registration: Registration) -> Readiness {
        let capabilities = self.capabilities();
        let armed = registration.armed();
        let (mut readiness, fresh) = match source.kind {
            Kind::Listener => {
                let listener = &mut self.network.listeners[source.slot as usize];
                let waiting =
                    if listener.backlog.is_empty() { Readiness::NONE } else { Readiness::READABLE };
                (
                    waiting,
                    if core::mem::take(&mut listener.fresh) {
                        Readiness::READABLE
                    } else {
                        Readiness::NONE
                    },
                )
            }
            Kind::Stream => {
                let room = self.network.room(source.slot, NEAR);
                let connection = &mut self.network.connections[source.slot as usize];
                let fresh = Readiness::from_bits(connection.ends[NEAR].fresh);
                (stream_readiness(connection, room, armed, capabilities), fresh)
            }
        };
        let wanted = Readiness::from_bits(u32::from(armed.bits()));
        let mut said = readiness - (Readiness::READABLE | Readiness::WRITABLE);
        if armed == Interest::HANGUP {
            // hangup-alone: the end of the peer's stream is no hang-up, nor is an event whose
            // failure was read already.
            said = said & (Readiness::CLOSED | Readiness::ERROR);
            readiness = said;
        }
        readiness = (readiness & wanted) | said.with_implied();
        if registration.mode == Mode::Edge && !readiness.intersects(fresh) {
            Readiness::NONE
        } else {
            readiness
        }
    }

    /// Adds what is ready to `events`, with the faults that the parameters ask for.
    pub(crate) fn report(&mut self, events: &mut Events<'_>) {
        let parameters = &self.network.parameters;
        let (late, spurious) = (parameters.late_events, parameters.spurious_events);
        let (late, spurious) = (self.chance(late), self.chance(spurious));
        self.withheld_until = None;
        self.evidence.looked_at = self.network.now();
        self.batch.clear();
        for step in 0..self.used {
            if self.batch.len() >= events.room() {
                break;
            }
            self.report_slot((self.first + step) % self.used, late, spurious);
        }
        self.first = self
            .batch
            .last()
            .map_or(self.first, |event| (event.token.index() + 1) % self.used.max(1));
        self.disturb(events.room());
        for event in &self.batch {
            trace!(self.network, "event: {:?} {:?}", event.token, event.readiness);
        }
        for event in self.batch.drain(..) {
            // There is room: it was counted.
            let _ = events.push(event);
        }
    }

    /// Adds the event of one slot to the batch, if there is one. It may be `late`, or `spurious`.
    fn report_slot(&mut self, index: usize, late: bool, spurious: bool) {
        let Some((token, registration, ())) = self.registrations.at(index) else { return };
        let Some(source) = self.sources[index] else { return self.report_waker(token) };
        if registration.armed().is_empty() {
            return;
        }
        let mut readiness = self.readiness(source, registration);
        if late && !readiness.is_empty() && self.chance(500) {
            return self.withhold();
        }
        if spurious && registration.mode == Mode::Level && self.chance(500) {
            readiness |= self.network_random_readiness(registration.armed());
        }
        if !readiness.is_empty() {
            self.registrations.mark_fired(index);
            self.batch.push(Event { token, readiness });
            self.note_event(source, readiness);
        }
    }

    /// Reports the waker, if the token without a source is its own.
    fn report_waker(&mut self, token: Token) {
        if self
            .waker
            .as_ref()
            .is_some_and(|(own, woken)| *own == token && woken.swap(false, Ordering::Acquire))
        {
            self.batch.push(Event { token, readiness: Readiness::READABLE });
        }
    }

    fn withhold(&mut self) {
        let most = self.network.parameters.latency_max + 1_000;
        let delay = self.network.random.between(1, most);
        let until = Instant::from_nanos(self.network.now().as_nanos().saturating_add(delay));
        self.withheld_until = Instant::earlier(self.withheld_until, Some(until));
    }

    /// Returns a readiness that is watched for. A hang-up is never reported that is none: that is
    /// a promise of every platform.
    fn network_random_readiness(&mut self, armed: Interest) -> Readiness {
        let armed = armed.difference(Interest::HANGUP);
        self.evidence.spurious += 1;
        let bits = self.network.random.between(1, 5);
        #[allow(clippy::cast_possible_truncation, reason = "at most five")]
        let bits =
            Readiness::from_bits(bits as u32) & Readiness::from_bits(u32::from(armed.bits()));
        if bits.is_empty() { Readiness::from_bits(u32::from(armed.bits())) } else { bits }
    }

    /// Notes that the deadline of a token expired, which may be a reason to read from its source.
    pub(crate) fn note_deadline(&mut self, token: Token) {
        if let Some(Some(Source { kind: Kind::Stream, slot, .. })) = self.sources.get(token.index())
        {
            self.evidence.note_event(&mut self.network.connections[*slot as usize].evidence);
        }
    }

    /// Notes that a source was reported.
    fn note_event(&mut self, source: Source, readiness: Readiness) {
        if source.kind == Kind::Stream {
            let connection = &mut self.network.connections[source.slot as usize];
            connection.ends[NEAR].fresh &= !readiness.bits();
            connection.evidence.noticed |=
                readiness.intersects(Readiness::CLOSED | Readiness::ERROR);
            self.evidence.note_event(&mut connection.evidence);
        }
    }

    /// Repeats events, adds some for stale tokens, and changes their order.
    fn disturb(&mut self, room: usize) {
        let parameters = &self.network.parameters;
        let (repeated, ghost, shuffled) =
            (parameters.repeated_events, parameters.ghost_events, parameters.shuffled_events != 0);
        let before = self.batch.len();
        if self.chance(repeated) && before > 0 && before < room {
            let event = self.batch[self.network.random.index(before)];
            if let Some((_, Registration { mode: Mode::Level, .. }, ())) =
                self.registrations.at(event.token.index())
            {
                self.batch.push(event);
                if let Some(source) = self.sources[event.token.index()] {
                    self.note_event(source, event.readiness);
                }
            }
        }
        if self.chance(ghost) && !self.ghosts.is_empty() && self.batch.len() < room {
            let token = self.ghosts[self.network.random.index(self.ghosts.len())];
            self.batch.push(Event { token, readiness: Readiness::READABLE | Readiness::WRITABLE });
            self.evidence.ghosts += 1;
        }
        if shuffled {
            for position in (1..self.batch.len()).rev() {
                let other = self.network.random.index(position + 1);
                self.batch.swap(position, other);
            }
        }
    }

    /// Delays the return of a wait: the scheduler's delay, or a jump of the clock.
    pub(crate) fn return_late(&mut self) {
        let parameters = &self.network.parameters;
        let (late, jumps, jump) =
            (parameters.late_return_max, parameters.clock_jumps, parameters.clock_jump_max);
        let (stops, stop_max) = (parameters.stops, parameters.stop_max);
        let turn_time = parameters.turn_time;
        let delay = self.network.random.between(0, late).saturating_add(turn_time);
        let jumped =
            if self.chance(jumps) { Some(self.network.random.between(0, jump)) } else { None };
        if self.chance(stops) {
            let stop = self.network.random.between(0, stop_max);
            trace!(self.network, "near: is stopped for {stop} ns");
            let began = self.network.now;
            self.pass(stop);
            self.evidence.note_jump(began, self.network.now);
        }
        // Only the clock: what arrives in the meantime is noticed by the next wait.
        let later =
            |then: Instant, nanos| Instant::from_nanos(then.as_nanos().saturating_add(nanos));
        self.network.now = later(self.network.now, delay);
        if let Some(jumped) = jumped {
            let began = self.network.now;
            self.network.now = later(began, jumped);
            self.evidence.note_jump(began, self.network.now);
        }
    }
}

/// Returns the readiness of a near end.
fn stream_readiness(
    connection: &Connection,
    room: usize,
    armed: Interest,
    capabilities: Capabilities,
) -> Readiness {
    let (end, pipe) = (&connection.ends[NEAR], &connection.pipes[NEAR]);
    let mut readiness = Readiness::NONE;
    if pipe.arrived() > end.left || pipe.ended || end.broken {
        readiness |= Readiness::READABLE;
    }
    if end.broken || (connection.established && (room > 0 || end.write_ended)) {
        readiness |= Readiness::WRITABLE;
    }
    let over = pipe.ended || end.broken;
    if over
        && armed.contains(Interest::READABLE)
        && capabilities.contains(Capabilities::READ_CLOSED)
    {
        readiness |= Readiness::READ_CLOSED;
    }
    let hangup = capabilities.contains(Capabilities::HANGUP) && armed == Interest::HANGUP;
    let tells_closed = capabilities.contains(Capabilities::CLOSED) || hangup;
    if over && (end.write_ended || end.broken) && tells_closed {
        readiness |= Readiness::CLOSED;
    }
    if end.error.is_some() && capabilities.contains(Capabilities::ERROR) {
        readiness |= Readiness::ERROR;
    }
    readiness
}
