//! A socket of WASI 0.2 with its streams, and what a report about it means. The quirks are those of
//! `mod.rs`.

use selkie_core::Readiness;

use crate::direction::Direction;
use crate::imports::{self, Handle};
use crate::watched::Owner;
use crate::watched::Watch;

/// Where a source is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// It waits for connections.
    Listening = 0,
    /// It has been asked to connect.
    Connecting = 1,
    /// It has its streams.
    Connected = 2,
    /// It is nobody's any more, but the host still holds bytes. (d)
    Closing = 3,
    /// The host has got rid of them.
    Closed = 4,
}

/// A socket that the platform owns, and what hangs on it.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    pub(crate) socket: Handle,
    pub(crate) input: Handle,
    pub(crate) output: Handle,
    /// By direction.
    pollables: [Handle; 2],
    pub(crate) state: State,
    /// What the last poll that reported it has promised, less what was tried since. (g)
    promised: Readiness,
}

impl Streams {
    /// A socket without streams.
    pub(crate) const fn new(socket: Handle, state: State) -> Self {
        Self { socket, input: 0, output: 0, pollables: [0; 2], state, promised: Readiness::NONE }
    }

    /// A connection.
    pub(crate) const fn connected([socket, input, output]: [Handle; 3]) -> Self {
        Self { input, output, ..Self::new(socket, State::Connected) }
    }

    /// Gives the pollables back. None of them may be in the list.
    pub(crate) fn drop_pollables(&mut self) {
        for pollable in &mut self.pollables {
            if *pollable != 0 {
                imports::drop_pollable(core::mem::take(pollable));
            }
        }
    }

    /// Gives all of it back.
    pub(crate) fn drop_all(&mut self) {
        // (c)
        self.drop_pollables();
        if self.state != State::Listening && self.state != State::Connecting {
            imports::drop_input(self.input);
            imports::drop_output(self.output);
        }
        imports::drop_socket(self.socket);
    }

    /// Whether the last poll has promised this, and it was not tried since. Now it is.
    #[inline]
    pub(crate) fn take_promise(&mut self, direction: Direction) -> bool {
        let promised = self.promised.intersects(direction.readiness());
        self.promised = self.promised.difference(direction.readiness());
        promised
    }

    /// Whether the host holds bytes that the system has not taken yet. (d)
    pub(crate) fn holds_bytes(&self) -> bool {
        imports::check_write(self.output) == Ok(0)
    }
}

impl Watch for Streams {
    type Item = Handle;
    type Report = Owner;

    const NONE: Self = Self::new(0, State::Listening);
    const NO_ITEM: Handle = 0;
    const NO_REPORT: Owner = Owner(0);

    fn item(&mut self, owner: Owner) -> Handle {
        let pollable = &mut self.pollables[owner.direction() as usize];
        if *pollable == 0 {
            *pollable = match (self.state, owner.direction()) {
                (State::Listening | State::Connecting, _) => imports::socket_subscribe(self.socket),
                (_, Direction::Read) => imports::input_subscribe(self.input),
                (_, Direction::Write) => imports::output_subscribe(self.output),
            };
        }
        *pollable
    }

    fn owner(report: &Owner) -> Owner {
        *report
    }

    fn readiness(&mut self, _report: &Owner, direction: Direction) -> Readiness {
        match self.state {
            State::Closing if self.holds_bytes() => Readiness::NONE,
            // It is nobody's, and may be found ready more than once before it is let go.
            State::Closing | State::Closed => {
                self.state = State::Closed;
                Readiness::NONE
            }
            State::Listening | State::Connecting | State::Connected => {
                self.promised |= direction.readiness();
                direction.readiness()
            }
        }
    }
}
