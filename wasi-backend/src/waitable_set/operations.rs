//! What the host is asked, what it answers, and how that is taken back. The letters are those of
//! `mod.rs`.

use selkie_core::{Error, ErrorKind};

use super::WaitableSet;
use super::abi::{self, Outcome};
use super::address::Fallible;
use super::endpoint::{BYTES_MAX, Kind, Side, State};
use super::waker::Wake;
use crate::direction::Direction;

impl WaitableSet {
    /// Asks the host whether a source is ready in one direction, of which that is not known.
    pub(super) fn ask(&mut self, slot: usize, direction: Direction) {
        let mailbox = &self.mailboxes[slot];
        let endpoint = &mut self.endpoints.at(slot).platform;
        let kind = endpoint.kind;
        let side = endpoint.side(direction);
        let end = side.end;
        // (a) (b)
        let outcome = match (kind, direction) {
            // SAFETY: the mailbox has room for so many bytes and lives for ever, and as the state
            // says, nothing else is in flight that the host would write to it.
            (Kind::Stream, Direction::Read) => unsafe {
                abi::stream_read(end, mailbox.bytes_place(), BYTES_MAX)
            },
            // SAFETY: nothing is read from a place of 0 bytes.
            (Kind::Stream, Direction::Write) => unsafe {
                abi::stream_write(end, core::ptr::dangling(), 0)
            },
            // SAFETY: as for bytes.
            (Kind::Listener, Direction::Read) => unsafe {
                abi::accept_read(end, mailbox.socket_place(), 1)
            },
            _ => return,
        };
        if !outcome.is_blocked() {
            return self.settle(slot, direction, outcome);
        }
        side.state = State::InFlight;
        self.in_flight += 1;
        if !core::mem::replace(&mut side.joined, true) {
            abi::waitable_join(end, self.set);
        }
    }

    /// Records what came of what the host was asked, when it is not in flight, or not any more.
    pub(super) fn settle(&mut self, slot: usize, direction: Direction, outcome: Outcome) {
        let endpoint = &mut self.endpoints.at(slot).platform;
        let count = outcome.count().min(BYTES_MAX);
        if direction == Direction::Read && count > 0 {
            #[expect(clippy::cast_possible_truncation, reason = "a mailbox is smaller")]
            let end = count as u16;
            endpoint.mail = [0, end];
            endpoint.side(direction).last = outcome.is_dropped();
        } else if outcome.is_dropped() {
            return self.end(slot, direction);
        }
        let is_ready = direction == Direction::Write || count > 0;
        endpoint.side(direction).state = if is_ready { State::Ready } else { State::Unknown };
    }

    /// Records that a stream has come to its end, and why.
    pub(super) fn end(&mut self, slot: usize, direction: Direction) {
        let endpoint = &mut self.endpoints.at(slot).platform;
        let kind = endpoint.kind;
        let side = endpoint.side(direction);
        side.state = State::Ended;
        side.error = why(kind, side.result);
    }

    /// Sleeps until there is an event, and takes it.
    pub(super) fn sleep(&mut self) {
        let mut event = [0; 2];
        // SAFETY: there is room for two words.
        let kind = unsafe { abi::waitable_set_wait(self.set, &raw mut event) };
        self.take(kind, event);
    }

    /// Lets the host go on, and takes its events, until there are about `enough` of them or no
    /// more. (e) (f)
    pub(super) fn collect(&mut self, enough: usize) {
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
                self.take(kind, event);
                taken += 1;
            }
            if taken == before || taken >= enough {
                return;
            }
        }
    }

    /// Takes one event: a kind, the handle that it is about, and a word.
    fn take(&mut self, kind: u32, [waitable, word]: [u32; 2]) {
        if kind == abi::EVENT_SUBTASK && self.timer.take(waitable, word) {
            return;
        }
        let Some(owner) = self.owners.get(waitable) else { return self.take_wake(waitable, word) };
        let slot = (owner >> 1) as usize;
        let direction = Direction::BOTH[(owner & 1) as usize];
        let endpoint = &mut self.endpoints.at(slot).platform;
        let is_attempt = endpoint.kind == Kind::Attempt;
        let is_done = !is_attempt || word == abi::SUBTASK_RETURNED;
        // A host that says so twice, or of something else, is wrong, but no reason to panic.
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
            self.settle(slot, direction, Outcome(word));
        }
        self.attend(slot);
    }

    /// Takes an event that is about no source.
    fn take_wake(&mut self, waitable: u32, word: u32) {
        let Some(waker) = &mut self.waker else { return };
        if waker.take(waitable, word) == Wake::Gone {
            waker.close();
            self.registrations.remove(waker.token);
            self.waker = None;
        }
    }

    /// Takes back what is in flight in one direction of a source. What had come of it by then
    /// stays. (c)
    pub(super) fn cancel(&mut self, slot: usize, direction: Direction) {
        let endpoint = &mut self.endpoints.at(slot).platform;
        let kind = endpoint.kind;
        let side = endpoint.side(direction);
        leave(side);
        if side.state != State::InFlight {
            return;
        }
        let outcome = if kind == Kind::Listener {
            abi::accept_cancel(side.end)
        } else {
            cancelled(side.end, direction)
        };
        self.in_flight -= 1;
        self.settle(slot, direction, outcome);
    }

    /// Records which source a handle stands for.
    #[expect(clippy::cast_possible_truncation, reason = "there are less than 2^31 places")]
    pub(super) fn own(&mut self, waitable: u32, slot: usize, direction: Direction) {
        self.owners.insert(waitable, (slot as u32) << 1 | direction as u32);
    }
}

/// Takes one direction of a source out of the set.
pub(super) fn leave(side: &mut Side) {
    if core::mem::take(&mut side.joined) {
        abi::waitable_join(side.end, 0);
    }
}

/// Takes back what is in flight on a stream of bytes, which is in no set.
pub(super) fn cancelled(end: u32, direction: Direction) -> Outcome {
    match direction {
        Direction::Read => abi::stream_cancel_read(end),
        Direction::Write => abi::stream_cancel_write(end),
    }
}

/// Why a stream has come to its end, or nothing if it is the end that the peer made. The future
/// beside it tells.
#[cold]
fn why(kind: Kind, future: u32) -> Option<Error> {
    if kind != Kind::Stream || future == 0 {
        return Some(Error::new(ErrorKind::Other));
    }
    let mut result = Fallible::EMPTY;
    // SAFETY: the place is large enough, and the read is taken back below if it is not done.
    let outcome = unsafe { abi::result_read(future, &raw mut result) };
    if outcome.is_blocked() && !abi::result_cancel(future).is_completed() {
        // The host does not say.
        return None;
    }
    result.check().err()
}
