//! One name for Selkie on every platform: the core, and the backends of the platform that is
//! compiled for.
//!
//! | compiled for | this crate is |
//! | --- | --- |
//! | Linux, the BSDs, macOS | [`selkie_core`] and `selkie_std` |
//! | WebAssembly with WASI 0.1 or 0.2 | [`selkie_core`] and `selkie_wasi` |
//! | anything else | [`selkie_core`] |
//!
//! A program that uses only what is in both halves of its platform's row compiles for every row.
//! Without the feature `std` (on by default), it is the core alone.
//!
//! ```no_run
//! use selkie::{
//!     Config, DefaultSelector, EventLoop, HeapLoop, HeapServer, Peer, Platform, Server, Service,
//! };
//!
//! /// Sends back what it receives.
//! struct Echo;
//!
//! impl Service for Echo {
//!     type Session = ();
//!
//!     fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
//!         peer.send(bytes).map_or(0, |()| bytes.len())
//!     }
//! }
//!
//! // A thousand clients, one listener, and no waker.
//! let slots = 1001;
//! let mut platform = Platform::new(DefaultSelector::new(slots)?, slots)?;
//! let listener = platform.listen("127.0.0.1:7000".parse()?, 128)?;
//!
//! let mut event_loop = EventLoop::new(platform, HeapLoop::new(slots, 256)?);
//! let mut server_memory = HeapServer::new(slots, 2 * slots, 16 * 1024)?;
//! let mut server = Server::new(Echo, Config::DEFAULT, server_memory.storage());
//! server.listen(&mut event_loop.context(), listener)?;
//! event_loop.run(&mut server)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(all(feature = "std", any(unix, target_os = "wasi")))]
mod front_door;
#[cfg(feature = "std")]
mod heap;

/// Compiles and runs the README's snippets.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(feature = "std", target_os = "wasi"))]
pub use front_door::{Backend, UnknownBackend};
#[cfg(all(feature = "std", any(unix, target_os = "wasi")))]
pub use front_door::{Builder, Finished, Handle, Listening, ServeError, serve};
#[cfg(feature = "std")]
pub use heap::{HeapLoop, HeapServer};
pub use selkie_core::*;
#[cfg(all(unix, feature = "std"))]
pub use selkie_std::*;
#[cfg(target_os = "wasi")]
pub use selkie_wasi::*;
