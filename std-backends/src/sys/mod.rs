//! The operating system: its error numbers, sources, addresses, clock and limits, in functions that
//! the selectors and the platform share. Each system has the same modules.

pub(crate) mod retry;
mod unix;

pub(crate) use unix::*;
