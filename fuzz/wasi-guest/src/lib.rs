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

#[path = "../../../wasi-backend/src/arena.rs"]
mod arena;
#[path = "../../../wasi-backend/src/cells.rs"]
mod cells;
#[path = "../../../wasi-backend/src/direction.rs"]
mod direction;
#[path = "../../../wasi-backend/src/handles.rs"]
mod handles;
pub mod host;
#[path = "../../../wasi-backend/src/imports/mod.rs"]
mod imports;
#[path = "../../../wasi-backend/src/io_poll/mod.rs"]
mod io_poll;
#[path = "../../../wasi-backend/src/owners.rs"]
mod owners;
#[path = "../../../wasi-backend/src/poll_oneoff/mod.rs"]
mod poll_oneoff;
#[path = "../../../wasi-backend/src/storage.rs"]
mod storage;
pub mod waitable_set;
#[path = "../../../wasi-backend/src/watched/mod.rs"]
mod watched;

pub use handles::Socket;
pub use host::preview1::{
    clock_time_get, fd_close, fd_fdstat_get, fd_fdstat_set_flags, fd_read, fd_write, poll_oneoff,
    sock_accept, sock_recv, sock_shutdown,
};
pub use io_poll::{IoPoll, IoPollStorage, StaticIoPoll};
pub use poll_oneoff::{PollOneoff, PollOneoffStorage, StaticPollOneoff};
#[doc(no_inline)]
pub use preview1::*;
