//! WebAssembly backends of the Selkie event loop.
#![no_std]

#[cfg(any(test, all(target_os = "wasi", feature = "std")))]
extern crate std;

// What all systems share, tested on the host.
#[cfg(any(test, target_os = "wasi"))]
mod cells;
#[cfg(any(test, target_os = "wasi", all(target_arch = "wasm32", feature = "waitable-set")))]
#[cfg_attr(
    not(target_os = "wasi"),
    allow(unreachable_pub, reason = "only the two older backends show it")
)]
mod direction;
#[cfg(any(test, target_os = "wasi", all(target_arch = "wasm32", feature = "waitable-set")))]
#[cfg_attr(not(target_os = "wasi"), allow(dead_code, reason = "WASI 0.3 needs less of it"))]
mod handles;
#[cfg(any(test, target_os = "wasi"))]
#[cfg_attr(
    test,
    allow(unreachable_pub, dead_code, reason = "without a backend nobody has a use for it")
)]
mod storage;
#[cfg(any(test, target_os = "wasi"))]
#[cfg_attr(test, allow(unreachable_pub, reason = "without a backend nobody has a use for it"))]
mod watched;

// WASI 0.1.
#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod poll_oneoff;

// WASI 0.2.
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod arena;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod imports;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod io_poll;

// WASI 0.3, for which there is no target of its own yet: any component without the standard
// library.
#[cfg(any(test, all(target_arch = "wasm32", feature = "waitable-set")))]
mod owners;
#[cfg(any(test, all(target_arch = "wasm32", feature = "waitable-set")))]
#[cfg_attr(test, allow(dead_code, reason = "its tests need less of it"))]
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
#[cfg(any(test, all(target_arch = "wasm32", feature = "waitable-set")))]
pub use waitable_set::{StaticWaitableSet, WaitableSet, WaitableSetStorage, Waker};
