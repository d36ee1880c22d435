//! The operating system: its error numbers, sources, addresses, clock and limits, in functions that
//! the selectors and the platform share. Each system has the same modules.

pub(crate) mod descriptor_limit;
pub(crate) mod retry;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;
