//! Services as `async fn` on the Selkie event loop: one future for each connection, in memory of
//! the caller's, on every platform that the loop runs on, with no allocator.
//!
//! [`AsyncService`] is a [`Service`](selkie_core::Service) like any other: the server around it
//! accepts, reads, writes, keeps deadlines, applies backpressure and drains. What the function
//! gets is a [`Conn`].
//!
//! ```
//! use selkie_async::{AsyncService, Conn};
//!
//! /// Sends back what it receives.
//! async fn echo(mut conn: Conn<'_>) {
//!     let mut buffer = [0; 256];
//!     while let Ok(count @ 1..) = conn.read(&mut buffer).await {
//!         if conn.write_all(&buffer[..count]).await.is_err() {
//!             break;
//!         }
//!     }
//! }
//!
//! # #[cfg(feature = "alloc")]
//! # {
//! // In memory from the heap, taken once: `selkie::serve(address, service)` serves it.
//! let service = AsyncService::boxed(1024, echo);
//! # drop(service);
//! # }
//! ```
//!
//! # Memory
//!
//! | memory | for each slot of the loop | where |
//! | --- | --- | --- |
//! | futures | the size of the future, see [`size_of_task`] | pinned: [`pin!`](core::pin::pin), a [`StaticPool`], or boxed |
//! | [`TaskSlot`] | 24 bytes | in any memory that outlives the futures |
//! | [`WakeFlags`] | 2 bytes, in groups of 64 bytes | `'static`, since a waker may outlive everything else |
//!
//! Nothing is allocated while it runs. With the feature `alloc` (on by default)
//! `AsyncService::boxed` takes all of it from the heap at start.
//!
//! # How a task is polled
//!
//! ```text
//!   server calls back        received, writable, timer_expired, ...
//!     |
//!   AsyncService             lends the peer, and the bytes that are offered
//!     |
//!   your future              conn.read().await  takes from the lent bytes
//!     |                      conn.write().await sends through the lent peer
//!   the peer is taken back, and the bytes that were not taken stay with the server
//! ```
//!
//! So a [`Conn`] works while its own task is polled, and only then. Futures may be combined as with
//! any other executor, by `join` and `select` for instance, as long as a poll of the combination
//! polls its parts: those that poll only the parts whose own waker was called, such as
//! `FuturesUnordered`, are not supported.
//!
//! A task that was woken by another one, or by a channel, is polled in the next turn.
#![no_std]

#[cfg(any(feature = "alloc", test))]
extern crate alloc;

mod conn;
mod connect;
mod error;
mod halves;
mod handler;
mod io;
mod lent;
mod pool;
mod service;
mod stream;
mod table;
mod time;
mod wake;

pub use conn::Conn;
pub use connect::Connect;
pub use error::{Elapsed, Error};
pub use halves::{ReadHalf, WriteHalf};
pub use handler::TaskServer;
pub use pool::{StaticPool, align_of_task, size_of_task};
pub use service::AsyncService;
pub use table::{TaskSlot, TaskTable};
pub use time::{Sleep, Timeout, Timer};
pub use wake::{WakeFlags, Wakes};
