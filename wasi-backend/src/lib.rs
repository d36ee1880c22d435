//! WebAssembly backends of the Selkie event loop.
#![no_std]

#[cfg(any(test, all(target_os = "wasi", feature = "std")))]
extern crate std;

// What all systems share, tested on the host.
#[cfg(any(test, target_os = "wasi"))]
mod cells;
#[cfg(any(test, target_os = "wasi", all(target_arch = "wasm32", feature = "waitable-set")))]
#[cfg_attr(not(target_os = "wasi"), allow(dead_code, reason = "WASI 0.3 needs less of it"))]
mod handles;
#[cfg(any(test, target_os = "wasi"))]
mod watched;

#[cfg(all(target_os = "wasi", feature = "std"))]
mod leak;

// WASI 0.1.
#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod errno;
#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod poll_oneoff;
#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod preopened;

// WASI 0.2.
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod arena;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod error_code;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod imports;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod io_poll;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod ration;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod sockets;

// WASI 0.3, for which there is no target of its own yet: any component without the standard library.
#[cfg(any(test, all(target_arch = "wasm32", feature = "waitable-set")))]
mod owners;
#[cfg(all(target_arch = "wasm32", feature = "waitable-set"))]
mod waitable_set;

#[cfg(all(target_os = "wasi", target_env = "p2"))]
#[doc(hidden)]
pub use arena::__cabi_realloc_without_allocator;
#[cfg(any(test, target_os = "wasi", all(target_arch = "wasm32", feature = "waitable-set")))]
pub use handles::Socket;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
pub use io_poll::{IoPoll, IoPollStorage, StaticIoPoll};
#[cfg(all(target_os = "wasi", target_env = "p1"))]
pub use poll_oneoff::{PollOneoff, PollOneoffStorage, StaticPollOneoff};
#[cfg(all(target_arch = "wasm32", feature = "waitable-set"))]
pub use waitable_set::{StaticWaitableSet, WaitableSet, WaitableSetStorage, Waker};
