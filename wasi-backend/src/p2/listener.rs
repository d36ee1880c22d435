//! Listening, and addresses. `mod.rs` lists the quirks.

use core::net::SocketAddr;

use selkie_core::{Error, ErrorKind};

use super::streams::{State, Streams};
use super::{IoPoll, error};
use crate::p2::imports::{self, ErrorCode, Handle, WOULD_BLOCK};
use crate::shared::socket_table::Socket;

impl IoPoll<'_> {
    /// Opens a TCP listener at `address`. Port 0 means a free port, which
    /// [`local_address`](Self::local_address) returns. Up to `backlog` connections wait to be
    /// accepted, or fewer where the host has a lower limit. An IPv6 address takes IPv6 connections
    /// only, since hosts set `IPV6_V6ONLY`.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if the host does not let the program
    /// listen there, [`AddressInUse`](ErrorKind::AddressInUse),
    /// [`AddressUnavailable`](ErrorKind::AddressUnavailable), [`Full`](ErrorKind::Full), and other
    /// errors of the host.
    pub fn listen(&mut self, address: SocketAddr, backlog: u32) -> Result<Socket, Error> {
        self.check_room()?;
        let socket = imports::create_socket(&address).map_err(error::error)?;
        match self.open_listener(socket, &address, backlog) {
            Ok(()) => Ok(self.list.sockets.insert(Streams::new(socket, State::Listening))),
            Err(code) => {
                imports::drop_socket(socket);
                Err(error::error(code))
            }
        }
    }

    /// Binds a socket and makes it listen.
    fn open_listener(
        &mut self,
        socket: Handle,
        address: &SocketAddr,
        backlog: u32,
    ) -> Result<(), ErrorCode> {
        imports::start_bind(socket, address)?;
        self.finish(socket, imports::socket_subscribe, imports::finish_bind)?;
        // A host that cannot set it has a backlog of its own.
        let _ = imports::set_backlog(socket, u64::from(backlog.max(1)));
        imports::start_listen(socket)?;
        self.finish(socket, imports::socket_subscribe, imports::finish_listen)
    }

    /// Blocks until an operation on a socket is finished, which is at once on hosts with sockets of
    /// an operating system.
    pub(super) fn finish(
        &mut self,
        socket: Handle,
        subscribe: extern "C" fn(Handle) -> Handle,
        finish: fn(Handle) -> Result<(), ErrorCode>,
    ) -> Result<(), ErrorCode> {
        loop {
            match finish(socket) {
                Err(WOULD_BLOCK) => self.block_on(subscribe(socket)),
                result => return result,
            }
        }
    }

    /// Returns the address of this end of a socket.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale), [`InvalidInput`](ErrorKind::InvalidInput) for a source without
    /// an address, and errors of the host.
    pub fn local_address(&mut self, source: Socket) -> Result<SocketAddr, Error> {
        let &mut Streams { socket, kind, .. } = self.streams(source)?;
        let Some(kind) = kind else { return imports::local_address(socket).map_err(error::error) };
        let address = kind.local_address.ok_or(Error::new(ErrorKind::InvalidInput))?;
        address(socket).map_err(error::error)
    }

    /// Returns the address of the other end of a connection.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale), [`NotConnected`](ErrorKind::NotConnected), and errors of the
    /// host.
    pub fn peer_address(&mut self, source: Socket) -> Result<SocketAddr, Error> {
        let &mut Streams { socket, kind, .. } = self.streams(source)?;
        if kind.is_some() {
            return Err(Error::new(ErrorKind::NotConnected));
        }
        imports::remote_address(socket).map_err(error::error)
    }
}
