//! What a network knows of each of its sockets and listeners, beside what smoltcp knows.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::IpListenEndpoint;

use crate::entry::Entry;

/// What a socket is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Role {
    /// Nothing.
    Free = 0,
    /// In the pool of its listener: listening, half-open, or with a connection that was not
    /// accepted yet.
    Waiting = 1,
    /// A stream that has a handle.
    Open = 2,
    /// A stream that has a handle: an attempt to connect that has not come to anything good yet.
    Connecting = 3,
    /// A stream that has a handle, and whose reader was told that it has ended, and is told so
    /// again.
    Ended = 4,
    /// A stream whose handle was closed, and whose last bytes and ends are still under way.
    Closing = 5,
}

/// The bookkeeping of one socket.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Slot {
    pub(crate) entry: Entry,
    /// Of an attempt to connect: when it is given up. Of a closing stream: when it is reset.
    pub(crate) deadline: Instant,
    pub(crate) handle: Option<SocketHandle>,
    /// Of a connection that waits to be accepted: the how-manieth it was; never 0. Otherwise 0.
    pub(crate) arrival: u32,
    /// The listener that this socket belongs to, as index + 1; 0 for none.
    pub(crate) listener: u16,
    pub(crate) role: Role,
    /// How many bytes the reader has left, and waits for more to come behind them.
    pub(crate) left: usize,
}

impl Slot {
    /// A socket that is used for nothing: all bits zero.
    pub const EMPTY: Self = Self {
        entry: Entry::EMPTY,
        deadline: Instant::ZERO,
        handle: None,
        arrival: 0,
        listener: 0,
        role: Role::Free,
        left: 0,
    };

    /// Whether there is more to read than was left.
    pub(crate) fn has_more(&self, socket: &tcp::Socket<'_>) -> bool {
        socket.recv_queue() > self.left
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The bookkeeping of one listener.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Listener {
    pub(crate) entry: Entry,
    pub(crate) endpoint: IpListenEndpoint,
}

impl Listener {
    /// A place for a listener.
    pub const EMPTY: Self =
        Self { entry: Entry::EMPTY, endpoint: IpListenEndpoint { addr: None, port: 0 } };
}

impl Default for Listener {
    fn default() -> Self {
        Self::EMPTY
    }
}
