//! WASI 0.2: the imports, under the names that the backend has for them, with results as the
//! canonical ABI lays them out.
//!
//! Each result is any bytes at all, except where a real host cannot do otherwise: a handle is one
//! that it has issued, and a list lies where the guest has made room for it, or else nowhere.

use super::{array, byte, check, clock, drop_handle, issue, must_go_on, number};

type Handle = u32;

/// Returns whether a call succeeds.
fn succeeds() -> bool {
    byte() < 200
}

/// `result<(up to three handles), error-code>`.
#[repr(C)]
pub struct Handles {
    is_error: u8,
    handles: [Handle; 3],
}

/// `result<_, error-code>`.
#[repr(C)]
pub struct Done {
    is_error: u8,
    error: u8,
}

/// `result<list<T>, stream-error>`, of which a list without a result is the last part.
#[repr(C)]
pub struct Bytes {
    is_error: u8,
    list: List,
}

/// `list<T>`.
#[repr(C)]
pub struct List {
    start: usize,
    len: usize,
}

/// `result<_, stream-error>`.
#[repr(C)]
pub struct Written {
    is_error: u8,
    error: StreamError,
}

/// `stream-error`.
#[repr(C)]
pub struct StreamError {
    case: u8,
    handle: Handle,
}

/// `result<u64, stream-error>`.
#[repr(C)]
pub struct Permit {
    is_error: u8,
    bytes: u64,
}

/// `result<ip-socket-address, error-code>`.
pub type Address = [u8; 36];

fn done() -> Done {
    Done { is_error: if succeeds() { 0 } else { byte().max(1) }, error: byte() }
}

/// Returns new handles, or an error with arbitrary handles.
fn handles(count: usize) -> Handles {
    if succeeds() {
        Handles {
            is_error: 0,
            handles: core::array::from_fn(|at| if at < count { issue() } else { 0 }),
        }
    } else {
        Handles { is_error: byte().max(1), handles: [u32::from_le_bytes(array()); 3] }
    }
}

/// Returns the case of a stream error, and its handle where there is one.
fn stream_error() -> (u8, Handle) {
    let case = byte() % 3;
    (case, if case == 0 { issue() } else { u32::from_le_bytes(array()) })
}

/// Allocates a list, as the guest's `cabi_realloc` gives it.
fn room<T>(len: usize) -> Option<*mut T> {
    crate::p2::arena::take(align_of::<T>(), len * size_of::<T>()).map(<*mut u8>::cast)
}

/// Defines functions that write what an expression gives to where their last argument points.
macro_rules! imports {
    ($(
        $link_name:literal
        $name:ident($($argument:ident: $kind:ty),* $(,)?) -> $result:ty { $value:expr }
    )*) => {
        $(
            #[unsafe(export_name = $link_name)]
            unsafe extern "C" fn $name($($argument: $kind,)* result: *mut $result) {
                let value = $value;
                // SAFETY: the guest gives a place that is valid for the result.
                unsafe { result.write(value) }
            }
        )*
    };
}

imports! {
    "[method]tcp-socket.finish-bind" finish_bind(socket: Handle) -> Done { about(socket) }
    "[method]tcp-socket.start-listen" start_listen(socket: Handle) -> Done { about(socket) }
    "[method]tcp-socket.finish-listen" finish_listen(socket: Handle) -> Done { about(socket) }
    "[method]tcp-socket.set-listen-backlog-size"
    set_backlog(socket: Handle, _backlog: u64) -> Done { about(socket) }
    "[method]tcp-socket.shutdown" shutdown(socket: Handle, _how: u32) -> Done { about(socket) }
    "[method]tcp-socket.finish-connect"
    finish_connect(socket: Handle) -> Handles { { check(socket); handles(2) } }
    "[method]tcp-socket.accept" accept(socket: Handle) -> Handles { { check(socket); handles(3) } }
    "create-tcp-socket" create_socket(_family: u32) -> Handles { handles(1) }
    "[method]tcp-socket.local-address"
    local_address(socket: Handle) -> Address { { check(socket); array() } }
    "[method]tcp-socket.remote-address"
    remote_address(socket: Handle) -> Address { { check(socket); array() } }
    "[method]input-stream.read" read(stream: Handle, len: u64) -> Bytes { read_some(stream, len) }
    "[method]output-stream.check-write" check_write(stream: Handle) -> Permit { permit(stream) }
    "[method]output-stream.write"
    write(stream: Handle, _bytes: *const u8, _len: usize) -> Written { written(stream) }
    "raw_poll" poll(pollables: *const Handle, len: usize) -> List {
        // SAFETY: the guest gives a list of so many.
        poll_some(unsafe { core::slice::from_raw_parts(pollables, len) })
    }
    "[method]tcp-socket.start-bind" start_bind(
        socket: Handle, _network: Handle, _family: u32, _port: u32, _a: u32, _b: u32, _c: u32,
        _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32, _j: u32,
    ) -> Done { about(socket) }
    "[method]tcp-socket.start-connect" start_connect(
        socket: Handle, _network: Handle, _family: u32, _port: u32, _a: u32, _b: u32, _c: u32,
        _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32, _j: u32,
    ) -> Done { about(socket) }
}

/// Answers a call about a socket.
fn about(socket: Handle) -> Done {
    check(socket);
    let mut done = done();
    if done.is_error != 0 && done.error == crate::p2::imports::WOULD_BLOCK && must_go_on() {
        done.is_error = 0;
    }
    done
}

fn read_some(stream: Handle, len: u64) -> Bytes {
    check(stream);
    if !succeeds() {
        let (case, error) = stream_error();
        return Bytes {
            is_error: byte().max(1),
            list: List { start: case.into(), len: error as usize },
        };
    }
    let len = usize::from(byte()).min(usize::try_from(len).unwrap_or(usize::MAX));
    let Some(start) = room::<u8>(len).filter(|_| len > 0) else {
        return Bytes { is_error: 0, list: List { start: usize::from(byte()), len: 0 } };
    };
    // SAFETY: the guest has lent room for so many bytes.
    unsafe { start.write_bytes(b'x', len) };
    Bytes { is_error: 0, list: List { start: start as usize, len } }
}

fn permit(stream: Handle) -> Permit {
    check(stream);
    if succeeds() {
        return Permit { is_error: 0, bytes: number() };
    }
    let (case, error) = stream_error();
    Permit { is_error: byte().max(1), bytes: u64::from(error) << 32 | u64::from(case) }
}

fn written(stream: Handle) -> Written {
    check(stream);
    if succeeds() {
        return Written {
            is_error: 0,
            error: StreamError { case: byte(), handle: u32::from_le_bytes(array()) },
        };
    }
    let (case, handle) = stream_error();
    Written { is_error: byte().max(1), error: StreamError { case, handle } }
}

/// Returns any positions, as many as there are pollables at most; or all, where something has to
/// happen.
fn poll_some(pollables: &[Handle]) -> List {
    assert!(!pollables.is_empty(), "a poll of nothing");
    pollables.iter().copied().for_each(check);
    let asked = u32::try_from(pollables.len()).unwrap_or(u32::MAX);
    let wanted = byte();
    let all = wanted == 0 && must_go_on();
    let len = if all { pollables.len() } else { pollables.len().min(wanted.into()) };
    let Some(start) = room::<u32>(len).filter(|_| len > 0) else {
        return List { start: usize::from(byte()), len: 0 };
    };
    for (place, index) in (0..asked).take(len).enumerate() {
        let position = match byte() {
            _ if all => index,
            255 => u32::from_le_bytes(array()),
            position => u32::from(position) % asked,
        };
        // SAFETY: the guest has lent room for so many positions.
        unsafe { start.add(place).write(position) };
    }
    List { start: start as usize, len }
}

/// Defines functions that only take a handle.
macro_rules! drops {
    ($($link_name:literal $name:ident)*) => {
        $(
            #[unsafe(export_name = $link_name)]
            extern "C" fn $name(handle: Handle) {
                drop_handle(handle);
            }
        )*
    };
}

drops! {
    "[resource-drop]error" error_drop
    "[resource-drop]pollable" pollable_drop
    "[resource-drop]input-stream" input_drop
    "[resource-drop]output-stream" output_drop
    "[resource-drop]network" network_drop
    "[resource-drop]tcp-socket" socket_drop
}

/// Defines functions that give a pollable for a handle.
macro_rules! subscriptions {
    ($($link_name:literal $name:ident)*) => {
        $(
            #[unsafe(export_name = $link_name)]
            extern "C" fn $name(handle: Handle) -> Handle {
                check(handle);
                issue()
            }
        )*
    };
}

subscriptions! {
    "[method]input-stream.subscribe" input_subscribe
    "[method]output-stream.subscribe" output_subscribe
    "[method]tcp-socket.subscribe" socket_subscribe
}

#[unsafe(export_name = "now")]
extern "C" fn now() -> u64 {
    clock()
}

#[unsafe(export_name = "subscribe-instant")]
extern "C" fn subscribe_instant(_when: u64) -> Handle {
    issue()
}

#[unsafe(export_name = "instance-network")]
extern "C" fn instance_network() -> Handle {
    issue()
}
