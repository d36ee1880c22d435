//! The bookkeeping of sockets and listeners, beside smoltcp's own.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::IpListenEndpoint;

use crate::source_state::SourceState;

/// The use that a socket is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Role {
    /// None.
    Free = 0,
    /// In the pool of its listener: listening, half-open, or with a connection that was not
    /// accepted yet.
    Waiting = 1,
    /// A stream that has a handle.
    Open = 2,
    /// An attempt to connect that is pending or has failed; it has a handle.
    Connecting = 3,
    /// A stream that has a handle and whose reader has seen the end, and sees it again.
    Ended = 4,
    /// A stream whose handle was closed, and whose last bytes and FINs are still under way.
    Closing = 5,
}

/// The reason why a stream that has a handle is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Failure {
    None = 0,
    /// The peer sent RST.
    Reset = 1,
    /// The peer answered nothing for the time that it had.
    TimedOut = 2,
}

/// The bookkeeping of one socket.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Slot {
    pub(crate) entry: SourceState,
    /// By role. Closing: when it is reset, or after that forgotten. Waiting: when a reset that
    /// cannot be sent is given up, usually never. Open and ended: since when the oldest
    /// unacknowledged byte is the oldest one.
    pub(crate) timestamp: Instant,
    pub(crate) handle: Option<SocketHandle>,
    /// The arrival number of a connection in the accept queue, from 1; 0 if none.
    pub(crate) arrival: u32,
    /// The listener that this socket belongs to, as index + 1; 0 for none.
    pub(crate) listener: u16,
    pub(crate) role: Role,
    pub(crate) failure: Failure,
    /// The peer's FIN was received.
    pub(crate) read_ended: bool,
    /// The writer has ended its direction.
    pub(crate) write_ended: bool,
    /// The number of bytes that the reader has left until more arrive behind them.
    pub(crate) left: u32,
    /// The number of bytes in the transmit buffer at the last look.
    pub(crate) unacknowledged: u32,
    /// The room that the writer was told of and has not used; it waits for more than that.
    pub(crate) room_declined: u32,
}

impl Slot {
    /// An unused socket: all bits zero.
    pub const EMPTY: Self = Self {
        entry: SourceState::EMPTY,
        timestamp: Instant::ZERO,
        handle: None,
        arrival: 0,
        listener: 0,
        role: Role::Free,
        failure: Failure::None,
        read_ended: false,
        write_ended: false,
        left: 0,
        unacknowledged: 0,
        room_declined: 0,
    };

    /// Returns whether there is more to read than the reader has left.
    pub(crate) fn has_more(&self, socket: &tcp::Socket<'_>) -> bool {
        socket.recv_queue() > self.left as usize
    }

    /// Returns whether a write is worth trying: there is more room than the writer declined.
    pub(crate) fn has_room(&self, socket: &tcp::Socket<'_>) -> bool {
        let queued = socket.send_queue();
        queued == 0 || socket.send_capacity() - queued > self.room_declined as usize
    }

    /// Records that `count` bytes were written.
    #[allow(clippy::cast_possible_truncation, reason = "smoltcp's buffers are below 2^30 bytes")]
    pub(crate) fn record_write(&mut self, count: usize, now: Instant) {
        if self.unacknowledged == 0 {
            self.timestamp = now;
        }
        self.unacknowledged += count as u32;
        self.room_declined = 0;
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The bookkeeping of one listener, or of a socket of messages.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Listener {
    pub(crate) entry: SourceState,
    pub(crate) endpoint: IpListenEndpoint,
    /// The socket, if it is one of messages.
    #[cfg(feature = "udp")]
    pub(crate) udp: Option<SocketHandle>,
    /// The number of bytes of messages that waited to be sent at the last look.
    #[cfg(feature = "udp")]
    pub(crate) queued: usize,
    /// The time at which a message was sent last, or began to wait.
    #[cfg(feature = "udp")]
    pub(crate) sent: Instant,
}

impl Listener {
    /// An unused listener.
    pub const EMPTY: Self = Self {
        entry: SourceState::EMPTY,
        endpoint: IpListenEndpoint { addr: None, port: 0 },
        #[cfg(feature = "udp")]
        udp: None,
        #[cfg(feature = "udp")]
        queued: 0,
        #[cfg(feature = "udp")]
        sent: Instant::ZERO,
    };
}

impl Default for Listener {
    fn default() -> Self {
        Self::EMPTY
    }
}
