//! The platform-free half of Selkie: an event loop and a server with fixed memory, for every
//! platform that can say what is ready.
//!
//! One thread serves many clients: it *registers* sources, *waits* until some of them are ready,
//! and *handles* these. This crate is the platform-independent part. It needs no standard library
//! and no allocator, contains no unsafe code, and never reads a clock; memory and time are given to
//! it.
//!
//! ```text
//!   Server      accept, read, flush, deadlines, drain     serves a Service (memory in, memory out)
//!   EventLoop   wait or poll -> dispatch -> expire        runs a Handler
//!   Registry  Timers  Events                              fixed tables in borrowed memory
//!   Selector  Wait  Wake  Transport  Datagrams            the contracts that platforms implement
//! ```
//!
//! Platforms are crates of their own: `selkie-std` for native systems, `selkie-wasi`,
//! `selkie-smoltcp`. The crate `selkie` joins core and the platforms of its target under one name.
//!
//! # A service
//!
//! What most people write is a [`Service`]; see there for an echo in ten lines. A [`Server`] feeds
//! it, an [`EventLoop`] runs the server.
//!
//! # A loop of your own
//!
//! Without the server layer, a [`Handler`] is told which sources are ready and which deadlines have
//! passed. This one runs over [`DevicePoller`](adapters::DevicePoller), which asks [`embedded_io`]
//! devices:
//!
//! ```
//! use selkie_core::adapters::DevicePoller;
//! use selkie_core::memory::StaticLoop;
//! use selkie_core::platform::Transport;
//! use selkie_core::{Context, Event, EventLoop, Handler, Instant, Interest, Mode};
//! # use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
//! # struct Uart(&'static [u8]);
//! # impl ErrorType for Uart { type Error = ErrorKind; }
//! # impl ReadReady for Uart {
//! #     fn read_ready(&mut self) -> Result<bool, ErrorKind> { Ok(!self.0.is_empty()) }
//! # }
//! # impl WriteReady for Uart { fn write_ready(&mut self) -> Result<bool, ErrorKind> { Ok(true) } }
//! # impl Read for Uart {
//! #     fn read(&mut self, b: &mut [u8]) -> Result<usize, ErrorKind> {
//! #         Ok(self.0.read(b).unwrap())
//! #     }
//! # }
//! # impl Write for Uart {
//! #     fn write(&mut self, b: &[u8]) -> Result<usize, ErrorKind> { Ok(b.len()) }
//! #     fn flush(&mut self) -> Result<(), ErrorKind> { Ok(()) }
//! # }
//!
//! type Platform = DevicePoller<Uart, 1, 4>;
//!
//! struct Console {
//!     uart: selkie_core::adapters::Device,
//!     received: usize,
//! }
//!
//! impl Handler<Platform> for Console {
//!     fn ready(&mut self, context: &mut Context<'_, Platform>, _event: Event) {
//!         let mut line = [0; 80];
//!         self.received += context.platform.read(self.uart, &mut line).unwrap_or(0);
//!     }
//! }
//!
//! let mut platform = Platform::new();
//! # let uart = Uart(b"help\n");
//! let uart = platform.add(uart).ok().expect("there is room for one device");
//! let mut event_loop = EventLoop::new_at(platform, StaticLoop::<4, 8>::new(), Instant::ZERO);
//! event_loop.context().register(uart, Interest::READABLE, Mode::Level)?;
//!
//! let mut console = Console { uart, received: 0 };
//! let again = event_loop.turn(Instant::ZERO, &mut console)?;
//! assert_eq!(console.received, 5);
//! assert_eq!(again, Some(Instant::ZERO), "something was ready, so more may be");
//! # Ok::<(), selkie_core::Error>(())
//! ```
//!
//! # Where to go for what
//!
//! | to | read |
//! | --- | --- |
//! | write a service | [`Service`]: what it is told; [`Peer`]: what it can ask for |
//! | act on all connections, see who connected | [`peers`] |
//! | post messages to connections from other threads | [`mailbox`] |
//! | send messages between the services of several loops | [`shards`] |
//! | set every limit, read every count | [`Config`], [`Counters`], [`CloseReason`], [`counters`] |
//! | put a protocol between bytes and a service | [`layers`] |
//! | test a service without a server | [`testing`] |
//! | serve datagrams | [`datagrams`] |
//! | watch sources of your own | [`EventLoop`], [`Handler`], [`Context`] |
//! | have all memory in a `static` | [`memory`] |
//! | join two platforms, or poll devices | [`adapters`] |
//! | bring a platform of your own | [`platform`]: the contracts; [`backend`]: shared parts |
//!
//! # Tokens
//!
//! A [`Token`] names one registered source until it is deregistered, and nothing else ever after.
//! So an event for a source that was closed earlier in the same batch, and whose slot another has
//! by now, is dropped and counted instead of delivered to the wrong one.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

pub mod adapters;
mod address_table;
pub mod backend;
mod bitset;
mod compact;
mod contract;
pub mod datagrams;
#[cfg(feature = "defmt")]
mod defmt;
mod event_loop;
mod front_door;
pub mod layers;
mod server;
pub mod shards;
pub mod testing;

pub use contract::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};
pub use event_loop::{Context, EventLoop, Handler};
pub use server::{CloseReason, Config, Counters, Peer, SendError, Server, Service};

/// The contracts that platforms implement, and the values that only they and generic code name.
pub mod platform {
    pub use crate::contract::{
        Capabilities, Close, Datagram, Datagrams, Events, KeepAlive, ListenOptions, Selector,
        Transport, Wait, Wake,
    };
}

/// The memory of loops and servers, which the caller provides; the tables in it; a front door that
/// needs no other memory.
pub mod memory {
    pub use crate::address_table::LimitEntry;
    pub use crate::event_loop::{
        LoopMemory, LoopStorage, Registry, Slot, StaticLoop, Storage, TimerMark, TimerSlot, Timers,
    };
    pub use crate::front_door::{StaticBuilder, StaticFrontDoor, StaticMemory};
    pub use crate::server::{
        Block, ConnectionEntry, Entry, ServerMemory, ServerStorage, ServerTables, StaticServer,
        WithLimits,
    };
}

/// The figures of a loop, and those of a server as text. [`Counters`] has the server's.
pub mod counters {
    pub use crate::event_loop::LoopCounters;
    pub use crate::server::Sample;
}

/// Messages to connections from other threads.
pub mod mailbox {
    #[cfg(target_has_atomic = "ptr")]
    pub use crate::server::Mailbox;
    pub use crate::server::Receives;
}

/// All connections of a server at once, and how each began. [`Peer`] is one connection.
pub mod peers {
    pub use crate::server::{Origin, Peers};
}
