//! Windows: Winsock, completion ports, and the device AFD behind them.

pub(crate) mod address;
pub(crate) mod afd;
pub(crate) mod clock;
pub(crate) mod errno;
pub(crate) mod file;
pub(crate) mod io;
pub(crate) mod poll;
pub(crate) mod port;
pub(crate) mod rlimit;
pub(crate) mod select;
pub(crate) mod socket;
pub(crate) mod source;
pub(crate) mod source_index;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod wake;
