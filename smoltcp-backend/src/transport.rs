//! The network as a transport: accepting, connecting, moving bytes, closing.

use core::net::SocketAddr;

use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind, Instant};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{self, ConnectError, RecvError, State};
use smoltcp::wire::IpEndpoint;

use crate::lifecycle::{self, ACK_DELAY};
use crate::slot::{Failure, Role};
use crate::socket::{HandleHalf, Kind};
use crate::source_state::SourceState;
use crate::{Network, Slot, Socket, time};

/// The first port of outgoing connections, and their number: the dynamic ports of RFC 6335.
const PORT_FIRST: u16 = 49_152;
const PORTS: u16 = 16_384;

impl<D: Device> Network<'_, D> {
    /// Returns a port that no socket of this network uses.
    fn free_port(&mut self) -> Option<u16> {
        if self.port_next == 0 {
            // A device that has restarted should not use the same ports again.
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
    fn issue(&mut self, index: usize, role: Role) -> Socket {
        let slot = &mut self.slots[index];
        slot.entry.begin_generation();
        let SourceState { generation, generation_high, .. } = slot.entry;
        let Slot { entry, handle, listener, .. } = *slot;
        *slot = Slot { entry, handle, listener, role, ..Slot::EMPTY };
        // `new` has checked that there are fewer than 65,535 sockets.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let half = HandleHalf { index: index as u16, generation_high, kind: Kind::Stream };
        Socket { generation, half }
    }

    /// Closes a listener, and resets the connections that it has not handed out.
    fn close_listener(&mut self, source: Socket) -> Result<(), Error> {
        self.entry(source)?.open = false;
        #[cfg(feature = "udp")]
        if let Some(handle) = self.listeners[usize::from(source.half.index)].udp.take() {
            self.sockets.get_mut::<smoltcp::socket::udp::Socket<'_>>(handle).close();
            return Ok(());
        }
        let number = usize::from(source.half.index) + 1;
        for slot in self.slots.iter_mut().filter(|slot| usize::from(slot.listener) == number) {
            slot.listener = 0;
            if slot.role == Role::Waiting {
                slot.role = Role::Closing;
                slot.timestamp = self.now;
                slot.arrival = 0;
            }
        }
        // Resets those whose time has passed, hence these.
        self.service_sockets(false);
        Ok(())
    }
}

/// Returns why a stream takes or gives no bytes: `WouldBlock` while the connection is pending, else
/// the reason why it is gone.
fn stream_error(slot: &Slot, socket: &tcp::Socket<'_>) -> Error {
    let kind = match (socket.state(), slot.failure) {
        (State::SynSent | State::SynReceived, _) => return Error::WOULD_BLOCK,
        (State::Closed, Failure::TimedOut) => ErrorKind::TimedOut,
        (State::Closed, _) if slot.role == Role::Connecting => ErrorKind::ConnectionRefused,
        (State::Closed, _) => ErrorKind::ConnectionReset,
        _ => ErrorKind::BrokenPipe,
    };
    kind.into()
}

/// Returns whether the peer's FIN was received, and all bytes before it.
fn has_ended(socket: &mut tcp::Socket<'_>) -> bool {
    lifecycle::has_fin(socket.state()) || socket.peek(0) == Err(RecvError::Finished)
}

impl<D: Device> Transport for Network<'_, D> {
    type Address = IpEndpoint;

    /// A socket's transmit buffer keeps what was written until it is acknowledged, and its receive
    /// buffer what was not read.
    const OWNS_BUFFERS: bool = true;

    const REPORTS_ROOM: bool = true;

    fn address(address: SocketAddr) -> Option<IpEndpoint> {
        match address {
            SocketAddr::V4(address) => Some(address.into()),
            #[cfg(feature = "proto-ipv6")]
            SocketAddr::V6(address) => Some(address.into()),
            #[cfg(not(feature = "proto-ipv6"))]
            SocketAddr::V6(_) => None,
        }
    }

    fn remote_address(&mut self, source: Socket) -> Option<SocketAddr> {
        self.remote_endpoint(source).ok().map(SocketAddr::from)
    }

    fn accept(&mut self, listener: Socket) -> Result<Socket, Error> {
        let number = self.listener(listener)?;
        match self.oldest_arrival(number) {
            Some(index) => Ok(self.issue(index, Role::Open)),
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
        Ok(self.issue(index, Role::Connecting))
    }

    fn connected(&mut self, source: Socket) -> Result<(), Error> {
        let (slot, socket) = self.stream(source)?;
        let pending_or_failed =
            matches!(socket.state(), State::SynSent | State::SynReceived | State::Closed);
        if slot.role == Role::Connecting && pending_or_failed {
            return Err(stream_error(slot, socket));
        }
        Ok(())
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
            State::Closed => Err(stream_error(slot, socket)),
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
        slot.left = u32::try_from(left).unwrap_or(u32::MAX);
    }

    fn write(&mut self, source: Socket, bytes: &[u8]) -> Result<usize, Error> {
        self.write_vectored(source, &[bytes])
    }

    fn write_vectored(&mut self, source: Socket, parts: &[&[u8]]) -> Result<usize, Error> {
        let now = self.now;
        let (slot, socket) = self.stream(source)?;
        let mut count = 0;
        for part in parts {
            let Ok(taken) = socket.send_slice(part) else {
                return Err(stream_error(slot, socket));
            };
            count += taken;
            if taken < part.len() {
                if count == 0 {
                    return Err(Error::WOULD_BLOCK);
                }
                break;
            }
        }
        slot.record_write(count, now);
        Ok(count)
    }

    fn check(&mut self, source: Socket) -> Result<(), Error> {
        let (slot, socket) = self.stream(source)?;
        if slot.failure == Failure::None { Ok(()) } else { Err(stream_error(slot, socket)) }
    }

    fn write_room(&mut self, source: Socket) -> usize {
        let Ok((slot, socket)) = self.stream(source) else { return 1 };
        let capacity = socket.send_capacity();
        if !socket.may_send() {
            let pending = matches!(socket.state(), State::SynSent | State::SynReceived);
            // Not 0 for a broken stream, so that the write is made and returns the error.
            return if pending { 0 } else { capacity };
        }
        let room = capacity - socket.send_queue();
        slot.room_declined = u32::try_from(room).unwrap_or(u32::MAX);
        room
    }

    fn unacknowledged_since(&mut self, source: Socket) -> Option<Instant> {
        let lag = self.lag;
        let (slot, _) = self.stream(source).ok()?;
        (slot.unacknowledged > 0).then(|| time::from_smoltcp(slot.timestamp + lag))
    }

    fn shutdown_write(&mut self, source: Socket) -> Result<(), Error> {
        let (slot, socket) = self.stream(source)?;
        match socket.state() {
            State::SynSent | State::SynReceived | State::Closed => Err(stream_error(slot, socket)),
            _ => {
                socket.close();
                slot.write_ended = true;
                Ok(())
            }
        }
    }

    fn close(&mut self, source: Socket, how: Close) -> Result<(), Error> {
        if source.half.kind == Kind::Listener {
            return self.close_listener(source);
        }
        let (now, close_timeout) = (self.now, self.close_timeout);
        let (slot, socket) = self.stream(source)?;
        match how {
            Close::Graceful => socket.close(),
            Close::Abort => socket.abort(),
        }
        // Later input is discarded, so no answer is worth delaying an acknowledgement for.
        socket.set_ack_delay(None);
        slot.entry.open = false;
        slot.role = Role::Closing;
        slot.timestamp = lifecycle::closing_deadline(socket, now, close_timeout);
        Ok(())
    }
}
