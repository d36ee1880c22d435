//! A key-value store in fixed memory that speaks the Redis protocol. The service is `Kv` of
//! `examples/services`; on several cores each has a part of the keys, and `ShardedKv` asks others
//! for theirs.
//!
//! ```text
//! cargo run --release --example kv -- 127.0.0.1:6379
//! redis-cli set greeting hello ex 60
//! redis-benchmark -t set,get -P 16 -c 50 -n 1000000
//! cargo run --release --example kv -- 127.0.0.1:6379 --shards 2
//! ```

mod common;

use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;

#[cfg(unix)]
use selkie::shards::Mail;
#[cfg(unix)]
use selkie_services::{Chain, Flight, Parcel, ShardTables, ShardedKv};
use selkie_services::{Entry, Kv, Store};

/// Keys that there is room for, on each core.
const ENTRIES: usize = 16_384;
/// The longest key.
const KEY: usize = 64;
/// The longest value.
const VALUE: usize = 1024;
/// Commands of a core that are under way to others at once; more wait. A mailbox has room for those
/// of all.
#[cfg(unix)]
const PARCELS: usize = 1024;

const ABOUT: &str = "Keeps keys and values, and speaks the Redis protocol.";

fn main() -> ExitCode {
    // Clients must not know which keys share their slots.
    let seed = RandomState::new().hash_one(0);
    let alone = |_| Kv::new(store(seed));
    #[cfg(not(unix))]
    return common::run("kv", ABOUT, alone);
    #[cfg(unix)]
    common::run_with_mail("kv", ABOUT, alone, PARCELS, |slots, mail| sharded(seed, slots, mail))
}

/// Makes an empty store.
fn store(seed: u64) -> Store<'static, KEY, VALUE> {
    let hashes = vec![0; ENTRIES].leak();
    Store::new(hashes, vec![Entry::EMPTY; ENTRIES].leak(), seed)
}

#[cfg(unix)]
type SharedKv = ShardedKv<'static, Mail<&'static mut Parcel<KEY, VALUE>>, KEY, VALUE>;

/// Makes the service of one of several cores.
#[cfg(unix)]
fn sharded(seed: u64, slots: usize, mail: Mail<&'static mut Parcel<KEY, VALUE>>) -> SharedKv {
    let parcels: Vec<_> = (0..PARCELS).map(|_| Parcel::EMPTY).collect();
    let flights: Vec<_> = parcels.leak().iter_mut().map(Flight::new).collect();
    let tables = ShardTables { flights: flights.leak(), chains: vec![Chain::EMPTY; slots].leak() };
    ShardedKv::new(store(seed), tables, mail, seed)
}
