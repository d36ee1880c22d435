//! WebAssembly backends of the Selkie event loop.
//!
//! | system | target | backend | sources |
//! | --- | --- | --- | --- |
//! | WASI 0.1 | `wasm32-wasip1` | `PollOneoff` over `poll_oneoff` | opened by the host; standard input |
//! | WASI 0.2 | `wasm32-wasip2` | `IoPoll` over `wasi:io/poll` | listening and connecting; UDP, standard input, names, other pollables |
//! | WASI 0.3 | any, with the feature `waitable-set` | `WaitableSet` | listening and connecting; UDP, standard input, names, other waitables |
//!
//! Each is a selector and a transport in one: it polls sources, and owns the sockets that they
//! stand for. None of them allocates memory. With the feature `std` their tables can be on the
//! heap. Programs that only want a server take the crate `selkie`, which picks the backend.
//!
//! An echo server for one client at a time on WASI 0.2, without the layers of Selkie above:
//!
#![cfg_attr(all(target_os = "wasi", target_env = "p2", feature = "std"), doc = "```no_run")]
#![cfg_attr(not(all(target_os = "wasi", target_env = "p2", feature = "std")), doc = "```text")]
//! use selkie_core::platform::{Close, Events, Selector, Transport, Wait};
//! use selkie_core::{Error, Event, Interest, Mode, Token};
//! use selkie_wasi::{IoPoll, IoPollStorage, Socket};
//!
//! /// Waits until a source is readable.
//! fn wait_for(platform: &mut IoPoll<'_>, source: Socket) -> Result<(), Error> {
//!     let token = Token::new(0, 1);
//!     platform.register(source, token, Interest::READABLE, Mode::Level)?;
//!     platform.wait(&mut Events::new(&mut [Event::EMPTY]), None)?;
//!     platform.deregister(source, token)
//! }
//!
//! fn main() -> Result<(), Error> {
//!     let mut platform = IoPoll::new(IoPollStorage::leaked(64))?;
//!     let listener = platform.listen("127.0.0.1:7000".parse().expect("an address"), 64)?;
//!     let mut bytes = [0; 1024];
//!     loop {
//!         wait_for(&mut platform, listener)?;
//!         let Ok(client) = platform.accept(listener) else { continue };
//!         loop {
//!             wait_for(&mut platform, client)?;
//!             match platform.read(client, &mut bytes) {
//!                 Ok(0) => break,
//!                 // A server would wait for room in place of dropping what is not taken.
//!                 Ok(count) => drop(platform.write(client, &bytes[..count])),
//!                 Err(error) if error.is_would_block() => {}
//!                 Err(_) => break,
//!             }
//!         }
//!         platform.close(client, Close::Graceful)?;
//!     }
//! }
//! ```
#![no_std]

#[cfg(any(test, all(target_os = "wasi", feature = "std")))]
extern crate std;

/// Compiles items for WASI 0.3, and for tests on the host.
macro_rules! waitable_set {
    ($($item:item)*) => {$(
        #[cfg(any(test, all(target_arch = "wasm32", feature = "waitable-set")))]
        $item
    )*};
}

#[cfg(any(test, target_os = "wasi", all(target_arch = "wasm32", feature = "waitable-set")))]
mod shared;

#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod p1;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod p2;
waitable_set! {
    #[cfg_attr(test, allow(dead_code, reason = "its tests use a part of it"))]
    mod p3;
}

#[cfg(all(target_os = "wasi", target_env = "p1"))]
pub use p1::{PollOneoff, PollOneoffStorage, StaticPollOneoff};
#[cfg(all(target_os = "wasi", target_env = "p2"))]
pub use p2::{IoPoll, IoPollStorage, StaticIoPoll};
#[cfg(all(target_os = "wasi", target_env = "p2", feature = "std", feature = "waitable-set"))]
#[doc(hidden)]
pub use p3::{__RUN_TYPE, __run_result};
waitable_set! {
    pub use p3::{StaticWaitableSet, WaitableEvent, WaitableSet, WaitableSetStorage, Waker};
}
#[cfg(all(target_arch = "wasm32", any(target_env = "p2", feature = "waitable-set")))]
#[doc(hidden)]
pub use shared::realloc::__cabi_realloc_without_allocator;
#[cfg(any(test, target_os = "wasi", all(target_arch = "wasm32", feature = "waitable-set")))]
pub use shared::socket_table::Socket;

/// Tables on the heap: slices of zeros in fresh pages.
#[cfg(all(target_os = "wasi", feature = "std"))]
pub mod memory {
    pub use crate::shared::zeroed::{Zeroable, ZeroedSlice, zeroed_slice};
}
