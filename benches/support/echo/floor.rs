//! The floor: the echo server that a careful C programmer writes. The event carries the address of
//! the connection; bytes that the kernel does not take are kept in memory that only such
//! connections have, and nothing more is read from a connection until they are gone.

use std::ffi::c_void;
use std::io::{Error, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::ptr;

use super::READ_MAX;
use crate::support::epoll::{self, Epoll};

/// The entry that C would point to in `epoll_event.data.ptr`.
struct Connection {
    /// Closing it removes it from the epoll set, as it has no duplicate.
    stream: TcpStream,
    /// The bytes that the kernel has not taken.
    pending: Vec<u8>,
    /// The number of them that the kernel has taken since.
    sent: usize,
}

/// The state of a connection after it was served.
enum Outcome {
    Open,
    Closed,
}

pub(crate) fn serve(listener: &TcpListener, connections: usize) {
    listener.set_nonblocking(true).expect("a listener that does not block");
    let epoll = Epoll::new();
    epoll.control(libc::EPOLL_CTL_ADD, listener.as_raw_fd(), libc::EPOLLIN, 0);
    let mut events = epoll::batch();
    let mut buffer = vec![0_u8; READ_MAX];
    let mut closed = 0;
    while closed < connections {
        for event in epoll.wait(&mut events) {
            #[expect(clippy::cast_possible_truncation, reason = "it was an address before")]
            let connection = ptr::with_exposed_provenance_mut::<Connection>(event.u64 as usize);
            if connection.is_null() {
                accept(&epoll, listener);
                continue;
            }
            // SAFETY: the connection is freed below only, after its last event, as a descriptor has
            // one event in a batch.
            let outcome = unsafe { &mut *connection }.serve(&epoll, event.events, &mut buffer);
            if matches!(outcome, Outcome::Closed) {
                // SAFETY: `accept` made it with `Box::into_raw`, and it is not used after this.
                drop(unsafe { Box::from_raw(connection) });
                closed += 1;
            }
        }
    }
}

/// Takes waiting connections, 16 at most, as there may be no end of them.
fn accept(epoll: &Epoll, listener: &TcpListener) {
    for _ in 0..16 {
        let Ok((stream, _)) = listener.accept() else { return };
        stream.set_nonblocking(true).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        let fd = stream.as_raw_fd();
        let connection =
            Box::into_raw(Box::new(Connection { stream, pending: Vec::new(), sent: 0 }));
        epoll.control(
            libc::EPOLL_CTL_ADD,
            fd,
            libc::EPOLLIN,
            connection.expose_provenance() as u64,
        );
    }
}

impl Connection {
    fn serve(&mut self, epoll: &Epoll, events: u32, buffer: &mut [u8]) -> Outcome {
        if !self.pending.is_empty() {
            return self.flush(epoll);
        }
        if events & (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned() == 0 {
            return Outcome::Open;
        }
        // SAFETY: the buffer is valid for writes of its length.
        let count = unsafe {
            libc::read(self.stream.as_raw_fd(), buffer.as_mut_ptr().cast::<c_void>(), buffer.len())
        };
        match count {
            1.. => self.send(epoll, &buffer[..count.unsigned_abs()]),
            0 => Outcome::Closed,
            _ => unless_blocked(),
        }
    }

    /// Sends what was received, and keeps what does not go.
    fn send(&mut self, epoll: &Epoll, bytes: &[u8]) -> Outcome {
        let count = self.write(bytes);
        if count == bytes.len().cast_signed() {
            return Outcome::Open;
        }
        if count < 0 && matches!(unless_blocked(), Outcome::Closed) {
            return Outcome::Closed;
        }
        self.pending.extend_from_slice(&bytes[count.max(0).unsigned_abs()..]);
        self.sent = 0;
        self.watch(epoll, libc::EPOLLOUT);
        Outcome::Open
    }

    /// Sends what was kept.
    fn flush(&mut self, epoll: &Epoll) -> Outcome {
        let count = self.write(&self.pending[self.sent..]);
        if count < 0 {
            return unless_blocked();
        }
        self.sent += count.unsigned_abs();
        if self.sent == self.pending.len() {
            self.pending = Vec::new();
            self.watch(epoll, libc::EPOLLIN);
        }
        Outcome::Open
    }

    fn write(&self, bytes: &[u8]) -> isize {
        // SAFETY: the bytes are valid for reads of their length.
        unsafe {
            libc::send(
                self.stream.as_raw_fd(),
                bytes.as_ptr().cast::<c_void>(),
                bytes.len(),
                libc::MSG_NOSIGNAL,
            )
        }
    }

    fn watch(&mut self, epoll: &Epoll, events: i32) {
        let data = (&raw mut *self).expose_provenance() as u64;
        epoll.control(libc::EPOLL_CTL_MOD, self.stream.as_raw_fd(), events, data);
    }
}

/// Returns the outcome of a failed read or write: open if it only had to wait.
fn unless_blocked() -> Outcome {
    match Error::last_os_error().kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Outcome::Open,
        _ => Outcome::Closed,
    }
}
