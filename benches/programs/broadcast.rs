//! The peer of `chat`: the broadcast that a careful C programmer writes over epoll. A connection's
//! first line is its name; each other line goes to all others behind the name. Bytes that the
//! kernel does not take are kept in memory that only such connections have.

use std::ffi::c_void;
use std::io::{Error, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use crate::support::epoll::{self, Epoll};

/// The size of a read, as ours.
const READ_MAX: usize = 16 << 10;
/// The most bytes that wait for one connection, as ours.
const PENDING_MAX: usize = 16 << 10;
/// The number of the listener; connections count from 0.
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    name: Vec<u8>,
    /// The part of a line that was received.
    input: Vec<u8>,
    pending: Vec<u8>,
}

/// All connections: the number of one is its place.
struct Room {
    epoll: Epoll,
    connections: Vec<Option<Connection>>,
    vacant: Vec<usize>,
    message: Vec<u8>,
}

/// Serves until the process is ended.
pub(crate) fn serve(listener: &TcpListener) {
    listener.set_nonblocking(true).expect("a listener that does not block");
    let (connections, vacant, message) = (Vec::new(), Vec::new(), Vec::new());
    let mut room = Room { epoll: Epoll::new(), connections, vacant, message };
    room.epoll.control(libc::EPOLL_CTL_ADD, listener.as_raw_fd(), libc::EPOLLIN, LISTENER);
    let mut events = epoll::batch();
    let mut buffer = vec![0; READ_MAX];
    loop {
        let count = room.epoll.wait(&mut events).len();
        for event in &events[..count] {
            match usize::try_from(event.u64) {
                Ok(number) if event.u64 != LISTENER => {
                    room.serve(number, event.events, &mut buffer);
                }
                _ => room.accept(listener),
            }
        }
    }
}

impl Room {
    fn accept(&mut self, listener: &TcpListener) {
        for _ in 0..16 {
            let Ok((stream, _)) = listener.accept() else { return };
            stream.set_nonblocking(true).expect("a socket option");
            stream.set_nodelay(true).expect("a socket option");
            let fd = stream.as_raw_fd();
            let (name, input, pending) = (Vec::new(), Vec::new(), Vec::new());
            let connection = Some(Connection { stream, name, input, pending });
            let number = self.vacant.pop().unwrap_or(self.connections.len());
            match self.connections.get_mut(number) {
                Some(place) => *place = connection,
                None => self.connections.push(connection),
            }
            self.epoll.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN, number as u64);
        }
    }

    fn serve(&mut self, number: usize, events: u32, buffer: &mut [u8]) {
        // One that was closed by an event of the same batch has no place any more.
        let Some(connection) = &mut self.connections[number] else { return };
        if events & libc::EPOLLOUT.cast_unsigned() != 0 && !connection.flush(&self.epoll, number) {
            return self.close(number);
        }
        if events & !libc::EPOLLOUT.cast_unsigned() == 0 {
            return;
        }
        let count = receive(&connection.stream, buffer);
        match usize::try_from(count) {
            Ok(0) => self.close(number),
            Ok(count) => self.take(number, &buffer[..count]),
            Err(_) if would_block() => {}
            Err(_) => self.close(number),
        }
    }

    /// Takes the lines of what was received, and keeps the part of one behind them.
    fn take(&mut self, number: usize, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            let Some(connection) = &mut self.connections[number] else { return };
            self.message.clear();
            if connection.name.is_empty() {
                connection.name = [&connection.input, line.trim_ascii()].concat();
                self.message.extend_from_slice(&connection.name);
                self.message.extend_from_slice(b" joined\n");
            } else {
                self.message.extend_from_slice(&connection.name);
                self.message.extend_from_slice(b": ");
                self.message.extend_from_slice(&connection.input);
                self.message.extend_from_slice(line);
            }
            connection.input.clear();
            self.broadcast(number);
        }
        if let (Some(connection), false) = (&mut self.connections[number], bytes.is_empty()) {
            connection.input.extend_from_slice(bytes);
        }
    }

    /// Sends the message to all but one.
    fn broadcast(&mut self, sender: usize) {
        for number in 0..self.connections.len() {
            let Some(connection) = &mut self.connections[number] else { continue };
            if number == sender || connection.name.is_empty() {
                continue;
            }
            if !connection.send(&self.epoll, number, &self.message) {
                self.close(number);
            }
        }
    }

    fn close(&mut self, number: usize) {
        // Closing a descriptor without a duplicate removes it from the epoll set.
        self.connections[number] = None;
        self.vacant.push(number);
    }
}

impl Connection {
    /// Sends a message behind what waits. Returns false if the connection failed or is too slow.
    fn send(&mut self, epoll: &Epoll, number: usize, message: &[u8]) -> bool {
        let sent = if self.pending.is_empty() { write(&self.stream, message) } else { 0 };
        let sent = match usize::try_from(sent) {
            Ok(count) if count == message.len() => return true,
            Ok(count) => count,
            Err(_) if would_block() => 0,
            Err(_) => return false,
        };
        if self.pending.is_empty() {
            self.watch(epoll, libc::EPOLLIN | libc::EPOLLOUT, number);
        }
        self.pending.extend_from_slice(&message[sent..]);
        self.pending.len() <= PENDING_MAX
    }

    /// Sends what waits. Returns false if the connection failed.
    fn flush(&mut self, epoll: &Epoll, number: usize) -> bool {
        let Ok(count) = usize::try_from(write(&self.stream, &self.pending)) else {
            return would_block();
        };
        self.pending.drain(..count);
        if self.pending.is_empty() {
            self.watch(epoll, libc::EPOLLIN, number);
        }
        true
    }

    fn watch(&self, epoll: &Epoll, events: i32, number: usize) {
        epoll.control(libc::EPOLL_CTL_MOD, self.stream.as_raw_fd(), events, number as u64);
    }
}

fn receive(stream: &TcpStream, buffer: &mut [u8]) -> isize {
    let place = buffer.as_mut_ptr().cast::<c_void>();
    // SAFETY: the buffer is valid for writes of its length.
    unsafe { libc::recv(stream.as_raw_fd(), place, buffer.len(), 0) }
}

fn write(stream: &TcpStream, bytes: &[u8]) -> isize {
    let place = bytes.as_ptr().cast::<c_void>();
    // SAFETY: the bytes are valid for reads of their length.
    unsafe { libc::send(stream.as_raw_fd(), place, bytes.len(), libc::MSG_NOSIGNAL) }
}

/// Returns whether the call that failed only had to wait.
fn would_block() -> bool {
    matches!(Error::last_os_error().kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
