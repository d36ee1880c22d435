//! A host of WASI 0.2 under the names of the imports, with the ration of wasmtime: a poll looks at
//! its pollables in the order of what they stand for, takes a step for each that is ready, and
//! sleeps if it finds none. A look for room to write takes a step, and a write takes two.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::p2::arena;

/// Number of steps between two sleeps.
pub(crate) const RATION: usize = 128;

type Handle = u32;

/// The source of a pollable's readiness.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// No pollable, or one that is never ready.
    Silent,
    /// A stream, ready from `set_all_readable` on.
    Input,
    /// A clock that expires at this time.
    Clock(u64),
    /// A clock that had expired when it was made: ready without a step.
    Past,
}

#[derive(Default)]
struct Host {
    /// The kind of each handle.
    kinds: Vec<Kind>,
    is_readable: bool,
    steps_left: usize,
    clock: u64,
    polls: usize,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// Begins a new host, and keeps other tests waiting: a component has one thread, so the memory for
/// lists is lent to one host at a time.
pub(crate) fn begin() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    HOST.set(Host { steps_left: RATION, ..Host::default() });
    turn
}

/// Makes every stream ready.
pub(crate) fn set_all_readable() {
    HOST.with_borrow_mut(|host| host.is_readable = true);
}

/// Takes steps of the ration, as other calls of a program do.
pub(crate) fn take_steps(count: usize) {
    HOST.with_borrow_mut(|host| host.steps_left = host.steps_left.saturating_sub(count));
}

/// Returns the number of steps left.
pub(crate) fn steps_left() -> usize {
    HOST.with_borrow(|host| host.steps_left)
}

/// Returns the number of polls that were made.
pub(crate) fn polls() -> usize {
    HOST.with_borrow(|host| host.polls)
}

/// Issues a handle above zero.
fn issue(kind: Kind) -> Handle {
    HOST.with_borrow_mut(|host| {
        host.kinds.push(kind);
        Handle::try_from(host.kinds.len()).expect("there are few")
    })
}

impl Host {
    /// Looks at a pollable once.
    fn is_ready(&mut self, pollable: Handle) -> bool {
        let is_ready = match self.kinds[pollable as usize - 1] {
            Kind::Past => return true,
            Kind::Silent => false,
            Kind::Input => self.is_readable,
            Kind::Clock(when) => when <= self.clock,
        };
        let takes = is_ready && self.steps_left > 0;
        self.steps_left -= usize::from(takes);
        takes
    }

    /// Looks at each pollable in the order of the handles, and sleeps while none is ready.
    fn poll(&mut self, pollables: &[Handle]) -> Vec<u32> {
        self.polls += 1;
        let mut order: Vec<_> = (0_u32..).zip(pollables).collect();
        order.sort_by_key(|(_, handle)| **handle);
        loop {
            let mut ready = Vec::new();
            for &(position, &handle) in &order {
                if self.is_ready(handle) {
                    ready.push(position);
                }
            }
            if !ready.is_empty() {
                return ready;
            }
            self.steps_left = RATION;
            self.clock += 1_000_000;
        }
    }
}

/// Defines imports: under each name a function with these arguments and this result.
macro_rules! imports {
    ($(
        $name:literal
        $function:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? { $($value:tt)* }
    )*) => {$(
        #[unsafe(export_name = $name)]
        extern "C" fn $function($($argument: $type),*) $(-> $result)? {
            $($value)*
        }
    )*};
}

/// Writes a result to memory of the guest.
fn put<T>(place: *mut T, value: T) {
    // SAFETY: the backend names memory that is large enough, aligned and its own.
    unsafe { place.write(value) }
}

/// `result<_, error-code>` that is none.
const DONE: [u8; 2] = [0; 2];
/// The same with an error, which no test reads.
const FAILED: [u8; 2] = [1, 0];

/// `result<(up to three handles), error-code>`.
#[repr(C)]
struct Handles {
    is_error: u8,
    handles: [Handle; 3],
}

/// `list<u32>`.
#[repr(C)]
struct List {
    start: usize,
    len: usize,
}

fn sockets(kinds: [Kind; 3]) -> Handles {
    Handles { is_error: 0, handles: kinds.map(issue) }
}

fn poll_list(pollables: *const Handle, len: usize) -> List {
    // SAFETY: the backend names a list of so many.
    let pollables = unsafe { std::slice::from_raw_parts(pollables, len) };
    let ready = HOST.with_borrow_mut(|host| host.poll(pollables));
    let room = arena::take(align_of::<u32>(), size_of_val(&ready[..])).expect("room for the list");
    // SAFETY: the backend has lent room for so many.
    unsafe { room.copy_from(ready.as_ptr().cast(), size_of_val(&ready[..])) };
    List { start: room as usize, len: ready.len() }
}

imports! {
    "create-tcp-socket" create_socket(_family: u32, result: *mut Handles) {
        put(result, sockets([Kind::Silent; 3]))
    }
    "[method]tcp-socket.accept" accept(_socket: Handle, result: *mut Handles) {
        put(result, sockets([Kind::Silent, Kind::Input, Kind::Silent]))
    }
    "[method]tcp-socket.finish-connect" finish_connect(_socket: Handle, result: *mut Handles) {
        put(result, sockets([Kind::Input, Kind::Silent, Kind::Silent]))
    }
    "[method]tcp-socket.start-bind" start_bind(
        _socket: Handle, _network: Handle, _family: u32, _port: u32, _a: u32, _b: u32, _c: u32,
        _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32, _j: u32, result: *mut [u8; 2],
    ) { put(result, DONE) }
    "[method]tcp-socket.start-connect" start_connect(
        _socket: Handle, _network: Handle, _family: u32, _port: u32, _a: u32, _b: u32, _c: u32,
        _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32, _j: u32, result: *mut [u8; 2],
    ) { put(result, DONE) }
    "[method]tcp-socket.finish-bind" finish_bind(_socket: Handle, result: *mut [u8; 2]) {
        put(result, DONE)
    }
    "[method]tcp-socket.start-listen" start_listen(_socket: Handle, result: *mut [u8; 2]) {
        put(result, DONE)
    }
    "[method]tcp-socket.finish-listen" finish_listen(_socket: Handle, result: *mut [u8; 2]) {
        put(result, DONE)
    }
    "[method]tcp-socket.set-listen-backlog-size"
    set_backlog(_socket: Handle, _backlog: u64, result: *mut [u8; 2]) { put(result, DONE) }
    "[method]tcp-socket.shutdown" shutdown(_socket: Handle, _how: u32, result: *mut [u8; 2]) {
        put(result, DONE)
    }
    "[method]tcp-socket.local-address" local_address(_socket: Handle, result: *mut [u8; 2]) {
        put(result, FAILED)
    }
    "[method]tcp-socket.remote-address" remote_address(_socket: Handle, result: *mut [u8; 2]) {
        put(result, FAILED)
    }
    "[method]input-stream.read" read(_stream: Handle, _len: u64, result: *mut [usize; 3]) {
        put(result, [0; 3])
    }
    "[method]output-stream.check-write" check_write(_stream: Handle, result: *mut [u64; 2]) {
        put(result, [0, if steps_left() > 0 { u64::MAX } else { 0 }]);
        take_steps(1)
    }
    "[method]output-stream.write"
    write(_stream: Handle, _bytes: *const u8, _len: usize, result: *mut [u8; 2]) {
        put(result, DONE);
        take_steps(2)
    }
    "raw_poll" poll(pollables: *const Handle, len: usize, result: *mut List) {
        put(result, poll_list(pollables, len))
    }
    "[method]input-stream.subscribe" input_subscribe(_stream: Handle) -> Handle {
        issue(Kind::Input)
    }
    "[method]output-stream.subscribe" output_subscribe(_stream: Handle) -> Handle {
        issue(Kind::Silent)
    }
    "[method]tcp-socket.subscribe" socket_subscribe(_socket: Handle) -> Handle {
        issue(Kind::Past)
    }
    "now" now() -> u64 { HOST.with_borrow(|host| host.clock) }
    "subscribe-instant" subscribe_instant(when: u64) -> Handle {
        issue(if when <= now() { Kind::Past } else { Kind::Clock(when) })
    }
    "instance-network" instance_network() -> Handle { issue(Kind::Silent) }
    "[resource-drop]error" drop_error(_handle: Handle) { () }
    "[resource-drop]pollable" drop_pollable(_handle: Handle) { () }
    "[resource-drop]input-stream" drop_input(_handle: Handle) { () }
    "[resource-drop]output-stream" drop_output(_handle: Handle) { () }
    "[resource-drop]network" drop_network(_handle: Handle) { () }
    "[resource-drop]tcp-socket" drop_socket(_handle: Handle) { () }
}
