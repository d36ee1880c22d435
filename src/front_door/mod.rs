//! The results of [`serve`](crate::serve) and [`Builder`](crate::Builder): a server that listens,
//! the handle by which it is ended, and what is left of it.

pub(crate) mod builder;
pub(crate) mod error;
mod handle;
mod listening;
#[cfg_attr(any(unix, windows), path = "open/native.rs")]
#[cfg_attr(all(target_os = "wasi", target_env = "p1"), path = "open/p1.rs")]
#[cfg_attr(all(target_os = "wasi", target_env = "p2"), path = "open/p2.rs")]
pub(crate) mod open;
pub(crate) mod postbox;
#[cfg(target_os = "linux")]
pub(crate) mod ring;
pub(crate) mod serve;
#[cfg(unix)]
pub(crate) mod shards;

pub use handle::Handle;
pub use listening::{Finished, Listening, Ready};
