//! UDP sockets. `mod.rs` lists the quirks.

use core::net::SocketAddr;

use selkie_core::Error;
#[cfg(doc)]
use selkie_core::ErrorKind;
use selkie_core::platform::{Datagram, Datagrams};

use super::streams::{Kind, State, Streams};
use super::{IoPoll, error};
use crate::p2::imports::{ErrorCode, Handle, udp};
use crate::shared::pages::new_page;
use crate::shared::socket_table::Socket;

static UDP: Kind = Kind {
    drop_handles: |streams| {
        // child-first: streams, then the socket.
        udp::drop_incoming(streams.input);
        udp::drop_outgoing(streams.output);
        udp::drop_socket(streams.socket);
    },
    local_address: Some(udp::local_address),
};

impl IoPoll<'_> {
    /// Opens a UDP socket at `address`. Port 0 means a free port, which
    /// [`local_address`](Self::local_address) returns. The first one takes a page of memory for
    /// messages.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen), and [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn bind_udp(&mut self, address: SocketAddr) -> Result<Socket, Error> {
        self.check_room()?;
        if self.message.is_empty() {
            self.message = new_page()?;
        }
        let socket = udp::create_socket(&address).map_err(error::error)?;
        match self.open_udp(socket, &address) {
            Ok(streams) => Ok(self.list.sockets.insert(streams)),
            Err(code) => {
                udp::drop_socket(socket);
                Err(error::error(code))
            }
        }
    }

    /// Binds a socket and opens its streams.
    fn open_udp(&mut self, socket: Handle, address: &SocketAddr) -> Result<Streams, ErrorCode> {
        udp::start_bind(socket, address)?;
        self.finish(socket, udp::subscribe, udp::finish_bind)?;
        let [incoming, outgoing] = udp::streams(socket)?;
        let pollables = [udp::incoming_subscribe(incoming), udp::outgoing_subscribe(outgoing)];
        Ok(Streams::other(&UDP, State::Other, [socket, incoming, outgoing], pollables))
    }

    /// Returns the streams of a UDP socket.
    fn udp(&mut self, source: Socket) -> Result<[Handle; 2], Error> {
        self.of_kind(source, &UDP).map(|streams| [streams.input, streams.output])
    }
}

impl Datagrams for IoPoll<'_> {
    type Address = SocketAddr;

    fn receive_from(
        &mut self,
        source: Socket,
        buffer: &mut [u8],
    ) -> Result<Datagram<SocketAddr>, Error> {
        let [incoming, _] = self.udp(source)?;
        let received = udp::receive(incoming, self.message).map_err(error::non_blocking)?;
        let (received, sender) = received.ok_or(Error::WOULD_BLOCK)?;
        let length = received.min(buffer.len());
        buffer[..length].copy_from_slice(&self.message[..length]);
        Ok(Datagram { length, is_truncated: length < received, sender: Some(sender) })
    }

    fn send_to(&mut self, source: Socket, bytes: &[u8], address: &SocketAddr) -> Result<(), Error> {
        let [_, outgoing] = self.udp(source)?;
        if udp::check_send(outgoing).map_err(error::non_blocking)? == 0 {
            return Err(Error::WOULD_BLOCK);
        }
        match udp::send(outgoing, bytes, address).map_err(error::non_blocking)? {
            0 => Err(Error::WOULD_BLOCK),
            _ => Ok(()),
        }
    }
}
