//! Opening and closing sockets of `wasi:sockets` 0.3. `mod.rs` lists the quirks.

use core::net::SocketAddr;

use selkie_core::{Error, ErrorKind};

use super::WaitableSet;
use super::abi;
use super::address::{self, Returned};
use super::endpoint::{Endpoint, Kind, Side, State};
use crate::shared::direction::Direction;
use crate::shared::socket_table::Socket;

impl WaitableSet {
    /// Opens a TCP listener at `address`. Port 0 means a free port, which
    /// [`local_address`](Self::local_address) returns. Up to `backlog` connections wait to be
    /// accepted, or fewer where the host has a lower limit. An IPv6 address takes IPv6 connections
    /// only, since hosts set `IPV6_V6ONLY`.
    ///
    /// # Errors
    ///
    /// [`AddressInUse`](ErrorKind::AddressInUse),
    /// [`AddressUnavailable`](ErrorKind::AddressUnavailable),
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if the host gives no network,
    /// [`Full`](ErrorKind::Full), and other errors of the host.
    pub fn listen(&mut self, address: SocketAddr, backlog: u32) -> Result<Socket, Error> {
        if !self.endpoints.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        let socket = create(&address)?;
        let stream =
            listening(socket, &address, backlog).inspect_err(|_| abi::socket_drop(socket))?;
        let (source, slot) = self.add(Kind::Listener, socket);
        self.endpoints.at(slot).platform.side(Direction::Read).end = stream;
        self.record_owner(stream, slot, Direction::Read);
        Ok(source)
    }

    /// Returns the address of this end of a socket.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale), [`InvalidInput`](ErrorKind::InvalidInput) for a source without
    /// an address, and errors of the host.
    pub fn local_address(&mut self, socket: Socket) -> Result<SocketAddr, Error> {
        let &mut Endpoint { socket, functions, .. } = &mut self.endpoints.get(socket)?.1.platform;
        if let Some(functions) = functions {
            return (functions.local_address)(socket);
        }
        let mut returned = Returned::EMPTY;
        // SAFETY: the place for the result is as large as the result.
        unsafe { abi::socket_local_address(socket, &raw mut returned) };
        returned.address()
    }

    /// Returns the address of the other end of a connection.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale), [`NotConnected`](ErrorKind::NotConnected), and errors of the
    /// host.
    pub fn peer_address(&mut self, socket: Socket) -> Result<SocketAddr, Error> {
        let endpoint = &self.endpoints.get(socket)?.1.platform;
        if endpoint.functions.is_some() {
            return Err(Error::new(ErrorKind::NotConnected));
        }
        remote_address(endpoint.socket)
    }

    /// Adds a socket, and returns its handle and its place.
    pub(super) fn add(&mut self, kind: Kind, socket: u32) -> (Socket, usize) {
        let source = self.endpoints.insert(Endpoint::VACANT);
        let endpoint = &mut self.endpoints.at(source.slot()).platform;
        (endpoint.kind, endpoint.socket) = (kind, socket);
        (source, source.slot())
    }

    /// Adds a connected socket, and opens its streams.
    pub(super) fn add_stream(&mut self, socket: u32) -> Result<Socket, Error> {
        let (source, slot) = self.add(Kind::Stream, socket);
        self.open_streams(slot);
        // A connection that failed before it was accepted is at its end at once.
        self.request_readiness(slot, Direction::Read);
        if let Some(error) = self.endpoints.at(slot).platform.side(Direction::Read).error {
            self.release(slot);
            return Err(error);
        }
        Ok(source)
    }

    /// Opens both streams of a connected socket.
    fn open_streams(&mut self, slot: usize) {
        let endpoint = &mut self.endpoints.at(slot).platform;
        endpoint.kind = Kind::Stream;
        let mut received = [0; 2];
        // SAFETY: there is room for two handles.
        unsafe { abi::socket_receive(endpoint.socket, &raw mut received) };
        let ends = abi::stream_new();
        #[expect(clippy::cast_possible_truncation, reason = "the halves are the two ends")]
        let (readable, writable) = (ends as u32, (ends >> 32) as u32);
        let sent = abi::socket_send(endpoint.socket, readable);
        endpoint.sides = [Side::new(received[0], received[1]), Side::new(writable, sent)];
        self.record_owner(received[0], slot, Direction::Read);
        self.record_owner(writable, slot, Direction::Write);
    }

    /// Finishes a connection attempt that has returned.
    pub(super) fn finish_attempt(&mut self, slot: usize) {
        let subtask = self.endpoints.at(slot).platform.side(Direction::Write).end;
        if subtask != 0 {
            self.owners.remove(subtask);
            abi::subtask_drop(subtask);
        }
        match self.read_aheads[slot].result() {
            Ok(()) => self.open_streams(slot),
            Err(error) => {
                let endpoint = &mut self.endpoints.at(slot).platform;
                endpoint.kind = Kind::Failed;
                endpoint.sides =
                    [Side { error: Some(error), state: State::Ended, ..Side::NONE }; 2];
            }
        }
    }

    /// Closes the source at a place, if there is one. cancel-in-set, end-is-final: first the
    /// operations in flight, then the streams, then the socket.
    pub(super) fn release(&mut self, slot: usize) {
        let Some(source) = self.endpoints.find(slot) else { return };
        let Endpoint { kind, functions, socket, .. } = source.platform;
        self.queue.remove(&mut self.endpoints, slot);
        match functions {
            Some(functions) => (functions.release)(self, slot),
            None => self.release_socket(slot, kind, socket),
        }
        self.endpoints.at(slot).platform.kind = Kind::Vacant;
        self.endpoints.vacate(slot);
    }

    /// Closes a TCP socket and its streams.
    fn release_socket(&mut self, slot: usize, kind: Kind, socket: u32) {
        if kind == Kind::Attempt {
            self.cancel_call(slot, Direction::Write);
            self.endpoints.at(slot).platform.sides = [Side::NONE; 2];
        }
        for direction in Direction::BOTH {
            self.cancel_operation(slot, direction);
            let side = *self.endpoints.at(slot).platform.side(direction);
            if side.end != 0 {
                self.owners.remove(side.end);
                match (kind, direction) {
                    (Kind::Listener, _) => {
                        if side.state == State::Ready {
                            abi::socket_drop(self.read_aheads[slot].socket());
                        }
                        abi::accept_drop(side.end);
                    }
                    (_, Direction::Read) => abi::stream_drop_readable(side.end),
                    (_, Direction::Write) => abi::stream_drop_writable(side.end),
                }
            }
            if side.result != 0 {
                abi::result_drop(side.result);
            }
        }
        abi::socket_drop(socket);
    }
}

/// Returns the remote address of a socket.
pub(super) fn remote_address(socket: u32) -> Result<SocketAddr, Error> {
    ask_remote_address(socket).address()
}

/// Asks for the remote address of a socket, and returns only the error.
pub(super) fn check_remote_address(socket: u32) -> Result<(), Error> {
    ask_remote_address(socket).check()
}

fn ask_remote_address(socket: u32) -> Returned {
    let mut returned = Returned::EMPTY;
    // SAFETY: the place for the result is as large as the result.
    unsafe { abi::socket_remote_address(socket, &raw mut returned) };
    returned
}

/// Creates a socket of the family of an address.
pub(super) fn create(address: &SocketAddr) -> Result<u32, Error> {
    let mut returned = Returned::EMPTY;
    // SAFETY: the place for the result is large enough.
    unsafe { abi::socket_create(address::family(address), &raw mut returned) };
    returned.handle()
}

/// Binds a socket and makes it listen. Returns the stream of its connections.
fn listening(socket: u32, address: &SocketAddr, backlog: u32) -> Result<u32, Error> {
    let mut returned = Returned::EMPTY;
    let place = &raw mut returned;
    let [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10] = address::parts(address);
    let (version, port) = (address::family(address), u32::from(address.port()));
    // SAFETY: the place for the result is large enough, in each of the calls.
    unsafe {
        abi::socket_bind(socket, version, port, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, place);
    };
    returned.check()?;
    // SAFETY: as above.
    unsafe { abi::socket_set_backlog(socket, u64::from(backlog.max(1)), place) };
    returned.check()?;
    // SAFETY: as above.
    unsafe { abi::socket_listen(socket, place) };
    returned.handle()
}
