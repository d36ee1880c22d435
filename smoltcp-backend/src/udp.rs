//! Sockets of UDP as sources of the loop.

use core::net::SocketAddr;

use selkie_core::platform::{Datagram, Datagrams, Transport};
use selkie_core::{Error, ErrorKind, Interest, Readiness};
use smoltcp::iface::SocketHandle;
use smoltcp::phy::Device;
use smoltcp::socket::udp::{self, RecvError, SendError};

use crate::lifecycle::RESET_TIMEOUT;
use crate::socket::{HandleHalf, Kind};
use crate::source_state::SourceState;
use crate::{Network, Socket};

impl<'a, D: Device> Network<'a, D> {
    /// Makes a UDP socket of the program's own a source of the loop. It takes the place of a
    /// listener until it is closed, which also unbinds the socket.
    ///
    /// Messages leave in order, so one to a host that does not answer for its address holds up
    /// those behind it. When none has left for 3 seconds, the socket's messages are dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the socket is not bound,
    /// [`AddressInUse`](ErrorKind::AddressInUse) if it is a source already,
    /// [`Full`](ErrorKind::Full) if there is no place for a listener.
    ///
    /// # Panics
    ///
    /// As [`own_socket`](Self::own_socket).
    pub fn datagrams(&mut self, handle: SocketHandle) -> Result<Socket, Error> {
        if !self.sockets.get::<udp::Socket<'_>>(handle).is_open() {
            return Err(ErrorKind::InvalidInput.into());
        }
        if self.listeners.iter().any(|listener| listener.udp == Some(handle)) {
            return Err(ErrorKind::AddressInUse.into());
        }
        let index = self.listeners.iter().position(|listener| !listener.entry.open);
        let index = index.ok_or(Error::new(ErrorKind::Full))?;
        let listener = &mut self.listeners[index];
        listener.udp = Some(handle);
        listener.queued = 0;
        listener.endpoint = 0.into();
        listener.entry.begin_generation();
        let SourceState { generation, generation_high, .. } = listener.entry;
        // It fits, as `new` has checked.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let half = HandleHalf { index: index as u16, generation_high, kind: Kind::Listener };
        Ok(Socket { generation, half })
    }

    /// Gives up the messages of a socket that has sent none for some time.
    pub(crate) fn give_up_messages(&mut self) {
        for listener in self.listeners.iter_mut() {
            let Some(handle) = listener.udp else { continue };
            let socket = self.sockets.get_mut::<udp::Socket<'_>>(handle);
            if listener.queued == 0 {
                listener.sent = self.now;
            } else if self.now >= listener.sent + RESET_TIMEOUT {
                // message-needs-address: smoltcp removes none from the middle. What was received is
                // lost, too.
                let endpoint = socket.endpoint();
                socket.close();
                let _ = socket.bind(endpoint);
                listener.sent = self.now;
            }
            listener.queued = socket.send_queue();
        }
    }

    /// Records whether messages were sent.
    pub(crate) fn record_messages(&mut self) {
        for listener in self.listeners.iter_mut() {
            let Some(handle) = listener.udp else { continue };
            let queued = self.sockets.get::<udp::Socket<'_>>(handle).send_queue();
            if queued < listener.queued {
                listener.sent = self.now;
            }
            listener.queued = queued;
        }
    }

    /// Returns the UDP socket of a source.
    fn udp(&mut self, source: Socket) -> Result<&mut udp::Socket<'a>, Error> {
        self.entry(source)?;
        let listener = match source.half.kind {
            Kind::Listener => self.listeners.get(usize::from(source.half.index)),
            Kind::Stream => None,
        };
        let handle = listener.and_then(|listener| listener.udp);
        let handle = handle.ok_or(Error::new(ErrorKind::InvalidSource))?;
        Ok(self.sockets.get_mut(handle))
    }
}

/// Returns the readiness of a UDP socket, as far as `interest` asks for it.
pub(crate) fn readiness(socket: &udp::Socket<'_>, interest: Interest) -> Readiness {
    let mut readiness = Readiness::NONE;
    if interest.contains(Interest::READABLE) && socket.can_recv() {
        readiness |= Readiness::READABLE;
    }
    if interest.contains(Interest::WRITABLE) && socket.can_send() {
        readiness |= Readiness::WRITABLE;
    }
    readiness
}

impl<D: Device> Datagrams for Network<'_, D> {
    type Address = SocketAddr;

    fn receive_from(
        &mut self,
        source: Socket,
        buffer: &mut [u8],
    ) -> Result<Datagram<SocketAddr>, Error> {
        let (bytes, from) = self.udp(source)?.recv().map_err(|error| match error {
            RecvError::Exhausted => Error::WOULD_BLOCK,
            RecvError::Truncated => ErrorKind::InvalidInput.into(),
        })?;
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        let is_truncated = length < bytes.len();
        Ok(Datagram { length, is_truncated, sender: Some(from.endpoint.into()) })
    }

    fn send_to(&mut self, source: Socket, bytes: &[u8], address: &SocketAddr) -> Result<(), Error> {
        let socket = self.udp(source)?;
        if bytes.len() > socket.payload_send_capacity() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let address = Self::address(*address).ok_or(Error::new(ErrorKind::Unsupported))?;
        socket.send_slice(bytes, address).map_err(|error| match error {
            SendError::BufferFull => Error::WOULD_BLOCK,
            SendError::Unaddressable => ErrorKind::Unreachable.into(),
        })
    }
}
