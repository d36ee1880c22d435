//! Waitables of the program's own, and standard input. `mod.rs` lists the quirks.

use selkie_core::{Error, ErrorKind};

use super::abi;
use super::endpoint::{Functions, Kind, NO_ADDRESS, Side, State, WaitableEvent};
use super::WaitableSet;
use crate::shared::direction::Direction;
use crate::shared::socket_table::Socket;

#[link(wasm_import_module = "wasi:cli/stdin@0.3.0")]
unsafe extern "C" {
    /// Writes a stream and a future.
    #[link_name = "read-via-stream"]
    fn read_via_stream(result: *mut [u32; 2]);
    #[link_name = "[future-drop-readable-1]read-via-stream"]
    safe fn result_drop(future: u32);
}

/// Standard input: a stream of bytes, with a future of another type than those of sockets.
static INPUT: Functions = Functions {
    // Its operations are those of a connection.
    request: |_, _, _| {},
    finish: |_, _, _, _| {},
    release: |platform, slot| {
        platform.cancel_operation(slot, Direction::Read);
        let &mut Side { end, result, .. } =
            platform.endpoints.at(slot).platform.side(Direction::Read);
        platform.owners.remove(end);
        abi::stream_drop_readable(end);
        result_drop(result);
    },
    local_address: |_| NO_ADDRESS,
};

/// A waitable of the program's own. Its last event is in the fields of the side that it does not
/// have.
static WAITABLE: Functions = Functions {
    request: |_, _, _| {},
    finish: |platform, slot, _, event| {
        let endpoint = &mut platform.endpoints.at(slot).platform;
        let before = core::mem::replace(&mut endpoint.side(Direction::Read).state, State::Ready);
        let place = endpoint.side(Direction::Write);
        (place.end, place.result) = (event.kind, event.code);
        platform.in_flight -= usize::from(before == State::InFlight);
        platform.enqueue(slot);
    },
    release: |platform, slot| {
        let &mut Side { end, state, .. } =
            platform.endpoints.at(slot).platform.side(Direction::Read);
        if state == State::InFlight {
            platform.in_flight -= 1;
        }
        abi::waitable_join(end, 0);
        platform.owners.remove(end);
    },
    local_address: |_| NO_ADDRESS,
};

impl WaitableSet {
    /// Processes new events if one direction of a source is in flight, and returns the place of the
    /// source, which must have these functions.
    pub(super) fn of_kind(
        &mut self,
        source: Socket,
        wanted: &'static Functions,
        direction: Direction,
    ) -> Result<usize, Error> {
        let (slot, entry) = self.endpoints.get(source)?;
        let endpoint = &mut entry.platform;
        if !endpoint.functions.is_some_and(|functions| core::ptr::eq(functions, wanted)) {
            return Err(Error::new(ErrorKind::InvalidSource));
        }
        if endpoint.side(direction).state == State::InFlight {
            self.drain_events(usize::MAX);
        }
        Ok(slot)
    }

    /// Adds a waitable of the program's own as a source: a call in flight, such as a timer or an
    /// outgoing request, or an end of a stream or a future. It is readable when it has an event,
    /// which [`take_event`](Self::take_event) returns.
    ///
    /// A call that has returned at once has no handle, and nothing to wait for.
    ///
    /// The set only watches it: the waitable stays the caller's, who drops it after
    /// [`close`](selkie_core::platform::Transport::close).
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full).
    ///
    /// # Safety
    ///
    /// `waitable` is a handle of a waitable in no set, which is not dropped before the source is
    /// closed. The host ends the program if it is another handle, or dropped.
    pub unsafe fn adopt_waitable(&mut self, waitable: u32) -> Result<Socket, Error> {
        if !self.endpoints.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        let (source, slot) = self.add(Kind::Other, 0);
        let endpoint = &mut self.endpoints.at(slot).platform;
        endpoint.functions = Some(&WAITABLE);
        *endpoint.side(Direction::Read) =
            Side { state: State::InFlight, ..Side::new(waitable, 0) };
        self.in_flight += 1;
        abi::waitable_join(waitable, self.set);
        self.record_owner(waitable, slot, Direction::Read);
        Ok(source)
    }

    /// Takes the event of a waitable that was [adopted](Self::adopt_waitable): the latest one, if
    /// there were several. The source then waits for the next one.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](ErrorKind::WouldBlock) while there is none,
    /// [`InvalidSource`](ErrorKind::InvalidSource) for another source.
    pub fn take_event(&mut self, source: Socket) -> Result<WaitableEvent, Error> {
        let slot = self.of_kind(source, &WAITABLE, Direction::Read)?;
        let endpoint = &mut self.endpoints.at(slot).platform;
        let side = endpoint.side(Direction::Read);
        if side.state != State::Ready {
            return Err(Error::WOULD_BLOCK);
        }
        side.state = State::InFlight;
        self.in_flight += 1;
        let &mut Side { end, result, .. } = endpoint.side(Direction::Write);
        Ok(WaitableEvent { kind: end, code: result })
    }

    /// Opens standard input as a source that can be read. A read returns 0 at its end, also where a
    /// failure is the end.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full).
    pub fn stdin(&mut self) -> Result<Socket, Error> {
        if !self.endpoints.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        let mut received = [0; 2];
        // SAFETY: there is room for two handles.
        unsafe { read_via_stream(&raw mut received) };
        let (source, slot) = self.add(Kind::Input, 0);
        let endpoint = &mut self.endpoints.at(slot).platform;
        endpoint.functions = Some(&INPUT);
        let no_output = Side { state: State::Ended, ..Side::NONE };
        endpoint.sides = [Side::new(received[0], received[1]), no_output];
        self.record_owner(received[0], slot, Direction::Read);
        Ok(source)
    }
}
