//! mio, as its examples use it: connections in a table, the token is the position there.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use mio::net::TcpStream;
use mio::wasi::SourceFd;
use mio::{Events, Interest, Poll, Token};
use round_trip_guests::{READ_MAX, address};

const LISTENER: Token = Token(usize::MAX);
/// The most events of one wait: as many as the server of the library has room for.
const BATCH: usize = 512;

fn main() -> Result<()> {
    // On WASI mio's own listener fails every accept with EINVAL; the standard library's does not.
    let listener = TcpListener::bind(address())?;
    listener.set_nonblocking(true)?;
    println!("listening on {} (mio)", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&listener.as_raw_fd()), LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(BATCH);
    let mut buffer = vec![0; READ_MAX];
    let mut connections: Vec<Option<Connection>> = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let token = event.token();
            if token == LISTENER {
                accept(&poll, &listener, &mut connections)?;
                poll.registry().reregister(
                    &mut SourceFd(&listener.as_raw_fd()),
                    LISTENER,
                    Interest::READABLE,
                )?;
                continue;
            }
            let Some(place) = connections.get_mut(token.0) else { continue };
            let Some(connection) = place else { continue };
            let pending_before = !connection.pending.is_empty();
            if connection.serve(&mut buffer).is_err() {
                poll.registry().deregister(&mut connection.stream)?;
                *place = None;
            } else if pending_before == connection.pending.is_empty() {
                let interest = if pending_before { Interest::READABLE } else { Interest::WRITABLE };
                poll.registry().reregister(&mut connection.stream, token, interest)?;
            }
        }
    }
}

/// Takes all waiting connections, as an edge is told once.
fn accept(
    poll: &Poll,
    listener: &TcpListener,
    connections: &mut Vec<Option<Connection>>,
) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                let vacant =
                    connections.iter().position(Option::is_none).unwrap_or(connections.len());
                poll.registry().register(&mut stream, Token(vacant), Interest::READABLE)?;
                let connection = Some(Connection { stream, pending: Vec::new() });
                match connections.get_mut(vacant) {
                    Some(place) => *place = connection,
                    None => connections.push(connection),
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// A stream, and the bytes that it did not take.
struct Connection {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl Connection {
    /// Sends what is pending, then echoes until the stream has nothing more. An error is the end of
    /// the connection, as is the end of what the peer sends.
    fn serve(&mut self, buffer: &mut [u8]) -> Result<()> {
        while !self.pending.is_empty() {
            match self.stream.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let written = match self.stream.write(&buffer[..count]) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            self.pending.extend_from_slice(&buffer[written..count]);
            // On WASI only a read that finds nothing makes mio wait for the stream again: one that
            // does not fill the buffer is not enough, as it is with epoll.
            if !self.pending.is_empty() {
                return Ok(());
            }
        }
    }
}
