//! A socket of WASI 0.2 with its streams, and the meaning of a report about it. `mod.rs` lists the
//! quirks.

use selkie_core::Readiness;

use crate::p2::imports::{self, Handle};
use crate::shared::direction::Direction;
use crate::shared::poll_list::PollSource;
use crate::shared::poll_list::SubscriptionId;

/// The state of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// A listener.
    Listening = 0,
    /// A connection attempt.
    Connecting = 1,
    /// A connection with its streams.
    Connected = 2,
    /// Closed by its user; the host still has bytes of it (host-buffers).
    Closing = 3,
    /// Closed by its user, and the buffer in the host is empty.
    Closed = 4,
}

/// A socket that the platform owns, its streams and its pollables.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    pub(crate) socket: Handle,
    pub(crate) input: Handle,
    pub(crate) output: Handle,
    /// The pollable of each direction.
    pollables: [Handle; 2],
    pub(crate) state: State,
    /// Set if the program has shut down writing.
    pub(crate) is_shut_down: bool,
    /// Readiness that was reported, without the directions that were used since (ration).
    reported: Readiness,
}

impl Streams {
    /// Creates a socket without streams.
    pub(crate) const fn new(socket: Handle, state: State) -> Self {
        Self {
            socket,
            input: 0,
            output: 0,
            pollables: [0; 2],
            state,
            is_shut_down: false,
            reported: Readiness::NONE,
        }
    }

    /// Creates a connection.
    pub(crate) const fn connected([socket, input, output]: [Handle; 3]) -> Self {
        Self { input, output, ..Self::new(socket, State::Connected) }
    }

    /// Drops the pollables. None of them may be in the list.
    pub(crate) fn drop_pollables(&mut self) {
        for pollable in &mut self.pollables {
            if *pollable != 0 {
                imports::drop_pollable(core::mem::take(pollable));
            }
        }
    }

    /// Drops everything.
    pub(crate) fn drop_all(&mut self) {
        // child-first: pollables, then streams, then the socket.
        self.drop_pollables();
        if self.state != State::Listening && self.state != State::Connecting {
            imports::drop_input(self.input);
            imports::drop_output(self.output);
        }
        imports::drop_socket(self.socket);
    }

    /// Returns whether the last poll reported this direction and it was not used since, and records
    /// that it is used now.
    #[inline]
    pub(crate) fn take_reported(&mut self, direction: Direction) -> bool {
        let reported = self.reported.intersects(direction.readiness());
        self.reported = self.reported.difference(direction.readiness());
        reported
    }

    /// Returns whether the host has bytes that the system has not taken yet (host-buffers).
    pub(crate) fn has_pending_output(&self) -> bool {
        imports::check_write(self.output) == Ok(0)
    }
}

impl PollSource for Streams {
    type Item = Handle;
    type Report = SubscriptionId;

    const NONE: Self = Self::new(0, State::Listening);
    const NO_ITEM: Handle = 0;
    const NO_REPORT: SubscriptionId = SubscriptionId(0);

    fn item(&mut self, id: SubscriptionId) -> Handle {
        let pollable = &mut self.pollables[id.direction() as usize];
        if *pollable == 0 {
            *pollable = match (self.state, id.direction()) {
                (State::Listening | State::Connecting, _) => imports::socket_subscribe(self.socket),
                (_, Direction::Read) => imports::input_subscribe(self.input),
                (_, Direction::Write) => imports::output_subscribe(self.output),
            };
        }
        *pollable
    }

    fn id(report: &SubscriptionId) -> SubscriptionId {
        *report
    }

    fn readiness(&mut self, _report: &SubscriptionId, direction: Direction) -> Readiness {
        match self.state {
            State::Closing if self.has_pending_output() => Readiness::NONE,
            // It may be found ready more than once before it is released.
            State::Closing | State::Closed => {
                self.state = State::Closed;
                Readiness::NONE
            }
            State::Listening | State::Connecting | State::Connected => {
                self.reported |= direction.readiness();
                direction.readiness()
            }
        }
    }
}
