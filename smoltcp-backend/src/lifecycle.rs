//! The life of a socket, from listening to listening again. `network.rs` lists the quirks
//! that it names.
//!
//! ```text
//!   Free ---> Waiting -------------> Open <---> Ended        listen, record_arrival; accept
//!    |  listen ^ | over: listens      ^ |         |
//!    |         +-+                    | +---------+-> Closing ---> Waiting, or Free
//!    +-----> Connecting --------------+  close        finish_closing: over, or out of time
//!     connect        record_connection
//! ```

use smoltcp::socket::tcp::{self, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpListenEndpoint;

use crate::Slot;
use crate::slot::{Failure, Role};
use crate::time::NEVER;

/// smoltcp's own default, which has no name.
pub(crate) const ACK_DELAY: Duration = Duration::from_millis(10);

/// The time in which a reset or a message must be sent. smoltcp asks for the peer's hardware
/// address once a second.
pub(crate) const RESET_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns whether the peer's FIN was received in this state.
pub(crate) const fn has_fin(state: State) -> bool {
    matches!(state, State::CloseWait | State::LastAck | State::Closing | State::TimeWait)
}

/// Returns whether nothing is left of a socket's connection. `sent` means that acknowledgements
/// were sent.
fn is_over(socket: &tcp::Socket<'_>, sent: bool) -> bool {
    match socket.state() {
        // abort-keeps-peer: the reset is not sent yet.
        State::Closed => socket.remote_endpoint().is_none(),
        // time-wait-on-few: the last acknowledgement was sent, so the socket is free.
        State::TimeWait => sent,
        _ => false,
    }
}

/// Makes a socket listen whose last connection is over.
pub(crate) fn listen(
    slot: &mut Slot,
    socket: &mut tcp::Socket<'_>,
    endpoint: IpListenEndpoint,
    half_open_timeout: Duration,
) {
    slot.arrival = 0;
    slot.timestamp = NEVER;
    // half-open-waits: the peer may never complete the connection.
    socket.set_timeout(Some(half_open_timeout));
    socket.set_ack_delay(Some(ACK_DELAY));
    // The port is not 0 and the socket not open, so this cannot fail.
    let listening = socket.listen(endpoint);
    debug_assert!(listening.is_ok(), "a socket that is over listens again");
}

/// Records a connection that a socket in the pool of a listener has completed. Returns whether the
/// socket is to listen again, as its connection is over before it was accepted.
pub(crate) fn record_arrival(
    slot: &mut Slot,
    socket: &mut tcp::Socket<'_>,
    arrivals: &mut u32,
    (now, sent): (Instant, bool),
    peer_timeout: Option<Duration>,
) -> bool {
    let state = socket.state();
    if slot.arrival == 0 && matches!(state, State::Established | State::CloseWait) {
        *arrivals = arrivals.wrapping_add(1).max(1);
        slot.arrival = *arrivals;
        socket.set_timeout(peer_timeout);
    }
    if state == State::Closed && slot.timestamp == NEVER {
        slot.arrival = 0;
        slot.timestamp = now + RESET_TIMEOUT;
    }
    // reset-needs-address: no reset can be sent to a peer whose hardware address is unknown.
    is_over(socket, sent) || slot.timestamp <= now
}

/// Records that an attempt to connect has succeeded, or failed.
pub(crate) fn record_connection(
    slot: &mut Slot,
    socket: &mut tcp::Socket<'_>,
    peer_timeout: Option<Duration>,
) {
    if !matches!(socket.state(), State::SynSent | State::SynReceived | State::Closed) {
        slot.role = Role::Open;
        socket.set_timeout(peer_timeout);
    }
}

/// Records the end of a stream or an attempt, and the acknowledgements of its peer. `sent` means
/// that segments were sent since the last look, so that a socket that is closed now was closed by
/// its timeout; otherwise it was by a segment of its peer.
#[allow(clippy::cast_possible_truncation, reason = "smoltcp's buffers are below 2^30 bytes")]
pub(crate) fn record_progress(
    slot: &mut Slot,
    socket: &tcp::Socket<'_>,
    (now, sent): (Instant, bool),
) {
    let state = socket.state();
    if state == State::Closed {
        let finished = slot.read_ended && slot.write_ended;
        if slot.failure == Failure::None && !finished {
            slot.failure = if sent { Failure::TimedOut } else { Failure::Reset };
        }
        return;
    }
    slot.read_ended |= has_fin(state);
    let queued = socket.send_queue() as u32;
    if queued < slot.unacknowledged {
        slot.unacknowledged = queued;
        slot.timestamp = now;
    }
}

/// Continues to close a stream whose handle was closed: discards its input, resets it when its
/// time has passed, and frees its socket once it is over.
pub(crate) fn finish_closing(
    slot: &mut Slot,
    socket: &mut tcp::Socket<'_>,
    (now, sent): (Instant, bool),
) {
    let _ = socket.recv(|bytes| (bytes.len(), ()));
    let mut out_of_time = slot.timestamp <= now;
    if out_of_time && socket.state() != State::Closed {
        // fin-wait-2-waits: the peer may never send its FIN.
        socket.abort();
        slot.timestamp = now + RESET_TIMEOUT;
        out_of_time = false;
    }
    // reset-needs-address: no reset can be sent to a peer whose hardware address is unknown.
    if out_of_time || is_over(socket, sent) {
        slot.role = if slot.listener == 0 { Role::Free } else { Role::Waiting };
        slot.timestamp = now;
    }
}

/// Returns when a stream that was just closed, or aborted, is out of time.
pub(crate) fn closing_deadline(
    socket: &tcp::Socket<'_>,
    now: Instant,
    close_timeout: Duration,
) -> Instant {
    now + if socket.state() == State::Closed { RESET_TIMEOUT } else { close_timeout }
}
