//! The imports of WASI 0.2 as the canonical ABI has them, and what makes them safe to call.
//!
//! Handles are numbers above zero. The host ends the program if it is given one that it did not issue, or one that was
//! dropped; the backend owns all that it uses. A function that returns more than one number writes to memory that it is
//! given, in the layout that is written down here as a `struct`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::arena;
use crate::direction::Owner;

/// A handle of the host's; 0 is none.
pub(crate) type Handle = u32;

/// Tells the linker of components what is imported here; see `wit/imports.wit`.
#[unsafe(link_section = "component-type:selkie-wasi")]
#[expect(dead_code, reason = "it is there for the linker, and takes no memory")]
static COMPONENT_TYPE: [u8; include_bytes!("../imports.component-type").len()] =
    *include_bytes!("../imports.component-type");

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamError {
    /// The operation, or the one before it, failed. The host does not tell why.
    Failed,
    /// There is nothing more in this direction.
    Closed,
}

/// A case of `wasi:sockets/network.error-code`.
pub(crate) type ErrorCode = u8;

/// The case for "not yet".
pub(crate) const WOULD_BLOCK: ErrorCode = 8;

/// `wasi:io/streams.stream-error`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawStreamError {
    case: u8,
    error: Handle,
}

impl From<RawStreamError> for StreamError {
    fn from(raw: RawStreamError) -> Self {
        if raw.case == 0 {
            // SAFETY: the host has just issued the handle.
            unsafe { error_drop(raw.error) };
            Self::Failed
        } else {
            Self::Closed
        }
    }
}

/// `result<_, error-code>`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Done {
    is_error: u8,
    error: ErrorCode,
}

impl Done {
    fn result(self) -> Result<(), ErrorCode> {
        if self.is_error == 0 { Ok(()) } else { Err(self.error) }
    }
}

/// `result` of up to three handles, or an `error-code` in the first byte of the first.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawHandles {
    is_error: u8,
    handles: [Handle; 3],
}

impl RawHandles {
    fn result<const COUNT: usize>(self) -> Result<[Handle; COUNT], ErrorCode> {
        if self.is_error == 0 {
            Ok(core::array::from_fn(|index| self.handles[index]))
        } else {
            Err(self.handles[0].to_le_bytes()[0])
        }
    }
}

/// `result<_, stream-error>`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawWritten {
    is_error: u8,
    error: RawStreamError,
}

/// `result<u64, stream-error>`; an error has its case in the first byte of the number, and its handle in the upper half.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawPermit {
    is_error: u8,
    bytes: u64,
}

/// `list<T>`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawList {
    start: usize,
    len: usize,
}

/// `result<list<u8>, stream-error>`; an error has its case in the first byte of the start, and its handle in the length.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawBytes {
    is_error: u8,
    list: RawList,
}

/// `result<ip-socket-address, error-code>`; an error is in the place of the family.
#[derive(Clone, Copy, Default)]
#[repr(C, align(4))]
struct RawAddress {
    is_error: [u8; 4],
    /// 0 for version 4, 1 for version 6.
    family: [u8; 4],
    port: [u8; 2],
    /// Version 4: four bytes behind the port. Version 6: two bytes of padding, the flow information, eight numbers of 16
    /// bits, the scope.
    rest: [u8; 26],
}

#[link(wasm_import_module = "wasi:io/error@0.2.0")]
unsafe extern "C" {
    #[link_name = "[resource-drop]error"]
    fn error_drop(error: Handle);
}

#[link(wasm_import_module = "wasi:io/poll@0.2.0")]
unsafe extern "C" {
    // Elsewhere, where only a fuzzer compiles this, that would be the `poll` of the C library.
    #[cfg_attr(target_os = "wasi", link_name = "poll")]
    fn raw_poll(pollables: *const Handle, len: usize, result: *mut RawList);
    #[link_name = "[resource-drop]pollable"]
    fn raw_pollable_drop(pollable: Handle);
}

#[link(wasm_import_module = "wasi:io/streams@0.2.0")]
unsafe extern "C" {
    #[link_name = "[method]input-stream.read"]
    fn raw_read(stream: Handle, len: u64, result: *mut RawBytes);
    #[link_name = "[method]input-stream.subscribe"]
    fn raw_input_subscribe(stream: Handle) -> Handle;
    #[link_name = "[resource-drop]input-stream"]
    fn raw_input_drop(stream: Handle);
    #[link_name = "[method]output-stream.check-write"]
    fn raw_check_write(stream: Handle, result: *mut RawPermit);
    #[link_name = "[method]output-stream.write"]
    fn raw_write(stream: Handle, bytes: *const u8, len: usize, result: *mut RawWritten);
    #[link_name = "[method]output-stream.subscribe"]
    fn raw_output_subscribe(stream: Handle) -> Handle;
    #[link_name = "[resource-drop]output-stream"]
    fn raw_output_drop(stream: Handle);
}

#[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.2.0")]
unsafe extern "C" {
    #[link_name = "now"]
    fn raw_now() -> u64;
    #[link_name = "subscribe-instant"]
    fn raw_subscribe_instant(when: u64) -> Handle;
}

#[link(wasm_import_module = "wasi:sockets/instance-network@0.2.0")]
unsafe extern "C" {
    #[link_name = "instance-network"]
    fn raw_instance_network() -> Handle;
}

#[link(wasm_import_module = "wasi:sockets/network@0.2.0")]
unsafe extern "C" {
    #[link_name = "[resource-drop]network"]
    fn raw_network_drop(network: Handle);
}

/// An `ip-socket-address` in the arguments of a call takes twelve of them: the family, the port, and what follows.
type FlatAddress = [u32; 12];

#[rustfmt::skip]
#[link(wasm_import_module = "wasi:sockets/tcp@0.2.0")]
unsafe extern "C" {
    #[link_name = "[method]tcp-socket.start-bind"]
    fn raw_start_bind(
        socket: Handle, network: Handle,
        family: u32, port: u32, a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32,
        result: *mut Done,
    );
    #[link_name = "[method]tcp-socket.start-connect"]
    fn raw_start_connect(
        socket: Handle, network: Handle,
        family: u32, port: u32, a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32,
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
    #[link_name = "[method]tcp-socket.subscribe"]
    fn raw_socket_subscribe(socket: Handle) -> Handle;
    #[link_name = "[method]tcp-socket.shutdown"]
    fn raw_shutdown(socket: Handle, how: u32, result: *mut Done);
    #[link_name = "[resource-drop]tcp-socket"]
    fn raw_socket_drop(socket: Handle);
}

#[link(wasm_import_module = "wasi:sockets/tcp-create-socket@0.2.0")]
unsafe extern "C" {
    #[link_name = "create-tcp-socket"]
    fn raw_create_socket(family: u32, result: *mut RawHandles);
}

// What follows calls the host with handles that the backend owns, and with memory that is valid for the call: the results
// are local values of the layouts above.

/// Waits until one of the pollables is ready, of which there must be one at least. Gives how many are; their positions
/// are the first so many of `ready`, which must have room for all of them. `None` if the program exports another
/// `cabi_realloc` than this crate's.
pub(crate) fn poll(pollables: &[Handle], ready: &mut [Owner]) -> Option<usize> {
    let mut list = RawList::default();
    let (start, room) = (ready.as_ptr() as usize, ready.len());
    // SAFETY: as above. The host reads the list in place, and writes no more than it has asked for, which is checked there.
    arena::lend(ready, || unsafe { raw_poll(pollables.as_ptr(), pollables.len(), &raw mut list) });
    (list.start == start || list.len == 0).then_some(list.len.min(room))
}

/// Gives a pollable back. Always before what it belongs to.
pub(crate) fn drop_pollable(pollable: Handle) {
    // SAFETY: as above.
    unsafe { raw_pollable_drop(pollable) }
}

/// Reads what is there, which may be nothing, and gives how many bytes.
pub(crate) fn read(stream: Handle, buffer: &mut [u8]) -> Result<usize, StreamError> {
    let mut bytes = RawBytes::default();
    let (start, room) = (buffer.as_ptr() as usize, buffer.len());
    // SAFETY: as above. The host writes no more than it has asked for, which is checked there.
    arena::lend(buffer, || unsafe { raw_read(stream, room as u64, &raw mut bytes) });
    if bytes.is_error != 0 {
        let case = bytes.list.start.to_le_bytes()[0];
        #[expect(clippy::cast_possible_truncation, reason = "addresses and handles have 32 bits here")]
        let error = bytes.list.len as Handle;
        return Err(RawStreamError { case, error }.into());
    }
    // Were the bytes elsewhere, they would be lost. `IoPoll::new` sees to it that they are not.
    if bytes.list.start == start { Ok(bytes.list.len.min(room)) } else { Ok(0) }
}

/// What tells when there is something to read.
pub(crate) fn input_subscribe(stream: Handle) -> Handle {
    // SAFETY: as above.
    unsafe { raw_input_subscribe(stream) }
}

/// Gives a stream back.
pub(crate) fn drop_input(stream: Handle) {
    // SAFETY: as above.
    unsafe { raw_input_drop(stream) }
}

/// How many bytes the next [`write()`] may have: more would end the program.
pub(crate) fn check_write(stream: Handle) -> Result<u64, StreamError> {
    let mut permit = RawPermit::default();
    // SAFETY: as above.
    unsafe { raw_check_write(stream, &raw mut permit) };
    if permit.is_error == 0 {
        return Ok(permit.bytes);
    }
    let error = (permit.bytes >> 32) as Handle;
    Err(RawStreamError { case: permit.bytes.to_le_bytes()[0], error }.into())
}

/// Hands over all of `bytes`, which [`check_write`] has just allowed.
pub(crate) fn write(stream: Handle, bytes: &[u8]) -> Result<(), StreamError> {
    let mut written = RawWritten::default();
    // SAFETY: as above.
    unsafe { raw_write(stream, bytes.as_ptr(), bytes.len(), &raw mut written) };
    if written.is_error == 0 { Ok(()) } else { Err(written.error.into()) }
}

/// What tells when there is room to write.
pub(crate) fn output_subscribe(stream: Handle) -> Handle {
    // SAFETY: as above.
    unsafe { raw_output_subscribe(stream) }
}

/// Gives a stream back.
pub(crate) fn drop_output(stream: Handle) {
    // SAFETY: as above.
    unsafe { raw_output_drop(stream) }
}

/// Nanoseconds on the host's monotonic clock.
pub(crate) fn now() -> u64 {
    // SAFETY: the call takes nothing.
    unsafe { raw_now() }
}

/// What tells when that clock has reached `when`.
pub(crate) fn subscribe_instant(when: u64) -> Handle {
    // SAFETY: the call takes a number.
    unsafe { raw_subscribe_instant(when) }
}

/// A new socket.
pub(crate) fn create_socket(address: &SocketAddr) -> Result<Handle, ErrorCode> {
    let mut created = RawHandles::default();
    // SAFETY: as above.
    unsafe { raw_create_socket(u32::from(address.is_ipv6()), &raw mut created) };
    created.result().map(|[socket]| socket)
}

/// A call that names an address on the host's network.
fn with_address(address: &SocketAddr, call: impl FnOnce(Handle, FlatAddress, *mut Done)) -> Result<(), ErrorCode> {
    let mut done = Done::default();
    // SAFETY: the call takes nothing.
    let network = unsafe { raw_instance_network() };
    call(network, flat(address), &raw mut done);
    // SAFETY: the handle is from above.
    unsafe { raw_network_drop(network) };
    done.result()
}

/// An address as arguments.
fn flat(address: &SocketAddr) -> FlatAddress {
    let mut flat = [0; 12];
    flat[1] = u32::from(address.port());
    match address {
        SocketAddr::V4(address) => {
            for (place, byte) in flat[2..].iter_mut().zip(address.ip().octets()) {
                *place = u32::from(byte);
            }
        }
        SocketAddr::V6(address) => {
            flat[0] = 1;
            flat[2] = address.flowinfo();
            for (place, segment) in flat[3..].iter_mut().zip(address.ip().segments()) {
                *place = u32::from(segment);
            }
            flat[11] = address.scope_id();
        }
    }
    flat
}

/// Begins to give a socket its address.
pub(crate) fn start_bind(socket: Handle, address: &SocketAddr) -> Result<(), ErrorCode> {
    with_address(address, |network, [family, port, a, b, c, d, e, f, g, h, i, j], done| {
        // SAFETY: as above.
        unsafe { raw_start_bind(socket, network, family, port, a, b, c, d, e, f, g, h, i, j, done) }
    })
}

/// Begins to connect.
pub(crate) fn start_connect(socket: Handle, address: &SocketAddr) -> Result<(), ErrorCode> {
    with_address(address, |network, [family, port, a, b, c, d, e, f, g, h, i, j], done| {
        // SAFETY: as above.
        unsafe { raw_start_connect(socket, network, family, port, a, b, c, d, e, f, g, h, i, j, done) }
    })
}

/// What came of it: the streams in and out.
pub(crate) fn finish_connect(socket: Handle) -> Result<[Handle; 2], ErrorCode> {
    let mut connected = RawHandles::default();
    // SAFETY: as above.
    unsafe { raw_finish_connect(socket, &raw mut connected) };
    connected.result()
}

/// A call about a socket that gives nothing but an error.
fn done(call: impl FnOnce(*mut Done)) -> Result<(), ErrorCode> {
    let mut done = Done::default();
    call(&raw mut done);
    done.result()
}

/// What came of [`start_bind`].
pub(crate) fn finish_bind(socket: Handle) -> Result<(), ErrorCode> {
    // SAFETY: as above.
    done(|result| unsafe { raw_finish_bind(socket, result) })
}

/// How many connections may wait to be accepted.
pub(crate) fn set_backlog(socket: Handle, connections: u64) -> Result<(), ErrorCode> {
    // SAFETY: as above.
    done(|result| unsafe { raw_set_backlog(socket, connections, result) })
}

/// Begins to listen.
pub(crate) fn start_listen(socket: Handle) -> Result<(), ErrorCode> {
    // SAFETY: as above.
    done(|result| unsafe { raw_start_listen(socket, result) })
}

/// What came of it.
pub(crate) fn finish_listen(socket: Handle) -> Result<(), ErrorCode> {
    // SAFETY: as above.
    done(|result| unsafe { raw_finish_listen(socket, result) })
}

/// Takes a waiting connection: its socket, and the streams in and out.
pub(crate) fn accept(socket: Handle) -> Result<[Handle; 3], ErrorCode> {
    let mut accepted = RawHandles::default();
    // SAFETY: as above.
    unsafe { raw_accept(socket, &raw mut accepted) };
    accepted.result()
}

/// Ends the stream to the peer.
pub(crate) fn shutdown_send(socket: Handle) -> Result<(), ErrorCode> {
    /// The case of `shutdown-type`.
    const SEND: u32 = 1;
    // SAFETY: as above.
    done(|result| unsafe { raw_shutdown(socket, SEND, result) })
}

/// What tells when a connection waits, or when one came about.
pub(crate) fn socket_subscribe(socket: Handle) -> Handle {
    // SAFETY: as above.
    unsafe { raw_socket_subscribe(socket) }
}

/// Gives a socket back. Always after its streams.
pub(crate) fn drop_socket(socket: Handle) {
    // SAFETY: as above.
    unsafe { raw_socket_drop(socket) }
}

/// The address of this end.
pub(crate) fn local_address(socket: Handle) -> Result<SocketAddr, ErrorCode> {
    let mut address = RawAddress::default();
    // SAFETY: as above.
    unsafe { raw_local_address(socket, &raw mut address) };
    address.result()
}

/// The address of the other end.
pub(crate) fn remote_address(socket: Handle) -> Result<SocketAddr, ErrorCode> {
    let mut address = RawAddress::default();
    // SAFETY: as above.
    unsafe { raw_remote_address(socket, &raw mut address) };
    address.result()
}

impl RawAddress {
    fn result(&self) -> Result<SocketAddr, ErrorCode> {
        if self.is_error[0] != 0 {
            return Err(self.family[0]);
        }
        let port = u16::from_le_bytes(self.port);
        if self.family[0] == 0 {
            let [a, b, c, d, ..] = self.rest;
            return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port));
        }
        let word = |at: usize| u32::from_le_bytes(core::array::from_fn(|index| self.rest[at + index]));
        let segments =
            core::array::from_fn(|index| u16::from_le_bytes([self.rest[6 + 2 * index], self.rest[7 + 2 * index]]));
        Ok(SocketAddrV6::new(Ipv6Addr::from(segments), port, word(2), word(22)).into())
    }
}
