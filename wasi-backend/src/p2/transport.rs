//! Streams and listeners of WASI 0.2. `mod.rs` lists the quirks.

use core::net::SocketAddr;

use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind, Interest};

use super::streams::{State, Streams};
use super::{IoPoll, error};
use crate::p2::imports::{self, Handle, INVALID_STATE, StreamError};
use crate::shared::direction::Direction;
use crate::shared::socket_table::Socket;

impl IoPoll<'_> {
    /// Returns the source of a handle.
    #[inline]
    pub(super) fn streams(&mut self, source: Socket) -> Result<&mut Streams, Error> {
        self.list.sockets.get(source).map(|(_, entry)| &mut entry.platform)
    }

    /// Returns the connection of a handle.
    #[inline]
    fn connection(&mut self, source: Socket) -> Result<&mut Streams, Error> {
        let streams = self.streams(source)?;
        if streams.state == State::Connected {
            Ok(streams)
        } else {
            Err(Error::new(ErrorKind::NotConnected))
        }
    }

    /// Returns the connection, or the input stream, of a handle.
    #[inline]
    fn input(&mut self, source: Socket) -> Result<&mut Streams, Error> {
        let streams = self.streams(source)?;
        if matches!(streams.state, State::Connected | State::Input) {
            Ok(streams)
        } else {
            Err(Error::new(ErrorKind::NotConnected))
        }
    }

    /// Checks that there is room for another source.
    pub(super) fn check_room(&self) -> Result<(), Error> {
        if self.list.sockets.has_room() { Ok(()) } else { Err(Error::new(ErrorKind::Full)) }
    }

    /// Records the streams of a connection that was made, and watches them in place of the socket.
    fn open_streams(&mut self, source: Socket, [input, output]: [Handle; 2]) -> Result<(), Error> {
        let (slot, entry) = self.list.sockets.get(source)?;
        let positions = entry.positions;
        self.list.arm(slot, Interest::NONE);
        let streams = &mut self.list.sockets.at(slot).platform;
        streams.drop_pollables();
        *streams = Streams::connected([streams.socket, input, output]);
        let mut interest = Interest::NONE;
        for (position, each) in positions.into_iter().zip([Interest::READABLE, Interest::WRITABLE])
        {
            if position != 0 {
                interest |= each;
            }
        }
        self.list.arm(slot, interest);
        Ok(())
    }
}

impl Transport for IoPoll<'_> {
    type Address = SocketAddr;

    // `OWNS_BUFFERS` stays false, although the host keeps what the system does not take: with an
    // output buffer of its own, the server knows which peers take nothing, and closes those after
    // its stall timeout. It costs no more calls, since each write is asked for either way, and
    // memory only while a peer is behind.

    // readable-until-empty: reading again costs less than another poll.
    const READABLE_UNTIL_EMPTY: bool = true;

    fn address(address: SocketAddr) -> Option<SocketAddr> {
        Some(address)
    }

    fn remote_address(&mut self, source: Socket) -> Option<SocketAddr> {
        self.peer_address(source).ok()
    }

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        let &mut Streams { socket, state, .. } = self.streams(listener)?;
        if state != State::Listening {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        if !self.list.sockets.has_room() {
            // As at the descriptor limit of a process, the connection keeps waiting.
            return Err(Error::new(ErrorKind::OutOfDescriptors));
        }
        let accepted = imports::accept(socket).map_err(error::non_blocking)?;
        Ok(self.list.sockets.insert(Streams::connected(accepted)))
    }

    fn connect(&mut self, address: &SocketAddr) -> Result<Socket, Error> {
        self.check_room()?;
        let socket = imports::create_socket(address).map_err(error::error)?;
        match imports::start_connect(socket, address) {
            Ok(()) => Ok(self.list.sockets.insert(Streams::new(socket, State::Connecting))),
            Err(code) => {
                imports::drop_socket(socket);
                Err(error::error(code))
            }
        }
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        let &mut Streams { socket, state, .. } = self.streams(source)?;
        if state == State::Connecting {
            let streams = imports::finish_connect(socket).map_err(error::non_blocking)?;
            self.open_streams(source, streams)?;
        } else if state != State::Connected {
            return Err(Error::new(ErrorKind::NotConnected));
        }
        Ok(())
    }

    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        let streams = self.input(source)?;
        let (input, reported) = (streams.input, streams.take_reported(Direction::Read));
        if buffer.is_empty() {
            return Ok(0);
        }
        match imports::read(input, buffer) {
            Ok(0) => {
                self.ration.record_empty(reported);
                Err(Error::WOULD_BLOCK)
            }
            Ok(count) => Ok(count),
            Err(StreamError::Closed) => Ok(0),
            // no-reason: on an established connection this is a reset.
            Err(StreamError::Failed) => Err(Error::new(ErrorKind::ConnectionReset)),
        }
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        let streams = self.connection(source)?;
        let (output, reported) = (streams.output, streams.take_reported(Direction::Write));
        if bytes.is_empty() {
            return Ok(0);
        }
        let permit = imports::check_write(output).map_err(error::write_error)?;
        if permit == 0 {
            self.ration.record_empty(reported);
            return Err(Error::WOULD_BLOCK);
        }
        // excess-write: write no more than the host has allowed.
        let count = usize::try_from(permit).map_or(bytes.len(), |permit| permit.min(bytes.len()));
        imports::write(output, &bytes[..count]).map_err(error::write_error)?;
        Ok(count)
    }

    fn check(&mut self, source: Socket) -> Result<(), Error> {
        let &mut Streams { socket, output, is_shut_down, .. } = self.connection(source)?;
        if is_shut_down {
            return Ok(());
        }
        imports::check_write(output).map_err(error::write_error)?;
        // no-hangup: only an established connection has a remote address.
        match imports::check_remote_address(socket) {
            Err(INVALID_STATE) => Err(Error::new(ErrorKind::ConnectionReset)),
            // Another error is about the question, not about the connection.
            _ => Ok(()),
        }
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let &mut Streams { socket, output, .. } = self.connection(source)?;
        // host-buffers: the end must follow the bytes that the host still has.
        if imports::check_write(output) == Ok(0) {
            return Err(Error::WOULD_BLOCK);
        }
        imports::shutdown_send(socket).map_err(error::non_blocking)?;
        self.connection(source)?.is_shut_down = true;
        Ok(())
    }

    fn close(&mut self, source: Socket, _how: Close) -> Result<(), Error> {
        // no-reset: both kinds of closing are the same.
        self.list.unregister(source)?;
        self.close_source(source.slot());
        Ok(())
    }
}
