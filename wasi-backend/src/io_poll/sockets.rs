//! Opening listeners, and asking for addresses. The quirks are those of `mod.rs`.

use core::net::SocketAddr;

use selkie_core::Error;
#[cfg(doc)]
use selkie_core::ErrorKind;

use super::streams::{State, Streams};
use super::{IoPoll, error_code};
use crate::handles::Socket;
use crate::imports::{self, ErrorCode, Handle, WOULD_BLOCK};

impl IoPoll<'_> {
    /// Opens a TCP listener at `address`; port 0 asks the host for a free one, which
    /// [`local_address`](Self::local_address) tells. About `backlog` connections wait to be
    /// accepted, or as many as the host allows.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if the host does not let the program
    /// listen there, [`AddressInUse`](ErrorKind::AddressInUse),
    /// [`AddressUnavailable`](ErrorKind::AddressUnavailable), [`Full`](ErrorKind::Full), and
    /// what the host says otherwise.
    pub fn listen(&mut self, address: SocketAddr, backlog: u32) -> Result<Socket, Error> {
        self.has_room_for_another()?;
        let socket = imports::create_socket(&address).map_err(error_code::error)?;
        match self.open_listener(socket, &address, backlog) {
            Ok(()) => Ok(self.watched.handles.insert(Streams::new(socket, State::Listening))),
            Err(code) => {
                imports::drop_socket(socket);
                Err(error_code::error(code))
            }
        }
    }

    fn open_listener(
        &mut self,
        socket: Handle,
        address: &SocketAddr,
        backlog: u32,
    ) -> Result<(), ErrorCode> {
        imports::start_bind(socket, address)?;
        self.finish(socket, imports::finish_bind)?;
        // A host that cannot choose has a backlog all the same.
        let _ = imports::set_backlog(socket, u64::from(backlog.max(1)));
        imports::start_listen(socket)?;
        self.finish(socket, imports::finish_listen)
    }

    /// Waits for an operation on a socket, which the system does at once where a host has one.
    fn finish(
        &mut self,
        socket: Handle,
        finish: fn(Handle) -> Result<(), ErrorCode>,
    ) -> Result<(), ErrorCode> {
        loop {
            match finish(socket) {
                Err(WOULD_BLOCK) => self.block_on(imports::socket_subscribe(socket)),
                result => return result,
            }
        }
    }

    /// The address of this end of a socket.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale), and what the host says.
    pub fn local_address(&mut self, source: Socket) -> Result<SocketAddr, Error> {
        imports::local_address(self.streams(source)?.socket).map_err(error_code::error)
    }

    /// The address of the other end of a connection.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale), [`NotConnected`](ErrorKind::NotConnected), and what the host
    /// says.
    pub fn peer_address(&mut self, source: Socket) -> Result<SocketAddr, Error> {
        imports::remote_address(self.streams(source)?.socket).map_err(error_code::error)
    }
}
