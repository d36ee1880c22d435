//! `wasi:sockets/udp`.

use core::net::SocketAddr;

use super::Handle;
use super::address::{RawAddress, RawSocketAddress};
use super::tcp::{Done, ErrorCode, RawHandles, with_address};
use crate::p2::arena;

/// `incoming-datagram`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawIncoming {
    start: usize,
    len: usize,
    sender: RawSocketAddress,
}

/// `outgoing-datagram`.
#[repr(C)]
struct RawOutgoing {
    start: *const u8,
    len: usize,
    has_receiver: [u8; 4],
    receiver: RawSocketAddress,
}

/// `result<list<incoming-datagram>, error-code>`; an error is in the first byte of the start.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawReceived {
    is_error: u8,
    start: usize,
    len: usize,
}

/// `result<u64, error-code>`; an error is in the first byte of the number.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawCount {
    is_error: u8,
    count: u64,
}

impl RawCount {
    fn result(self) -> Result<u64, ErrorCode> {
        if self.is_error == 0 { Ok(self.count) } else { Err(self.count.to_le_bytes()[0]) }
    }
}

#[link(wasm_import_module = "wasi:sockets/udp-create-socket@0.2.0")]
unsafe extern "C" {
    #[link_name = "create-udp-socket"]
    fn raw_create_socket(family: u32, result: *mut RawHandles);
}

#[rustfmt::skip]
#[link(wasm_import_module = "wasi:sockets/udp@0.2.0")]
unsafe extern "C" {
    #[link_name = "[method]udp-socket.start-bind"]
    fn raw_start_bind(
        socket: Handle, network: Handle,
        family: u32, port: u32,
        a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32,
        result: *mut Done,
    );
    #[link_name = "[method]udp-socket.finish-bind"]
    fn raw_finish_bind(socket: Handle, result: *mut Done);
    #[link_name = "[method]udp-socket.stream"]
    fn raw_stream(
        socket: Handle, has_peer: u32,
        family: u32, port: u32,
        a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32,
        result: *mut RawHandles,
    );
    #[link_name = "[method]udp-socket.local-address"]
    fn raw_local_address(socket: Handle, result: *mut RawAddress);
    /// Creates a pollable of the socket, for the end of its binding.
    #[link_name = "[method]udp-socket.subscribe"]
    pub(crate) safe fn subscribe(socket: Handle) -> Handle;
    /// Drops a socket. child-first: always after its streams.
    #[link_name = "[resource-drop]udp-socket"]
    pub(crate) safe fn drop_socket(socket: Handle);
    #[link_name = "[method]incoming-datagram-stream.receive"]
    fn raw_receive(stream: Handle, most: u64, result: *mut RawReceived);
    /// Creates the pollable of receiving.
    #[link_name = "[method]incoming-datagram-stream.subscribe"]
    pub(crate) safe fn incoming_subscribe(stream: Handle) -> Handle;
    /// Drops a stream.
    #[link_name = "[resource-drop]incoming-datagram-stream"]
    pub(crate) safe fn drop_incoming(stream: Handle);
    #[link_name = "[method]outgoing-datagram-stream.check-send"]
    fn raw_check_send(stream: Handle, result: *mut RawCount);
    #[link_name = "[method]outgoing-datagram-stream.send"]
    fn raw_send(stream: Handle, list: *const RawOutgoing, len: usize, result: *mut RawCount);
    /// Creates the pollable of sending.
    #[link_name = "[method]outgoing-datagram-stream.subscribe"]
    pub(crate) safe fn outgoing_subscribe(stream: Handle) -> Handle;
    /// Drops a stream.
    #[link_name = "[resource-drop]outgoing-datagram-stream"]
    pub(crate) safe fn drop_outgoing(stream: Handle);
}

/// Creates a socket.
pub(crate) fn create_socket(address: &SocketAddr) -> Result<Handle, ErrorCode> {
    let mut created = RawHandles::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_create_socket(u32::from(address.is_ipv6()), &raw mut created) };
    created.result().map(|[socket]| socket)
}

/// Starts to bind a socket to an address.
pub(crate) fn start_bind(socket: Handle, address: &SocketAddr) -> Result<(), ErrorCode> {
    with_address(address, |network, [family, port, a, b, c, d, e, f, g, h, i, j], done| {
        // SAFETY: all memory that the host reads and writes is valid for the call.
        unsafe { raw_start_bind(socket, network, family, port, a, b, c, d, e, f, g, h, i, j, done) }
    })
}

/// Returns the result of [`start_bind`].
pub(crate) fn finish_bind(socket: Handle) -> Result<(), ErrorCode> {
    let mut done = Done::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_finish_bind(socket, &raw mut done) };
    done.result()
}

/// Returns the incoming and the outgoing stream of a bound socket, for messages from and to anyone.
pub(crate) fn streams(socket: Handle) -> Result<[Handle; 2], ErrorCode> {
    let mut opened = RawHandles::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_stream(socket, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, &raw mut opened) };
    opened.result()
}

/// Returns the address of this end.
pub(crate) fn local_address(socket: Handle) -> Result<SocketAddr, ErrorCode> {
    let mut address = RawAddress::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_local_address(socket, &raw mut address) };
    address.result()
}

/// Receives a message into `buffer`, which must have room for the longest one. Returns its length
/// and its sender, or `None` if there is none now.
pub(crate) fn receive(
    stream: Handle,
    buffer: &mut [u8],
) -> Result<Option<(usize, SocketAddr)>, ErrorCode> {
    let (mut received, mut message) = (RawReceived::default(), RawIncoming::default());
    let room = buffer.len();
    // SAFETY: the result is a local value. The host writes no more than it has asked for, which is
    // checked there.
    arena::lend_nested(&mut message, buffer, || unsafe {
        raw_receive(stream, 1, &raw mut received);
    });
    if received.is_error != 0 {
        return Err(received.start.to_le_bytes()[0]);
    }
    if received.len == 0 {
        return Ok(None);
    }
    Ok(Some((message.len.min(room), message.sender.read())))
}

/// Returns the largest number of messages of the next [`send`]. excess-write: more would end the
/// program.
pub(crate) fn check_send(stream: Handle) -> Result<u64, ErrorCode> {
    let mut count = RawCount::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_check_send(stream, &raw mut count) };
    count.result()
}

/// Sends one message, which [`check_send`] has just allowed, and returns the number of messages
/// that were sent.
pub(crate) fn send(stream: Handle, bytes: &[u8], receiver: &SocketAddr) -> Result<u64, ErrorCode> {
    let message = RawOutgoing {
        start: bytes.as_ptr(),
        len: bytes.len(),
        has_receiver: [1, 0, 0, 0],
        receiver: RawSocketAddress::write(receiver),
    };
    let mut count = RawCount::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_send(stream, &raw const message, 1, &raw mut count) };
    count.result()
}
