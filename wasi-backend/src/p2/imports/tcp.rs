//! `wasi:sockets`.

use core::net::SocketAddr;

use super::Handle;
use super::address::{FlatAddress, RawAddress, flat};

/// A case of `wasi:sockets/network.error-code`.
pub(crate) type ErrorCode = u8;

/// The case "would-block".
pub(crate) const WOULD_BLOCK: ErrorCode = 8;

/// The case "invalid-state".
pub(crate) const INVALID_STATE: ErrorCode = 9;

/// `result<_, error-code>`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Done {
    is_error: u8,
    error: ErrorCode,
}

impl Done {
    pub(super) fn result(self) -> Result<(), ErrorCode> {
        if self.is_error == 0 { Ok(()) } else { Err(self.error) }
    }
}

/// `result` of up to three handles, or an `error-code` in the first byte of the first.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct RawHandles {
    is_error: u8,
    sockets: [Handle; 3],
}

impl RawHandles {
    pub(super) fn result<const COUNT: usize>(self) -> Result<[Handle; COUNT], ErrorCode> {
        if self.is_error == 0 {
            Ok(core::array::from_fn(|index| self.sockets[index]))
        } else {
            Err(self.sockets[0].to_le_bytes()[0])
        }
    }
}

#[link(wasm_import_module = "wasi:sockets/instance-network@0.2.0")]
unsafe extern "C" {
    #[link_name = "instance-network"]
    safe fn instance_network() -> Handle;
}

#[link(wasm_import_module = "wasi:sockets/network@0.2.0")]
unsafe extern "C" {
    #[link_name = "[resource-drop]network"]
    safe fn drop_network(network: Handle);
}

#[rustfmt::skip]
#[link(wasm_import_module = "wasi:sockets/tcp@0.2.0")]
unsafe extern "C" {
    #[link_name = "[method]tcp-socket.start-bind"]
    fn raw_start_bind(
        socket: Handle, network: Handle,
        family: u32, port: u32,
        a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32,
        result: *mut Done,
    );
    #[link_name = "[method]tcp-socket.start-connect"]
    fn raw_start_connect(
        socket: Handle, network: Handle,
        family: u32, port: u32,
        a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32,
        result: *mut Done,
    );
    #[link_name = "[method]tcp-socket.finish-bind"]
    fn raw_finish_bind(socket: Handle, result: *mut Done);
    #[link_name = "[method]tcp-socket.finish-connect"]
    fn raw_finish_connect(socket: Handle, result: *mut RawHandles);
    #[link_name = "[method]tcp-socket.start-listen"]
    fn raw_start_listen(socket: Handle, result: *mut Done);
    #[link_name = "[method]tcp-socket.finish-listen"]
    fn raw_finish_listen(socket: Handle, result: *mut Done);
    #[link_name = "[method]tcp-socket.accept"]
    fn raw_accept(socket: Handle, result: *mut RawHandles);
    #[link_name = "[method]tcp-socket.local-address"]
    fn raw_local_address(socket: Handle, result: *mut RawAddress);
    #[link_name = "[method]tcp-socket.remote-address"]
    fn raw_remote_address(socket: Handle, result: *mut RawAddress);
    #[link_name = "[method]tcp-socket.set-listen-backlog-size"]
    fn raw_set_backlog(socket: Handle, connections: u64, result: *mut Done);
    /// Creates the pollable of a listener or of a connection attempt.
    #[link_name = "[method]tcp-socket.subscribe"]
    pub(crate) safe fn socket_subscribe(socket: Handle) -> Handle;
    #[link_name = "[method]tcp-socket.shutdown"]
    fn raw_shutdown(socket: Handle, how: u32, result: *mut Done);
    /// Drops a socket. child-first: always after its streams.
    #[link_name = "[resource-drop]tcp-socket"]
    pub(crate) safe fn drop_socket(socket: Handle);
}

#[link(wasm_import_module = "wasi:sockets/tcp-create-socket@0.2.0")]
unsafe extern "C" {
    #[link_name = "create-tcp-socket"]
    fn raw_create_socket(family: u32, result: *mut RawHandles);
}

/// Creates a socket.
pub(crate) fn create_socket(address: &SocketAddr) -> Result<Handle, ErrorCode> {
    let mut created = RawHandles::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_create_socket(u32::from(address.is_ipv6()), &raw mut created) };
    created.result().map(|[socket]| socket)
}

/// Makes a call about the host's network.
pub(super) fn with_network(call: impl FnOnce(Handle)) {
    let network = instance_network();
    call(network);
    drop_network(network);
}

/// Makes a call that names an address on the host's network.
pub(super) fn with_address(
    address: &SocketAddr,
    call: impl FnOnce(Handle, FlatAddress, *mut Done),
) -> Result<(), ErrorCode> {
    let mut done = Done::default();
    with_network(|network| call(network, flat(address), &raw mut done));
    done.result()
}

/// Starts to bind a socket to an address.
pub(crate) fn start_bind(socket: Handle, address: &SocketAddr) -> Result<(), ErrorCode> {
    with_address(address, |network, [family, port, a, b, c, d, e, f, g, h, i, j], done| {
        // SAFETY: all memory that the host reads and writes is valid for the call.
        unsafe { raw_start_bind(socket, network, family, port, a, b, c, d, e, f, g, h, i, j, done) }
    })
}

/// Starts to connect.
pub(crate) fn start_connect(socket: Handle, address: &SocketAddr) -> Result<(), ErrorCode> {
    with_address(address, |network, [family, port, a, b, c, d, e, f, g, h, i, j], done| {
        // SAFETY: all memory that the host reads and writes is valid for the call.
        unsafe {
            raw_start_connect(socket, network, family, port, a, b, c, d, e, f, g, h, i, j, done);
        }
    })
}

/// Returns the input and output streams of a connection that was made.
pub(crate) fn finish_connect(socket: Handle) -> Result<[Handle; 2], ErrorCode> {
    let mut connected = RawHandles::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_finish_connect(socket, &raw mut connected) };
    connected.result()
}

/// Makes a call about a socket that returns only success or an error.
fn done(call: impl FnOnce(*mut Done)) -> Result<(), ErrorCode> {
    let mut done = Done::default();
    call(&raw mut done);
    done.result()
}

/// Returns the result of [`start_bind`].
pub(crate) fn finish_bind(socket: Handle) -> Result<(), ErrorCode> {
    // SAFETY: all memory that the host reads and writes is valid for the call.
    done(|result| unsafe { raw_finish_bind(socket, result) })
}

/// Sets the number of connections that may wait to be accepted.
pub(crate) fn set_backlog(socket: Handle, connections: u64) -> Result<(), ErrorCode> {
    // SAFETY: all memory that the host reads and writes is valid for the call.
    done(|result| unsafe { raw_set_backlog(socket, connections, result) })
}

/// Starts to listen.
pub(crate) fn start_listen(socket: Handle) -> Result<(), ErrorCode> {
    // SAFETY: all memory that the host reads and writes is valid for the call.
    done(|result| unsafe { raw_start_listen(socket, result) })
}

/// Returns the result of [`start_listen`].
pub(crate) fn finish_listen(socket: Handle) -> Result<(), ErrorCode> {
    // SAFETY: all memory that the host reads and writes is valid for the call.
    done(|result| unsafe { raw_finish_listen(socket, result) })
}

/// Accepts a waiting connection: its socket, its input stream and its output stream.
pub(crate) fn accept(socket: Handle) -> Result<[Handle; 3], ErrorCode> {
    let mut accepted = RawHandles::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_accept(socket, &raw mut accepted) };
    accepted.result()
}

/// Shuts down writing.
pub(crate) fn shutdown_send(socket: Handle) -> Result<(), ErrorCode> {
    /// The case "send" of `shutdown-type`.
    const SEND: u32 = 1;
    // SAFETY: all memory that the host reads and writes is valid for the call.
    done(|result| unsafe { raw_shutdown(socket, SEND, result) })
}

/// Returns the address of this end.
pub(crate) fn local_address(socket: Handle) -> Result<SocketAddr, ErrorCode> {
    let mut address = RawAddress::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_local_address(socket, &raw mut address) };
    address.result()
}

/// Returns the address of the other end.
pub(crate) fn remote_address(socket: Handle) -> Result<SocketAddr, ErrorCode> {
    ask_remote_address(socket).result()
}

/// Asks for the address of the other end, and returns only the error.
pub(crate) fn check_remote_address(socket: Handle) -> Result<(), ErrorCode> {
    ask_remote_address(socket).check()
}

fn ask_remote_address(socket: Handle) -> RawAddress {
    let mut address = RawAddress::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_remote_address(socket, &raw mut address) };
    address
}
