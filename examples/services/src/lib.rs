//! The services that the examples run. They know core and nothing else, so the very same code is
//! served by epoll, in a WebAssembly sandbox and on a microcontroller.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod chat;
mod counted;
mod decimal;
mod dns;
mod echo;
mod http;
mod kv;
mod output_buffer;
mod pool;
mod proxy;
pub mod tasks;

pub use chat::{Chat, ChatCounters, Member, Seat};
pub use counted::Counted;
pub use dns::{
    DNS_MESSAGE_MAX, Dns, DnsCounters, DnsOverTcp, DnsStream, DnsStreamCounters, HostEntry,
    PendingQuery,
};
pub use echo::{Echo, UndrainedEcho};
pub use http::{Http, HttpCounters, HttpSession};
pub use kv::{
    Chain, Entry, Flight, Kv, KvSession, Parcel, ShardTables, ShardedKv, Store, StoreError,
};
pub use pool::{Client, Pool, PoolCounters, count_primes_below};
pub use proxy::{Proxy, ProxyCounters, Tried};
