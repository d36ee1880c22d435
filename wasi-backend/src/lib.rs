//! WebAssembly backends of the Selkie event loop.
//!
//! | system | target | backend | sources |
//! | --- | --- | --- | --- |
//! | WASI 0.1 | `wasm32-wasip1` | `PollOneoff` over `poll_oneoff` | opened by the host |
//! | WASI 0.2 | `wasm32-wasip2` | `IoPoll` over `wasi:io/poll` | listening and connecting |
//! | WASI 0.3 | any, with the feature `waitable-set` | `WaitableSet` | listening and connecting |
//!
//! Each is a selector and a transport in one: it polls sources, and owns the sockets that they
//! stand for. None of them allocates memory. With the feature `std` their tables can be on the
//! heap. Programs that only want a server take the crate `selkie`, which picks the backend.
//!
//! An echo of whole reads on WASI 0.2, without a server:
//!
//! ```ignore
//! use selkie_core::{Close, Event, Events, Interest, Mode, Selector, Token, Transport, Wait};
//! use selkie_wasi::{IoPoll, IoPollStorage};
//!
//! fn main() -> Result<(), selkie_core::Error> {
//!     let mut platform = IoPoll::new(IoPollStorage::leaked(64))?;
//!     let listener = platform.listen("127.0.0.1:7000".parse().unwrap(), 64)?;
//!     let client = loop {
//!         match platform.accept(listener) {
//!             Ok(client) => break client,
//!             Err(error) if error.is_would_block() => {}
//!             Err(error) => return Err(error),
//!         }
//!     };
//!     platform.register(client, Token::new(0, 1), Interest::READABLE, Mode::Level)?;
//!     let (mut slots, mut bytes) = ([Event::EMPTY], [0; 1024]);
//!     loop {
//!         platform.wait(&mut Events::new(&mut slots), None)?;
//!         match platform.read(client, &mut bytes) {
//!             Ok(0) => return platform.close(client, Close::Graceful),
//!             Ok(count) => platform.write(client, &bytes[..count]).map(|_| ())?,
//!             Err(error) if error.is_would_block() => {}
//!             Err(error) => return Err(error),
//!         }
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
#[doc(hidden)]
pub use p2::__cabi_realloc_without_allocator;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
pub use p2::{IoPoll, IoPollStorage, StaticIoPoll};
waitable_set! {
    pub use p3::{StaticWaitableSet, WaitableSet, WaitableSetStorage, Waker};
}
#[cfg(any(test, target_os = "wasi", all(target_arch = "wasm32", feature = "waitable-set")))]
pub use shared::socket_table::Socket;
