//! Sources that are no streams: signals, and the ends of child processes. Each is a descriptor that
//! becomes readable, so every selector can watch it.

#[cfg(unix)]
mod child_exit;
#[cfg(unix)]
mod signals;
#[cfg(windows)]
mod unsupported;

#[cfg(unix)]
pub use child_exit::ChildExit;
#[cfg(unix)]
pub use signals::Signals;
#[cfg(windows)]
pub use unsupported::{ChildExit, Signals};
