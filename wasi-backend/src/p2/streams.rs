//! A socket of WASI 0.2 with its streams, and the meaning of a report about it. `mod.rs` lists the
//! quirks.

use core::net::SocketAddr;

use selkie_core::Readiness;

use crate::p2::imports::{self, ErrorCode, Handle};
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
    /// A stream that is only read, such as standard input.
    Input = 5,
    /// Another source, with pollables that were made for it.
    Other = 6,
}

/// The functions of a source that is no TCP socket. A program that opens none imports none of what
/// they call.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Drops the handles, after the pollables.
    pub(crate) drop_handles: fn(&Streams),
    /// Returns the address of this end, if it has one.
    pub(crate) local_address: Option<fn(Handle) -> Result<SocketAddr, ErrorCode>>,
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
    /// The functions of a source that is no TCP socket.
    pub(crate) kind: Option<&'static Kind>,
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
            kind: None,
        }
    }

    /// Creates a connection.
    pub(crate) const fn connected([socket, input, output]: [Handle; 3]) -> Self {
        Self { input, output, ..Self::new(socket, State::Connected) }
    }

    /// Creates a source that is no TCP socket, with the pollables of its directions. If they are
    /// the same, the source is ready in both directions at once.
    pub(crate) const fn other(
        kind: &'static Kind,
        state: State,
        [socket, input, output]: [Handle; 3],
        pollables: [Handle; 2],
    ) -> Self {
        Self { input, output, pollables, kind: Some(kind), ..Self::new(socket, state) }
    }

    /// Drops the pollables. None of them may be in the list.
    pub(crate) fn drop_pollables(&mut self) {
        if self.pollables[0] == self.pollables[1] {
            self.pollables[1] = 0;
        }
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
        if let Some(kind) = self.kind {
            return (kind.drop_handles)(self);
        }
        if self.state != State::Listening && self.state != State::Connecting {
            imports::drop_input(self.input);
            imports::drop_output(self.output);
        }
        imports::drop_socket(self.socket);
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
            _ => direction.readiness(),
        }
    }
}
