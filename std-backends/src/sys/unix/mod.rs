//! Unix.

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod errno;
pub(crate) mod fd;
pub(crate) mod fd_table;
pub(crate) mod rlimit;
