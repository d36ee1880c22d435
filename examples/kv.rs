//! A key-value store in fixed memory that speaks the Redis protocol. The service is `Kv` of
//! `examples/services`.
//!
//! ```text
//! cargo run --release --example kv -- 127.0.0.1:6379
//! redis-cli set greeting hello ex 60
//! redis-benchmark -t set,get -P 16 -c 50 -n 1000000
//! ```

mod common;

use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;

use selkie_services::{Entry, Kv, Store};

/// Keys that there is room for.
const ENTRIES: usize = 16_384;
/// The longest key.
const KEY: usize = 64;
/// The longest value.
const VALUE: usize = 1024;

fn main() -> ExitCode {
    common::run("kv", "Keeps keys and values, and speaks the Redis protocol.", |_| {
        let hashes = vec![0; ENTRIES].leak();
        let entries = vec![Entry::<KEY, VALUE>::EMPTY; ENTRIES].leak();
        // Clients must not know which keys share their slots.
        let seed = RandomState::new().hash_one(0);
        Kv::new(Store::new(hashes, entries, seed))
    })
}
