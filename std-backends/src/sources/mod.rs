//! Sources that are no streams: signals, and the ends of child processes. Each is a descriptor that
//! becomes readable, so every selector can watch it.

mod child_exit;
mod signals;

pub use child_exit::ChildExit;
pub use signals::Signals;
