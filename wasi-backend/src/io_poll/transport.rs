//! Streams and listeners on WASI 0.2. The quirks are those of `mod.rs`.

use core::net::SocketAddr;

use selkie_core::{Close, Error, ErrorKind, Interest, Transport};

use super::streams::{State, Streams};
use super::{IoPoll, error_code};
use crate::direction::Direction;
use crate::handles::Socket;
use crate::imports::{self, Handle, StreamError};

impl IoPoll<'_> {
    /// What a handle names.
    #[inline]
    pub(super) fn streams(&mut self, source: Socket) -> Result<&mut Streams, Error> {
        self.watched.handles.get(source).map(|(_, entry)| &mut entry.platform)
    }

    /// The same, if it has streams.
    #[inline]
    fn connection(&mut self, source: Socket) -> Result<&mut Streams, Error> {
        let streams = self.streams(source)?;
        if streams.state == State::Connected {
            Ok(streams)
        } else {
            Err(Error::new(ErrorKind::NotConnected))
        }
    }

    pub(super) fn has_room_for_another(&self) -> Result<(), Error> {
        if self.watched.handles.has_room() { Ok(()) } else { Err(Error::new(ErrorKind::Full)) }
    }

    /// Gives a connection that came about its streams, and waits for those instead.
    fn establish(&mut self, source: Socket, [input, output]: [Handle; 2]) -> Result<(), Error> {
        let (slot, entry) = self.watched.handles.get(source)?;
        let positions = entry.positions;
        self.watched.arm(slot, Interest::NONE);
        let streams = &mut self.watched.handles.at(slot).platform;
        streams.drop_pollables();
        *streams = Streams::connected([streams.socket, input, output]);
        let mut interest = Interest::NONE;
        for (position, each) in positions.into_iter().zip([Interest::READABLE, Interest::WRITABLE])
        {
            if position != 0 {
                interest |= each;
            }
        }
        self.watched.arm(slot, interest);
        Ok(())
    }
}

impl Transport for IoPoll<'_> {
    type Address = SocketAddr;

    // `OWNS_BUFFERS` stays false, although the host keeps what the system does not take: with an
    // outbox of its own, the server knows which peers take nothing, and closes those after its
    // stall timeout. It costs no more calls, since each write is asked for either way, and
    // memory only while a peer is behind.

    // (h)
    const READABLE_UNTIL_EMPTY: bool = true;

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        let socket = self.streams(listener)?.socket;
        if !self.watched.handles.has_room() {
            // As at the limit of the host, the connection keeps waiting.
            return Err(Error::new(ErrorKind::OutOfDescriptors));
        }
        let accepted = imports::accept(socket).map_err(error_code::non_blocking)?;
        Ok(self.watched.handles.insert(Streams::connected(accepted)))
    }

    fn connect(&mut self, address: &SocketAddr) -> Result<Socket, Error> {
        self.has_room_for_another()?;
        let socket = imports::create_socket(address).map_err(error_code::error)?;
        match imports::start_connect(socket, address) {
            Ok(()) => Ok(self.watched.handles.insert(Streams::new(socket, State::Connecting))),
            Err(code) => {
                imports::drop_socket(socket);
                Err(error_code::error(code))
            }
        }
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        let &mut Streams { socket, state, .. } = self.streams(source)?;
        if state == State::Connecting {
            let streams = imports::finish_connect(socket).map_err(error_code::non_blocking)?;
            self.establish(source, streams)?;
        } else if state != State::Connected {
            return Err(Error::new(ErrorKind::NotConnected));
        }
        Ok(())
    }

    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        let streams = self.connection(source)?;
        let (input, promised) = (streams.input, streams.take_promise(Direction::Read));
        if buffer.is_empty() {
            return Ok(0);
        }
        match imports::read(input, buffer) {
            Ok(0) => {
                self.ration.found_nothing(promised);
                Err(Error::WOULD_BLOCK)
            }
            Ok(count) => Ok(count),
            Err(StreamError::Closed) => Ok(0),
            // (e)
            Err(StreamError::Failed) => Err(Error::new(ErrorKind::ConnectionReset)),
        }
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        let streams = self.connection(source)?;
        let (output, promised) = (streams.output, streams.take_promise(Direction::Write));
        if bytes.is_empty() {
            return Ok(0);
        }
        self.ration.wrote();
        let permit = imports::check_write(output).map_err(error_code::write_error)?;
        if permit == 0 {
            self.ration.found_nothing(promised);
            return Err(Error::WOULD_BLOCK);
        }
        // (a)
        let count = usize::try_from(permit).map_or(bytes.len(), |permit| permit.min(bytes.len()));
        imports::write(output, &bytes[..count]).map_err(error_code::write_error)?;
        Ok(count)
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let &mut Streams { socket, output, .. } = self.connection(source)?;
        // The end comes after what was written, which may still be with the host. (d)
        if imports::check_write(output) == Ok(0) {
            return Err(Error::WOULD_BLOCK);
        }
        imports::shutdown_send(socket).map_err(error_code::non_blocking)
    }

    fn close(&mut self, source: Socket, _how: Close) -> Result<(), Error> {
        // (f)
        self.watched.forget(source)?;
        self.retire(source.slot());
        Ok(())
    }
}
