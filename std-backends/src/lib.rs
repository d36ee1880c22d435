//! Native backends of the Selkie event loop: select, poll, epoll, kqueue and AFD, a waker, TCP and
//! UDP.
//!
//! | system | [`DefaultSelector`] | also |
//! | --- | --- | --- |
//! | Linux, Android | `Epoll` | [`Poll`], [`Select`]; `Kqueue` with the feature `libkqueue` |
//! | FreeBSD, `DragonFly` BSD, NetBSD, OpenBSD, Apple's | `Kqueue` | [`Poll`], [`Select`] |
//! | other Unix | [`Poll`] | [`Select`] |
//! | Windows | `Afd` | [`Poll`] (`WSAPoll`), [`Select`] |
//!
//! [`AnySelector`]: selectors::AnySelector
//! [`DefaultSelector`]: selectors::DefaultSelector
//! [`Poll`]: selectors::Poll
//! [`Select`]: selectors::Select
//!
//! There are two ways to use it.
//!
//! **As a platform** for the server layer: a [`Platform`] owns descriptors and does I/O on them,
//! over any of the selectors, or one that is chosen when the program runs ([`AnySelector`]).
//!
//! **As a selector** by itself, over descriptors that the caller owns and lends:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::os::fd::AsFd;
//! use std::time::Duration;
//!
//! use selkie_core::memory::{Registry, Slot};
//! use selkie_core::platform::{Events, Selector, Wait};
//! use selkie_core::{Event, Interest, Mode};
//! use selkie_std::selectors::DefaultSelector;
//!
//! # fn main() -> std::io::Result<()> {
//! let (mut reader, mut writer) = std::io::pipe()?;
//! let mut registry = Registry::new([Slot::EMPTY; 4]);
//! let mut slots = [Event::EMPTY; 8];
//! let mut events = Events::new(&mut slots);
//!
//! let lent = reader.try_clone()?;
//! let mut selector = DefaultSelector::new(4)?;
//! let token = registry.insert()?;
//! selector.register(lent.as_fd(), token, Interest::READABLE, Mode::Level)?;
//!
//! writer.write_all(b"hello")?;
//! selector.wait_for(&mut events, Duration::from_secs(10))?;
//! for event in &events {
//!     assert!(registry.contains(event.token) && event.readiness.is_readable());
//!     let mut bytes = [0; 5];
//!     reader.read_exact(&mut bytes)?;
//!     assert_eq!(&bytes, b"hello");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # A source table of your own
//!
//! A [`Registry`](selkie_core::memory::Registry) issues tokens for a program that has no table of
//! its sources. A program that has one needs none: any index below the selector's capacity makes a
//! token, together with a generation that is not 0. The descriptor itself is such an index:
//!
//! ```
//! use std::collections::HashMap;
//! use std::os::fd::{AsFd, AsRawFd};
//! use std::os::unix::net::UnixStream;
//! use std::time::Duration;
//!
//! use selkie_core::platform::{Events, Selector, Wait};
//! use selkie_core::{Event, Interest, Mode, Token};
//! use selkie_std::selectors::DefaultSelector;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (near, far) = UnixStream::pair()?;
//! let streams: HashMap<usize, UnixStream> =
//!     [near, far].into_iter().map(|stream| (stream.as_raw_fd() as usize, stream)).collect();
//!
//! // Descriptors are small numbers: 1,024 of them is the usual limit of a process.
//! let mut selector = DefaultSelector::new(1024)?;
//! for (fd, stream) in &streams {
//!     let token = Token::new(u32::try_from(*fd)?, 1);
//!     selector.register(stream.as_fd(), token, Interest::WRITABLE, Mode::Level)?;
//! }
//! let mut slots = [Event::EMPTY; 8];
//! let mut events = Events::new(&mut slots);
//! selector.wait_for(&mut events, Duration::from_secs(10))?;
//! for event in &events {
//!     let stream = &streams[&event.token.index()];
//!     assert!(stream.peer_addr().is_ok());
//! }
//! assert_eq!(events.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! The system gives a descriptor's number to another file once it is closed. If a batch may have an
//! event of the closed one, count the generation up with each registration of a number and compare
//! it, as a registry does. `Epoll`, `Kqueue` and [`Waker`] have a descriptor too
//! ([`AsFd`](std::os::fd::AsFd)), which another selector can watch.
//!
//! # Where to go for what
//!
//! | to | read |
//! | --- | --- |
//! | serve connections | [`Platform`], its handle [`Socket`], and a [`Waker`] |
//! | wait for descriptors, choose a selector | [`selectors`] |
//! | watch signals and child processes | [`sources`] |
//! | serve by completions in place of readiness | `uring` (Linux) |
//! | share connections out among several loops | [`shards`] |
//! | have tables on the heap, or open more descriptors | [`memory`], [`raise_descriptor_limit`] |
//!
//! # Signals
//!
//! A signal ends a wait early and without events, so that the caller can look at the flags that its
//! signal handler has set. The event loop then waits again by itself.
//!
//! # Limits
//!
//! * A descriptor must be below the hard limit that the process had when its selector was made, and
//!   below 2^22.
//! * `select` takes no descriptor from 1024 on where the system does not: on Apple's systems.
//!   illumos: from 65,536 on.
//! * Regular files are refused by `epoll` and `kqueue`, and always ready for `poll` and `select`.
//! * [`Mode::Edge`](selkie_core::Mode::Edge) works with `epoll` and `kqueue` only.
//! * After a `fork`, the child makes its own selector.
//! * On Windows a source is a socket: the examples of this page, which use pipes, are Unix's.
//!   Signals, child processes, Unix sockets and addresses that listeners share are
//!   [`Unsupported`](selkie_core::ErrorKind::Unsupported). [`shards`] has neither `pin_to_cpu`
//!   nor `steer_by_cpu`.
#![cfg(any(unix, windows))]

include!(concat!(env!("OUT_DIR"), "/for_each_backend.rs"));

pub mod memory;
mod platform;
mod selector;
pub mod shards;
pub mod sources;
mod sys;
#[cfg(target_os = "linux")]
pub mod uring;
mod waker;

pub use platform::{Platform, Socket, SocketFile};
pub use sys::descriptor_limit::DescriptorLimit;
pub use sys::errno::from_errno;
pub use sys::rlimit::raise_descriptor_limit;
pub use waker::Waker;

/// The selectors of this system, and the one that is chosen when the program runs.
pub mod selectors {
    #[cfg(has_afd)]
    pub use crate::selector::Afd;
    #[cfg(has_epoll)]
    pub use crate::selector::Epoll;
    #[cfg(has_kqueue)]
    pub use crate::selector::Kqueue;
    pub use crate::selector::{
        AnySelector, Backend, DefaultSelector, FdSelector, Poll, Select, UnknownBackend,
    };
    #[cfg(has_afd)]
    pub use crate::sys::afd::AfdOperation;
}
