//! Readiness requests, their events, and their cancellation. `mod.rs` lists the quirks.

use selkie_core::{Error, ErrorKind};

use super::WaitableSet;
use super::abi::{self, Outcome};
use super::address::Fallible;
use super::endpoint::{BYTES_MAX, Kind, Side, State, WaitableEvent};
use super::waker::Wake;
use crate::shared::direction::Direction;

impl WaitableSet {
    /// Starts an operation that completes when a source is ready in one direction.
    pub(super) fn request_readiness(&mut self, slot: usize, direction: Direction) {
        let read_ahead = &self.read_aheads[slot];
        let endpoint = &mut self.endpoints.at(slot).platform;
        let kind = endpoint.kind;
        let side = endpoint.side(direction);
        let end = side.end;
        // zero-length-read, in-flight-memory: read some bytes or a socket into static memory.
        let outcome = match (kind, direction) {
            // SAFETY: the memory is `'static` and has room for so many bytes. By the state of the
            // side, no other operation that writes to it is in flight.
            (Kind::Stream | Kind::Input, Direction::Read) => unsafe {
                abi::stream_read(end, read_ahead.bytes_place(), BYTES_MAX)
            },
            // SAFETY: the host reads 0 bytes.
            (Kind::Stream, Direction::Write) => unsafe {
                abi::stream_write(end, core::ptr::dangling(), 0)
            },
            // SAFETY: as for bytes.
            (Kind::Listener, Direction::Read) => unsafe {
                abi::accept_read(end, read_ahead.socket_place(), 1)
            },
            _ => {
                if let Some(functions) = endpoint.functions {
                    (functions.request)(self, slot, direction);
                }
                return;
            }
        };
        if !outcome.is_blocked() {
            return self.record_outcome(slot, direction, outcome);
        }
        side.state = State::InFlight;
        self.in_flight += 1;
        if !core::mem::replace(&mut side.joined, true) {
            abi::waitable_join(end, self.set);
        }
    }

    /// Records the outcome of a readiness request that is not in flight.
    pub(super) fn record_outcome(&mut self, slot: usize, direction: Direction, outcome: Outcome) {
        let endpoint = &mut self.endpoints.at(slot).platform;
        let count = outcome.count().min(BYTES_MAX);
        if direction == Direction::Read && count > 0 {
            #[expect(clippy::cast_possible_truncation, reason = "at most `BYTES_MAX`")]
            let end = count as u16;
            endpoint.ahead_range = [0, end];
            endpoint.side(direction).last = outcome.is_dropped();
        } else if outcome.is_dropped() {
            return self.record_end(slot, direction);
        }
        let is_ready = direction == Direction::Write || count > 0;
        endpoint.side(direction).state = if is_ready { State::Ready } else { State::Unknown };
    }

    /// Records the end of a stream and its reason.
    pub(super) fn record_end(&mut self, slot: usize, direction: Direction) {
        let endpoint = &mut self.endpoints.at(slot).platform;
        let kind = endpoint.kind;
        let side = endpoint.side(direction);
        side.state = State::Ended;
        side.error = end_reason(kind, side.result);
    }

    /// Sleeps until there is an event, and handles it.
    pub(super) fn sleep(&mut self) {
        let mut event = [0; 2];
        // SAFETY: there is room for two words.
        let kind = unsafe { abi::waitable_set_wait(self.set, &raw mut event) };
        self.handle_event(kind, event);
    }

    /// Yields to the host and handles its events, until there are about `enough` of them or no
    /// more.
    ///
    /// yield-to-deliver: each yield delivers about one event. smallest-first: all are taken, and
    /// the queue orders them.
    pub(super) fn drain_events(&mut self, enough: usize) {
        let mut taken = 0;
        loop {
            let before = taken;
            if self.in_flight > 0 {
                abi::thread_yield();
            }
            let mut event = [0; 2];
            loop {
                // SAFETY: there is room for two words.
                let kind = unsafe { abi::waitable_set_poll(self.set, &raw mut event) };
                if kind == abi::EVENT_NONE {
                    break;
                }
                self.handle_event(kind, event);
                taken += 1;
            }
            if taken == before || taken >= enough {
                return;
            }
        }
    }

    /// Processes one event: a kind, the handle that it is about, and a word.
    fn handle_event(&mut self, kind: u32, [waitable, word]: [u32; 2]) {
        if kind == abi::EVENT_SUBTASK && self.timer.take(waitable, word) {
            return;
        }
        let Some(owner) = self.owners.get(waitable) else {
            return self.handle_wake(waitable, word);
        };
        let slot = (owner >> 1) as usize;
        let direction = Direction::BOTH[(owner & 1) as usize];
        let endpoint = &mut self.endpoints.at(slot).platform;
        if let (Kind::Other, Some(functions)) = (endpoint.kind, endpoint.functions) {
            return (functions.finish)(self, slot, direction, WaitableEvent { kind, code: word });
        }
        let is_attempt = endpoint.kind == Kind::Attempt;
        let is_done = !is_attempt || word == abi::SUBTASK_RETURNED;
        // A repeated or unknown event is an error of the host, which must not cause a panic.
        if endpoint.side(direction).state != State::InFlight
            || is_attempt != (kind == abi::EVENT_SUBTASK)
            || !is_done
        {
            return;
        }
        self.in_flight -= 1;
        if is_attempt {
            self.finish_attempt(slot);
        } else {
            self.record_outcome(slot, direction, Outcome(word));
        }
        self.enqueue(slot);
    }

    /// Processes an event that is about no source.
    fn handle_wake(&mut self, waitable: u32, word: u32) {
        let Some(waker) = &mut self.waker else { return };
        if waker.take(waitable, word) == Wake::Gone {
            waker.close();
            self.registrations.remove(waker.token);
            self.waker = None;
        }
    }

    /// Cancels the operation in flight in one direction of a source, and records its outcome.
    /// cancel-in-set: the source leaves the set first.
    pub(super) fn cancel_operation(&mut self, slot: usize, direction: Direction) {
        let endpoint = &mut self.endpoints.at(slot).platform;
        let kind = endpoint.kind;
        let side = endpoint.side(direction);
        leave_set(side);
        if side.state != State::InFlight {
            return;
        }
        let outcome = if kind == Kind::Listener {
            abi::accept_cancel(side.end)
        } else {
            cancel_stream(side.end, direction)
        };
        self.in_flight -= 1;
        self.record_outcome(slot, direction, outcome);
    }

    /// Records a call that returned `word`: it is in flight in one direction of a source, unless it
    /// has returned. Returns whether it has.
    pub(super) fn record_call(&mut self, slot: usize, direction: Direction, word: u32) -> bool {
        let side = self.endpoints.at(slot).platform.side(direction);
        if word & 0xf == abi::SUBTASK_RETURNED {
            side.state = State::Ready;
            return true;
        }
        side.end = word >> 4;
        side.state = State::InFlight;
        self.in_flight += 1;
        abi::waitable_join(word >> 4, self.set);
        self.record_owner(word >> 4, slot, direction);
        false
    }

    /// Processes an event about a call. Returns whether it has returned.
    pub(super) fn finish_call(
        &mut self,
        slot: usize,
        direction: Direction,
        event: WaitableEvent,
    ) -> bool {
        let side = self.endpoints.at(slot).platform.side(direction);
        // A repeated or unknown event is an error of the host.
        if side.state != State::InFlight || event != WaitableEvent::RETURNED {
            return false;
        }
        side.state = State::Ready;
        let subtask = core::mem::take(&mut side.end);
        self.owners.remove(subtask);
        abi::subtask_drop(subtask);
        self.in_flight -= 1;
        self.enqueue(slot);
        true
    }

    /// Cancels the call in flight in one direction of a source, if there is one. Returns whether it
    /// had returned by then. cancel-in-set: it leaves the set first.
    pub(super) fn cancel_call(&mut self, slot: usize, direction: Direction) -> bool {
        let side = self.endpoints.at(slot).platform.side(direction);
        let subtask = core::mem::take(&mut side.end);
        if subtask == 0 {
            return false;
        }
        abi::waitable_join(subtask, 0);
        let state = abi::subtask_cancel(subtask);
        abi::subtask_drop(subtask);
        self.owners.remove(subtask);
        self.in_flight -= 1;
        state & 0xf == abi::SUBTASK_RETURNED
    }

    /// Records the source of a handle.
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^31 places")]
    pub(super) fn record_owner(&mut self, waitable: u32, slot: usize, direction: Direction) {
        self.owners.insert(waitable, (slot as u32) << 1 | direction as u32);
    }
}

/// Removes one direction of a source from the set.
pub(super) fn leave_set(side: &mut Side) {
    if core::mem::take(&mut side.joined) {
        abi::waitable_join(side.end, 0);
    }
}

/// Cancels the operation in flight on a stream of bytes that is in no set.
pub(super) fn cancel_stream(end: u32, direction: Direction) -> Outcome {
    match direction {
        Direction::Read => abi::stream_cancel_read(end),
        Direction::Write => abi::stream_cancel_write(end),
    }
}

/// Returns the error that ended a stream, or `None` if the peer has ended it. The future of the
/// stream has it. Of standard input it is not asked for, since that future has a type of its own.
#[cold]
fn end_reason(kind: Kind, future: u32) -> Option<Error> {
    if kind == Kind::Input {
        return None;
    }
    if kind != Kind::Stream || future == 0 {
        return Some(Error::new(ErrorKind::Other));
    }
    let mut result = Fallible::EMPTY;
    // SAFETY: the place is large enough, and the read is cancelled below if it is not done.
    let outcome = unsafe { abi::result_read(future, &raw mut result) };
    if outcome.is_blocked() && !abi::result_cancel(future).is_completed() {
        // The host gives no reason.
        return None;
    }
    result.check().err()
}
