//! A scripted host under the names of the imports, for tests on any machine. Each operation stays
//! in flight, and the test gives it the events.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::thread_local;

use super::abi::{EVENT_NONE, Outcome};
use super::address::{Connect, Fallible, Returned};

/// An event: its kind, what it is about, and a word.
type HostEvent = (u32, [u32; 2]);

thread_local! {
    static HOST_EVENTS: RefCell<VecDeque<HostEvent>> = const { RefCell::new(VecDeque::new()) };
    static ISSUED: Cell<u32> = const { Cell::new(0) };
}

const BLOCKED: Outcome = Outcome(u32::MAX);
const CANCELLED: Outcome = Outcome(2);
/// The state of a call that is under way.
const STARTED: u32 = 1;

/// Adds an event, which the guest takes next.
pub(super) fn push_event(kind: u32, waitable: u32, word: u32) {
    HOST_EVENTS.with_borrow_mut(|events| events.push_back((kind, [waitable, word])));
}

/// Issues a new handle.
fn issue() -> u32 {
    ISSUED.set(ISSUED.get() + 1);
    ISSUED.get()
}

/// Takes the next event, if there is one.
fn next() -> Option<HostEvent> {
    HOST_EVENTS.with_borrow_mut(VecDeque::pop_front)
}

/// Defines imports: under each name a function with these arguments and this result.
macro_rules! imports {
    ($(
        $name:literal
        $function:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? = $value:expr;
    )*) => {$(
        #[unsafe(export_name = $name)]
        extern "C" fn $function($($argument: $type),*) $(-> $result)? {
            $value
        }
    )*};
}

/// Writes a result to memory of the guest.
fn put<T>(place: *mut T, value: T) {
    // SAFETY: the platform names memory that is large enough, aligned and its own.
    unsafe { place.write(value) }
}

imports! {
    "[waitable-set-new]" set_new() -> u32 = issue();
    "[waitable-set-drop]" set_drop(_set: u32) = ();
    "[waitable-set-wait]" set_wait(_set: u32, event: *mut [u32; 2]) -> u32 = {
        let (kind, event_words) = next().expect("a wait without an event would never end");
        put(event, event_words);
        kind
    };
    "[waitable-set-poll]" set_poll(_set: u32, event: *mut [u32; 2]) -> u32 = {
        let (kind, event_words) = next().unwrap_or((EVENT_NONE, [0; 2]));
        put(event, event_words);
        kind
    };
    "[waitable-join]" join(_waitable: u32, _set: u32) = ();
    "[subtask-cancel]" subtask_cancel(_subtask: u32) -> u32 = 0;
    "[subtask-drop]" subtask_drop(_subtask: u32) = ();
    "[thread-yield]" thread_yield() -> u32 = 0;
    "now" now() -> u64 = 0;
    "[async-lower]wait-until" wait_until(_when: u64) -> u32 = issue() << 4 | STARTED;
    "[static]tcp-socket.create" create(_family: u32, result: *mut Returned) =
        put(result, Returned::of_handle(issue()));
    "[method]tcp-socket.bind" bind(
        _socket: u32, _version: u32, _port: u32, _part_1: u32, _part_2: u32, _part_3: u32,
        _part_4: u32, _part_5: u32,
        _part_6: u32, _part_7: u32, _part_8: u32, _part_9: u32, _part_10: u32, result: *mut Returned
    ) = put(result, Returned::EMPTY);
    "[method]tcp-socket.set-listen-backlog-size"
        set_backlog(_socket: u32, _backlog: u64, result: *mut Returned) =
        put(result, Returned::EMPTY);
    "[method]tcp-socket.listen" listen(_socket: u32, result: *mut Returned) =
        put(result, Returned::of_handle(issue()));
    "[method]tcp-socket.get-local-address" local_address(_socket: u32, result: *mut Returned) =
        put(result, Returned::EMPTY);
    "[method]tcp-socket.get-remote-address" remote_address(_socket: u32, result: *mut Returned) =
        put(result, Returned::EMPTY);
    "[async-lower][method]tcp-socket.connect"
        connect(_arguments: *const Connect, _result: *mut Fallible) -> u32 =
        issue() << 4 | STARTED;
    "[method]tcp-socket.receive" receive(_socket: u32, result: *mut [u32; 2]) =
        put(result, [issue(), issue()]);
    "[method]tcp-socket.send" send(_socket: u32, _stream: u32) -> u32 = issue();
    "[resource-drop]tcp-socket" socket_drop(_socket: u32) = ();
    "[async-lower][stream-read-0][method]tcp-socket.listen"
        accept_read(_stream: u32, _sockets: *mut u32, _count: usize)
        -> Outcome = BLOCKED;
    "[stream-cancel-read-0][method]tcp-socket.listen" accept_cancel(_stream: u32) -> Outcome =
        CANCELLED;
    "[stream-drop-readable-0][method]tcp-socket.listen" accept_drop(_stream: u32) = ();
    "[async-lower][stream-read-0][method]tcp-socket.receive"
        stream_read(_stream: u32, _bytes: *mut u8, _count: usize)
        -> Outcome = BLOCKED;
    "[stream-cancel-read-0][method]tcp-socket.receive" stream_cancel_read(_stream: u32) -> Outcome =
        CANCELLED;
    "[stream-drop-readable-0][method]tcp-socket.receive" stream_drop_readable(_stream: u32) = ();
    "[async-lower][future-read-1][method]tcp-socket.receive"
        result_read(_future: u32, _result: *mut Fallible)
        -> Outcome = BLOCKED;
    "[future-cancel-read-1][method]tcp-socket.receive" result_cancel(_future: u32) -> Outcome =
        CANCELLED;
    "[future-drop-readable-1][method]tcp-socket.receive" result_drop(_future: u32) = ();
    "[stream-new-0][method]tcp-socket.send" stream_new() -> u64 =
        u64::from(issue()) << 32 | u64::from(issue());
    "[async-lower][stream-write-0][method]tcp-socket.send"
        stream_write(_stream: u32, _bytes: *const u8, _count: usize)
        -> Outcome = BLOCKED;
    "[stream-cancel-write-0][method]tcp-socket.send" stream_cancel_write(_stream: u32) -> Outcome =
        CANCELLED;
    "[stream-drop-writable-0][method]tcp-socket.send" stream_drop_writable(_stream: u32) = ();
}
