//! The part that the backends share. It is tested on the host.
#![allow(dead_code, unreachable_pub, reason = "each backend uses a part of it")]

pub(crate) mod direction;
#[cfg(all(target_arch = "wasm32", any(target_env = "p2", feature = "waitable-set")))]
pub(crate) mod pages;
pub(crate) mod pair_array;
pub(crate) mod poll_list;
#[cfg(all(target_arch = "wasm32", any(target_env = "p2", feature = "waitable-set")))]
pub(crate) mod realloc;
pub(crate) mod socket_table;
pub(crate) mod storage;
#[cfg(all(target_os = "wasi", feature = "std"))]
pub(crate) mod zeroed;
