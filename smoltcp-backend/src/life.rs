//! What becomes of a socket by itself, from listening to listening again. The letters are those of
//! the quirks in `network.rs`.

use smoltcp::socket::tcp::{self, State};
use smoltcp::time;
use smoltcp::wire::IpListenEndpoint;

use crate::Slot;
use crate::slot::Role;
use crate::time::NEVER;

/// smoltcp's own default, which has no name.
pub(crate) const ACK_DELAY: time::Duration = time::Duration::from_millis(10);

/// Whether nothing is left of a socket's connection. (c, d)
pub(crate) fn is_over(socket: &tcp::Socket<'_>, sent: bool) -> bool {
    match socket.state() {
        State::Closed => socket.remote_endpoint().is_none(),
        State::TimeWait => sent,
        _ => false,
    }
}

/// Makes a socket listen whose last connection is over. (b)
pub(crate) fn listen(
    socket: &mut tcp::Socket<'_>,
    endpoint: IpListenEndpoint,
    timeout: time::Duration,
) {
    socket.set_timeout(Some(timeout));
    socket.set_ack_delay(Some(ACK_DELAY));
    // The port is not 0 and the socket not open, so this cannot fail.
    let listening = socket.listen(endpoint);
    debug_assert!(listening.is_ok(), "a socket that is over listens again");
}

/// Notes a connection that has come about in the pool of a listener. (b)
pub(crate) fn note_arrival(slot: &mut Slot, socket: &mut tcp::Socket<'_>, arrivals: &mut u32) {
    if slot.arrival == 0 && matches!(socket.state(), State::Established | State::CloseWait) {
        *arrivals = arrivals.wrapping_add(1).max(1);
        slot.arrival = *arrivals;
        socket.set_timeout(None);
    }
}

/// Notes that an attempt to connect has succeeded. (b)
pub(crate) fn note_connection(slot: &mut Slot, socket: &mut tcp::Socket<'_>) {
    if !matches!(socket.state(), State::SynSent | State::SynReceived | State::Closed) {
        slot.role = Role::Open;
        socket.set_timeout(None);
    }
}

/// Goes on with closing a stream that nobody reads any more: throws away what comes, resets it
/// after its time (g), and lets go of it once it is over.
pub(crate) fn close_on(
    slot: &mut Slot,
    socket: &mut tcp::Socket<'_>,
    now: time::Instant,
    over: bool,
) {
    let _ = socket.recv(|bytes| (bytes.len(), ()));
    if over {
        slot.role = if slot.listener == 0 { Role::Free } else { Role::Waiting };
    } else if slot.deadline <= now {
        socket.abort();
        slot.deadline = NEVER;
    }
}
