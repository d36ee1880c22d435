//! The operating system: its error numbers, descriptors, addresses, clock and limits, in functions
//! that the selectors and the platform share.

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod errno;
pub(crate) mod fd;
pub(crate) mod rlimit;
