//! An echo server straight on `poll_oneoff` and the sockets of WASI 0.1, for the listener that the
//! host opens: what a careful author writes who wants nothing but this.
//!
//! Hosts report every connection as soon as one has something to read, so a read that finds nothing
//! is no error.

use std::mem::take;

use round_trip_guests::READ_MAX;
use wasi::{
    Ciovec, Errno, Event, Fd, Iovec, Subscription, SubscriptionFdReadwrite, SubscriptionU,
    SubscriptionUU,
};

/// The descriptor of the host's first listener.
const LISTENER: Fd = 3;

/// A connection.
struct Connection {
    descriptor: Fd,
    /// The bytes that its peer has not taken yet. As long as there are any, the subscription is the
    /// one for writing.
    pending: Vec<u8>,
}

fn main() {
    // The listener, then the connections in their order.
    let mut subscriptions = vec![subscription(0, LISTENER)];
    let mut connections: Vec<Connection> = Vec::new();
    let mut events: Vec<Event> = Vec::new();
    let mut buffer = vec![0; READ_MAX];
    loop {
        events.clear();
        events.reserve(subscriptions.len());
        // SAFETY: the list has one subscription at least, and there is room for an event of each.
        let count = unsafe {
            wasi::poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr(), subscriptions.len())
        };
        // SAFETY: the host has just written that many, and there is room for them.
        unsafe { events.set_len(count.expect("descriptors that are open")) };
        // From the end, because the last connection takes the place of one that goes.
        events.sort_unstable_by_key(|event| event.userdata);
        for event in events.iter().rev() {
            let position = usize::try_from(event.userdata).expect("a position");
            let Some(place) = position.checked_sub(1) else {
                accept(&mut connections, &mut subscriptions);
                continue;
            };
            if connections[place].serve(&mut buffer).is_ok() {
                let has_pending = !connections[place].pending.is_empty();
                let kind =
                    if has_pending { wasi::EVENTTYPE_FD_WRITE } else { wasi::EVENTTYPE_FD_READ };
                subscriptions[position].u.tag = kind.raw();
            } else {
                let gone = connections.swap_remove(place);
                // SAFETY: the descriptor is that of the connection that goes, and no one else's.
                let _ = unsafe { wasi::fd_close(gone.descriptor) };
                subscriptions.swap_remove(position);
                if let Some(moved) = subscriptions.get_mut(position) {
                    moved.userdata = position as u64;
                }
            }
        }
    }
}

/// Returns a subscription that waits for something to read.
fn subscription(position: usize, descriptor: Fd) -> Subscription {
    let file_descriptor = descriptor;
    let fd_read = SubscriptionFdReadwrite { file_descriptor };
    let u = SubscriptionU { tag: wasi::EVENTTYPE_FD_READ.raw(), u: SubscriptionUU { fd_read } };
    Subscription { userdata: position as u64, u }
}

/// Takes all waiting connections.
fn accept(connections: &mut Vec<Connection>, subscriptions: &mut Vec<Subscription>) {
    // SAFETY: the call takes numbers.
    while let Ok(descriptor) = unsafe { wasi::sock_accept(LISTENER, wasi::FDFLAGS_NONBLOCK) } {
        connections.push(Connection { descriptor, pending: Vec::new() });
        subscriptions.push(subscription(connections.len(), descriptor));
    }
}

impl Connection {
    /// Sends pending bytes, or reads and sends those back. An error ends the connection, as does
    /// the end of the peer's stream.
    fn serve(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        let pending = take(&mut self.pending);
        if !pending.is_empty() {
            return self.send(&pending);
        }
        let iovec = Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() };
        // SAFETY: the buffer is there for the call.
        match unsafe { wasi::fd_read(self.descriptor, &[iovec]) } {
            Ok(0) => Err(wasi::ERRNO_PIPE),
            Ok(count) => self.send(&buffer[..count]),
            Err(wasi::ERRNO_AGAIN) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends what there is room for, and keeps the rest.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let ciovec = Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() };
        // SAFETY: the bytes are there for the call.
        let count = match unsafe { wasi::fd_write(self.descriptor, &[ciovec]) } {
            Err(wasi::ERRNO_AGAIN) => 0,
            result => result?,
        };
        self.pending.extend_from_slice(&bytes[count..]);
        Ok(())
    }
}
