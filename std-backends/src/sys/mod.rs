//! The operating system: its error numbers, sources, addresses, clock and limits, in functions that
//! the selectors and the platform share. Each system has the same modules.

mod unix;

pub(crate) use unix::*;
