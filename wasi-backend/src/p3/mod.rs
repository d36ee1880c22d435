//! WASI 0.3: a waitable set of the component model, the epoll of WebAssembly.
//!
//! A wait costs the same with any number of idle sources. The host sends an event for each source
//! that becomes ready; the earlier systems pass the list of all sources in each call.
//!
//! | file | contents |
//! | --- | --- |
//! | `selector.rs` | [`WaitableSet`]: registrations, the order of reports, polls and waits |
//! | `operations.rs` | readiness requests, their events, and their cancellation |
//! | `listener.rs` | opening and closing sockets |
//! | `transport.rs` | accepts, connects, reads and writes |
//! | `udp.rs`, `lookup.rs` | UDP sockets; the lookup of names |
//! | `waitable.rs` | waitables of the program, and standard input |
//! | `lists.rs` | memory for the lists that calls return later |
//! | `endpoint.rs`, `queue.rs` | a source, and the queue of sources to look at |
//! | `timer.rs`, `waker.rs` | the deadline of a wait, and the waker |
//! | `waitable_owners.rs` | the source that a handle of the host belongs to |
//! | `storage.rs` | memory |
//! | `command.rs` | the entry of programs with a standard library |
//! | `abi.rs`, `address.rs` | imports, and their values in memory |
//! | `error.rs` | errors of the host |
//! | `host.rs`, `tests.rs` | a scripted host, and the tests that use it |
//!
//! Quirks, by the names that the code repeats:
//!
//! * zero-length-read: a write of 0 bytes completes when there is room. A read of 0 bytes should
//!   complete when there is something to read. wasmtime completes it once more after every read
//!   that took everything, and before version 48 always. So a watched stream has a read of some
//!   bytes in flight, which is right on all versions, and `read` returns those bytes first. A
//!   listener has a read of one socket in flight, for the same reason.
//! * in-flight-memory: an operation in flight owns its memory, so those bytes or that socket go to
//!   memory that is `'static`. Any other read or write that is not done at once is cancelled at
//!   once.
//! * cancel-in-set: cancelling what is in a set is a trap. The source leaves the set first, and
//!   joins it with the next request.
//! * end-is-final: using a stream after its end was reported is a trap, as is dropping one with an
//!   operation in flight.
//! * smallest-first: a set returns one event a call, the smallest handle first. For fairness, an
//!   event puts its source at the back of a queue, and so does a report.
//! * yield-to-deliver: wasmtime completes operations only while the guest sleeps or yields, about
//!   one each time. A guest that always finds something ready must yield, or it misses the rest.
//! * no-reset: the program cannot reset a connection. [`Close::Abort`](selkie_core::platform::Close::Abort)
//!   closes, and written bytes are still delivered.
//! * no-hangup: no operation completes on a hang-up alone. A read completes if the input is empty,
//!   and a write of 0 bytes once the host has tried to send. A connection that was reset has no
//!   remote address any more, and neither has one whose two ends were both shut down, so a check
//!   asks for that while writing is open.
//! * late-room: wasmtime reports room to write a moment after a connection was accepted; a write
//!   before that would block.
//! * async-run: only a task with an `async` type may wait, so the guest's `run` is that of
//!   `wasi:cli` 0.3.

mod abi;
mod address;
#[cfg(all(target_os = "wasi", target_env = "p2", feature = "std"))]
mod command;
mod endpoint;
mod error;
#[cfg(test)]
mod host;
#[cfg(target_arch = "wasm32")]
mod lists;
mod listener;
#[cfg(target_arch = "wasm32")]
mod lookup;
mod operations;
mod queue;
mod selector;
mod storage;
#[cfg(test)]
mod tests;
mod timer;
mod transport;
#[cfg(target_arch = "wasm32")]
mod udp;
#[cfg(target_arch = "wasm32")]
mod waitable;
mod waitable_owners;
mod waker;

#[cfg(all(target_os = "wasi", target_env = "p2", feature = "std"))]
#[doc(hidden)]
pub use self::command::{__RUN_TYPE, __run_result};
pub use self::endpoint::WaitableEvent;
#[cfg(target_arch = "wasm32")]
pub(crate) use self::lists::take as take_list;
pub use self::selector::WaitableSet;
pub use self::storage::{StaticWaitableSet, WaitableSetStorage};
pub use self::waker::Waker;
