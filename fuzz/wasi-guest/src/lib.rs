//! The WASI backends as they are in `wasi-backend/src`, file for file, but compiled for the machine
//! of the fuzzer, and with a host that answers as the fuzzer chooses.
//!
//! A real host keeps to its interface; how far the backends trust it beyond that is what the target
//! `wasi` finds out.
//!
//! | system | what is compiled | what stands in for the host |
//! | --- | --- | --- |
//! | WASI 0.1 | all of it | functions in the place of those of the crate `wasi` |
//! | WASI 0.2 | all of it but the export `cabi_realloc` | functions under the names of the imports |
//! | WASI 0.3 | reading results, addresses and events, and the table of handles | values, since there is no call in it |
#![allow(dead_code, reason = "the backends have more than a fuzzer calls")]
#![allow(
    clashing_extern_declarations,
    reason = "0.2 and 0.3 share names, and those of 0.3 are never called"
)]

// The backend of WASI 0.1 says `wasi::` for its host, which is this crate.
extern crate self as wasi;

pub mod host;
#[path = "../../../wasi-backend/src/p1/mod.rs"]
mod p1;
#[path = "../../../wasi-backend/src/p2/mod.rs"]
mod p2;
#[path = "../../../wasi-backend/src/shared/mod.rs"]
mod shared;
pub mod waitable_set;

pub use host::preview1::{
    clock_time_get, fd_close, fd_fdstat_get, fd_fdstat_set_flags, fd_read, fd_write, poll_oneoff,
    sock_accept, sock_recv, sock_shutdown,
};
pub use p1::{PollOneoff, PollOneoffStorage, StaticPollOneoff};
pub use p2::{IoPoll, IoPollStorage, StaticIoPoll};
#[doc(no_inline)]
pub use preview1::*;
pub use shared::socket_table::Socket;
