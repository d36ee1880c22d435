//! An event loop that serves many clients on one thread, with fixed memory, by the same code on
//! Linux, the BSDs and macOS, in a WebAssembly sandbox and on a microcontroller.
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
#![cfg_attr(
    all(feature = "std", any(unix, windows, target_os = "wasi")),
    doc = "| set sizes, time-outs, a backend, and stop the server | [`Builder`], [`Handle`] |"
)]
//! | set every limit, and read the counters | [`Config`], [`Counters`], [`CloseReason`] |
//! | watch sources of your own beside the server, or without one | [`EventLoop`], [`Handler`] |
#![cfg_attr(
    all(feature = "std", unix),
    doc = "| wait for descriptors, and nothing else | a selector: [`DefaultSelector`] |"
)]
//! | have all memory in a `static` | [`memory`] |
//! | bring a platform of your own | [`platform`], [`backend`], [`adapters`] |
//!
//! # The parts by themselves
//!
//! `serve` builds this. A program that watches sources of its own, or that is called from outside,
//! builds it by hand:
//!
//! ```no_run
//! use selkie::{
//!     Config, DefaultSelector, EventLoop, HeapLoop, HeapServer, Platform, Server,
//! };
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
//! Without the feature `std` (on by default), it is the core alone.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
mod front_door;
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

#[cfg(all(feature = "std", target_os = "linux"))]
pub use front_door::ListeningRing;
#[cfg(all(feature = "std", unix))]
pub use front_door::Shards;
#[cfg(all(feature = "std", target_os = "wasi"))]
pub use front_door::{Backend, UnknownBackend};
#[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
pub use front_door::{Builder, Finished, Handle, Listening, Postbox, Ready, ServeError, serve};
#[cfg(feature = "std")]
pub use heap::{HeapLoop, HeapServer};
pub use selkie_core::*;
#[cfg(all(any(unix, windows), feature = "std"))]
pub use selkie_std::*;
#[cfg(target_os = "wasi")]
pub use selkie_wasi::*;

/// Loops on several cores: how connections reach them, their messages, their handle, and how they
/// end.
#[cfg(all(feature = "std", unix))]
pub mod shards {
    pub use selkie_core::shards::*;
    pub use selkie_std::shards::*;

    pub use crate::front_door::{
        FinishedShards, ListeningShards, Mail, ShardFailure, ShardsHandle,
    };
}
