//! What the benchmarks share. Each of them is a program of its own and uses its part.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `arguments.rs` | the command line, and the roles that a benchmark starts itself in |
//! | `rounds.rs`, `statistics.rs`, `table.rs` | interleaving, medians and ratios, printing |
//! | `process.rs` | CPU time, memory and context switches of a process |
//! | `tools.rs` | counting instructions with callgrind and system calls with strace |
//! | `epoll.rs` | the system calls of the hand-written loops |
//! | `toy.rs` | a platform without a system, for what depends on the server alone |
//! | `relay.rs` | a relay of two connections, by hand and as a service |
//! | `dispatch/` | the dispatch benchmark: its sources, its load, its contestants |
//! | `echo/` | the echo benchmark: its client, its contestants, and how they are started |
#![allow(dead_code, unused_imports, reason = "each benchmark uses its part of this")]

pub(crate) mod arguments;
pub(crate) mod dispatch;
pub(crate) mod echo;
pub(crate) mod epoll;
pub(crate) mod process;
pub(crate) mod relay;
pub(crate) mod rounds;
pub(crate) mod statistics;
pub(crate) mod table;
pub(crate) mod tools;
pub(crate) mod toy;

/// The most events that one wait fetches, for every contestant alike.
pub(crate) const BATCH: usize = 1024;
