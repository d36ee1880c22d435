//! Unix.

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod errno;
pub(crate) mod file;
pub(crate) mod io;
pub(crate) mod poll;
pub(crate) mod rlimit;
pub(crate) mod socket;
pub(crate) mod source;
pub(crate) mod source_index;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod wake;
