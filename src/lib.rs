//! An event loop that serves many clients on one thread, with fixed memory, by the same code on
//! Linux, macOS, the BSDs and Windows, in a WebAssembly sandbox and on a microcontroller.
//!
//! The smallest program:
//!
//! ```no_run
//! use selkie::{Peer, Service};
//!
//! /// Sends back what it receives.
//! struct Echo;
//!
//! impl Service for Echo {
//!     type Session = ();
//!
//!     fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
//!         peer.send_some(bytes)
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     selkie::serve("127.0.0.1:7000".parse()?, Echo)?;
//!     Ok(())
//! }
//! ```
//!
//! # Where to go for what
//!
//! | to | read |
//! | --- | --- |
//! | write a service | [`Service`]: what it is told; [`Peer`]: what it can ask for |
//! | write it as an `async fn` | the crate `selkie-async` |
#![cfg_attr(
    all(feature = "std", any(unix, windows, target_os = "wasi")),
    doc = "| set sizes, timeouts, a backend | [`Builder`] |",
    doc = "| stop or drain the server, serve sources of your own beside it | [`front_door`] |"
)]
//! | act on all connections; post messages from other threads | [`peers`]; [`mailbox`] |
//! | set every limit, read every count | [`Config`], [`Counters`], [`CloseReason`], [`counters`] |
//! | put a protocol between bytes and a service; test a service | [`layers`]; [`testing`] |
//! | serve datagrams | [`datagrams`] |
#![cfg_attr(
    all(feature = "std", unix),
    doc = "| use every core | [`shards`] |",
    doc = "| watch signals and child processes | [`sources`] |"
)]
//! | watch sources of your own, with or without a server | [`EventLoop`], [`Handler`] |
//! | choose the memory: on the heap, or in a `static` | [`memory`] |
//! | name a platform or a selector, or use one by itself | [`platform`] |
#![cfg_attr(all(feature = "std", target_os = "linux"), doc = "| serve by `io_uring` | [`uring`] |")]
//! | bring a platform of your own | [`platform`]: the contracts; [`backend`], [`adapters`] |
//!
//! # The parts by themselves
//!
//! `serve` builds this. A program that watches sources of its own, or that is called from outside,
//! builds it by hand:
//!
//! ```no_run
//! use selkie::memory::{HeapLoop, HeapServer};
//! use selkie::platform::{DefaultSelector, Platform};
//! use selkie::{Config, EventLoop, Server};
//! # use selkie::{Peer, Service};
//! # struct Echo;
//! # impl Service for Echo {
//! #     type Session = ();
//! #     fn received(&mut self, peer: &mut Peer<'_>, _: &mut (), bytes: &[u8]) -> usize {
//! #         peer.send_some(bytes)
//! #     }
//! # }
//!
//! let slots = 1025; // 1,024 clients, and the listener.
//! let mut platform = Platform::new(DefaultSelector::new(slots)?, slots)?;
//! let listener = platform.listen("127.0.0.1:7000".parse()?, 128)?;
//!
//! // Two buffers a connection, so that none waits for the buffer of another.
//! let memory = HeapServer::new(slots, 2 * slots, 16 << 10)?;
//! let mut event_loop = EventLoop::new(platform, HeapLoop::new(slots, 256)?);
//! let mut server = Server::new(Echo, Config::DEFAULT, memory);
//! server.listen(&mut event_loop.context(), listener)?;
//! event_loop.run(&mut server)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Platforms
//!
//! | compiled for | this crate is |
//! | --- | --- |
//! | Linux, the BSDs, macOS, Windows | [`selkie_core`] and `selkie_std` |
//! | WebAssembly with WASI 0.1, 0.2 or 0.3 | [`selkie_core`] and `selkie_wasi` |
//! | anything else | [`selkie_core`] |
//!
//! A program that uses only what is in both halves of its platform's row compiles for every row.
//! Without the feature `std` (on by default), it is the core alone. The module `shards` is Unix's.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
pub mod front_door;
#[cfg(feature = "std")]
mod heap;

/// Compiles and runs the README's snippets.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles and runs the recipes.
#[cfg(doctest)]
#[doc = include_str!("../docs/cookbook.md")]
struct Cookbook;

/// Compiles and runs the comparisons.
#[cfg(all(doctest, unix))]
#[doc = include_str!("../docs/coming-from.md")]
struct ComingFrom;

#[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
pub use front_door::{builder::Builder, error::ServeError, serve::serve};
pub use selkie_core::static_memory;
pub use selkie_core::{
    CloseReason, Config, Context, Counters, Error, ErrorKind, Event, EventLoop, Handler, Instant,
    Interest, Mode, Peer, Readiness, SendError, Server, Service, Token,
};
pub use selkie_core::{adapters, backend, counters, datagrams, layers, peers, testing};
#[doc(hidden)]
#[cfg(all(feature = "std", any(unix, windows)))]
pub use selkie_std::for_each_backend;
#[cfg(all(feature = "std", any(unix, windows)))]
pub use selkie_std::sources;
#[cfg(all(target_os = "wasi", target_env = "p2", feature = "waitable-set"))]
pub use selkie_wasi::export_run;

/// The platforms of this system, and the contracts that they implement.
pub mod platform {
    pub use selkie_core::platform::*;
    #[cfg(all(feature = "std", any(unix, windows)))]
    pub use selkie_std::selectors::*;
    #[cfg(all(feature = "std", any(unix, windows)))]
    pub use selkie_std::{
        DescriptorLimit, Platform, Socket, SocketFile, Waker, from_errno, raise_descriptor_limit,
    };
    #[cfg(all(target_os = "wasi", target_env = "p2"))]
    pub use selkie_wasi::{IoPoll, IoPollStorage, Socket, StaticIoPoll};
    #[cfg(all(target_os = "wasi", target_env = "p1"))]
    pub use selkie_wasi::{PollOneoff, PollOneoffStorage, Socket, StaticPollOneoff};
    #[cfg(all(target_os = "wasi", feature = "waitable-set"))]
    pub use selkie_wasi::{
        StaticWaitableSet, WaitableEvent, WaitableSet, WaitableSetStorage, Waker,
    };

    #[cfg(all(feature = "std", target_os = "wasi"))]
    pub use crate::front_door::open::{Backend, UnknownBackend};
}

/// The memory of loops and servers: on the heap, or in a `static`.
pub mod memory {
    pub use selkie_core::memory::*;
    #[cfg(all(feature = "std", any(unix, windows)))]
    pub use selkie_std::memory::*;
    #[cfg(all(feature = "std", target_os = "wasi"))]
    pub use selkie_wasi::memory::*;

    #[cfg(feature = "std")]
    pub use crate::heap::{HeapLoop, HeapServer};
}

/// Messages to connections from other threads.
pub mod mailbox {
    pub use selkie_core::mailbox::*;

    #[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
    pub use crate::front_door::postbox::Postbox;
}

/// Loops on several cores: how connections reach them, their messages, their handle, and how they
/// end.
#[cfg(all(feature = "std", unix))]
pub mod shards {
    pub use selkie_core::shards::*;
    pub use selkie_std::shards::*;

    pub use crate::front_door::shards::{
        FinishedShards, ListeningShards, Mail, ShardFailure, Shards, ShardsHandle,
    };
}

/// The platform over `io_uring`, and a front door with it.
#[cfg(all(feature = "std", target_os = "linux"))]
pub mod uring {
    pub use selkie_std::uring::*;

    pub use crate::front_door::ring::ListeningRing;
}
