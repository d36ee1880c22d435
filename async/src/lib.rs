//! Services as `async fn` on the Selkie event loop: one future for each connection, in memory of
//! the caller's, on every platform that the loop runs on.
#![no_std]

#[cfg(any(feature = "alloc", test))]
extern crate alloc;

mod conn;
mod error;
mod halves;
mod io;
mod lent;
mod pool;
mod service;
mod stream;
mod table;
mod time;
mod wake;

pub use conn::Conn;
pub use error::{Elapsed, Error};
pub use halves::{ReadHalf, WriteHalf};
pub use pool::{StaticPool, align_of_task, size_of_task};
pub use service::AsyncService;
pub use table::{TaskSlot, TaskTable};
pub use time::{Sleep, Timeout, Timer};
pub use wake::{WakeFlags, Wakes};
