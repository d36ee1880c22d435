//! The network as a transport: accepting, connecting, moving bytes, closing.

use selkie_core::{Close, Error, ErrorKind, Transport};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{self, ConnectError, RecvError, State};
use smoltcp::wire::IpEndpoint;

use crate::life::ACK_DELAY;
use crate::slot::Role;
use crate::socket::Kind;
use crate::{Network, Slot, Socket};

/// The range that the ports of outgoing connections are taken from: the dynamic ports of RFC 6335.
const PORT_FIRST: u16 = 49_152;
const PORTS: u16 = 16_384;

impl<D: Device> Network<'_, D> {
    /// A port that no socket here uses.
    fn free_port(&mut self) -> Option<u16> {
        if self.port_next == 0 {
            // A device that has restarted should not begin with the port that it began with last
            // time.
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "any bits of the time do"
            )]
            let start = (self.now.total_micros() >> 6) as u16;
            self.port_next = start;
        }
        for _ in 0..PORTS {
            self.port_next = self.port_next.wrapping_add(1);
            let port = PORT_FIRST + self.port_next % PORTS;
            let uses = |socket: &tcp::Socket<'_>| {
                socket.local_endpoint().is_some_and(|local| local.port == port)
            };
            if !self
                .slots
                .iter()
                .any(|slot| uses(self.sockets.get(slot.handle.unwrap_or_default())))
            {
                return Some(port);
            }
        }
        None
    }

    /// Issues the handle of a stream.
    fn open(&mut self, index: usize) -> Socket {
        let slot = &mut self.slots[index];
        slot.entry.open();
        slot.role = Role::Open;
        slot.arrival = 0;
        slot.left = 0;
        Socket::new(Kind::Stream, index, &slot.entry)
    }

    /// Closes a listener, and resets the connections that it has not handed out.
    fn close_listener(&mut self, source: Socket) -> Result<(), Error> {
        self.entry(source)?.open = false;
        let number = usize::from(source.place.index) + 1;
        for slot in self.slots.iter_mut().filter(|slot| usize::from(slot.listener) == number) {
            slot.listener = 0;
            if slot.role == Role::Waiting {
                slot.role = Role::Closing;
                slot.deadline = self.now;
                slot.arrival = 0;
            }
        }
        // Resets those whose time has come, hence these.
        self.tend(false);
        Ok(())
    }
}

/// What a stream answers that takes or gives no bytes: wait while the connection is under way, else
/// why it is gone.
fn gone(slot: &Slot, socket: &tcp::Socket<'_>) -> Error {
    match socket.state() {
        State::SynSent | State::SynReceived => Error::WOULD_BLOCK,
        State::Closed if slot.role == Role::Connecting => ErrorKind::ConnectionRefused.into(),
        State::Closed => ErrorKind::ConnectionReset.into(),
        _ => ErrorKind::BrokenPipe.into(),
    }
}

/// Whether the peer has ended its stream, and all that came before it is in the socket.
fn has_ended(socket: &mut tcp::Socket<'_>) -> bool {
    matches!(socket.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait)
        || socket.peek(0) == Err(RecvError::Finished)
}

impl<D: Device> Transport for Network<'_, D> {
    type Address = IpEndpoint;

    /// A socket's transmit buffer keeps what was written until it is acknowledged, and its receive
    /// buffer what was not read.
    const OWNS_BUFFERS: bool = true;

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        let number = self.listener(listener)?;
        match self.oldest_arrival(number) {
            Some(index) => Ok(self.open(index)),
            None => Err(Error::WOULD_BLOCK),
        }
    }

    /// Takes a socket that belongs to no listener.
    fn connect(&mut self, address: &IpEndpoint) -> Result<Socket, Error> {
        let index =
            self.slots.iter().position(|slot| slot.role == Role::Free).ok_or(ErrorKind::Full)?;
        let port = self.free_port().ok_or(ErrorKind::Full)?;
        let socket =
            self.sockets.get_mut::<tcp::Socket<'_>>(self.slots[index].handle.unwrap_or_default());
        socket.connect(self.interface.context(), *address, port).map_err(|error| match error {
            ConnectError::InvalidState => ErrorKind::Full,
            ConnectError::Unaddressable => ErrorKind::Unreachable,
        })?;
        socket.set_timeout(Some(self.connect_timeout));
        socket.set_ack_delay(Some(ACK_DELAY));
        let source = self.open(index);
        let slot = &mut self.slots[index];
        slot.role = Role::Connecting;
        slot.deadline = self.now + self.connect_timeout;
        Ok(source)
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        let now = self.now;
        let (slot, socket) = self.stream(source)?;
        if slot.role != Role::Connecting
            || !matches!(socket.state(), State::SynSent | State::SynReceived | State::Closed)
        {
            return Ok(());
        }
        if socket.state() == State::Closed && slot.deadline <= now {
            return Err(ErrorKind::TimedOut.into());
        }
        Err(gone(slot, socket))
    }

    fn read(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        self.consume(source, 0, 0);
        let count = self.peek(source, buffer)?;
        self.consume(source, count, 0);
        Ok(count)
    }

    fn peek(&mut self, source: Socket, buffer: &mut [u8]) -> Result<usize, Error> {
        let (slot, socket) = self.stream(source)?;
        if slot.has_more(socket) {
            return Ok(socket.peek_slice(buffer).unwrap_or(0));
        }
        if slot.role == Role::Ended || has_ended(socket) {
            slot.role = Role::Ended;
            return Ok(0);
        }
        match socket.state() {
            State::Closed => Err(gone(slot, socket)),
            _ => Err(Error::WOULD_BLOCK),
        }
    }

    fn consume(&mut self, source: Socket, count: usize, left: usize) {
        let Ok((slot, socket)) = self.stream(source) else { return };
        let mut rest = count;
        // A ring has at most two pieces.
        for _ in 0..2 {
            let take = |front: &mut [u8]| {
                let taken = rest.min(front.len());
                (taken, taken)
            };
            rest -= socket.recv(take).unwrap_or(0);
        }
        slot.left = left;
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        let (slot, socket) = self.stream(source)?;
        match socket.send_slice(bytes) {
            Ok(0) if !bytes.is_empty() => Err(Error::WOULD_BLOCK),
            Ok(count) => Ok(count),
            Err(_) => Err(gone(slot, socket)),
        }
    }

    fn write_room(&mut self, source: Socket) -> usize {
        match self.stream(source) {
            Ok((_, socket)) if socket.may_send() => socket.send_capacity() - socket.send_queue(),
            Ok((_, socket)) if matches!(socket.state(), State::SynSent | State::SynReceived) => 0,
            // Not 0, so that the write is made and tells.
            Ok((_, socket)) => socket.send_capacity(),
            Err(_) => 1,
        }
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let (slot, socket) = self.stream(source)?;
        match socket.state() {
            State::SynSent | State::SynReceived | State::Closed => Err(gone(slot, socket)),
            _ => {
                socket.close();
                Ok(())
            }
        }
    }

    fn close(&mut self, source: Socket, how: Close) -> Result<(), Error> {
        if source.place.kind == Kind::Listener {
            return self.close_listener(source);
        }
        let deadline = self.now + self.close_timeout;
        let (slot, socket) = self.stream(source)?;
        match how {
            Close::Graceful => socket.close(),
            Close::Abort => socket.abort(),
        }
        // What still comes is thrown away, so no answer is worth waiting for.
        socket.set_ack_delay(None);
        slot.entry.open = false;
        slot.role = Role::Closing;
        slot.deadline = deadline;
        Ok(())
    }
}
