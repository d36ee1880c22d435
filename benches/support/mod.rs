//! The part that the benchmarks share. Each of them is a program of its own and uses its part.
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
#![allow(dead_code, unused_imports, unused_macros, reason = "each benchmark uses its part of this")]

/// Defines `main`: it runs `linux::main`, and elsewhere prints why the benchmark needs Linux.
macro_rules! linux_main {
    ($reason:literal) => {
        fn main() {
            #[cfg(target_os = "linux")]
            linux::main();
            #[cfg(not(target_os = "linux"))]
            println!($reason);
        }
    };
}

#[cfg(target_os = "linux")]
pub(crate) mod arguments;
#[cfg(target_os = "linux")]
pub(crate) mod dispatch;
#[cfg(target_os = "linux")]
pub(crate) mod echo;
#[cfg(target_os = "linux")]
pub(crate) mod epoll;
#[cfg(target_os = "linux")]
pub(crate) mod process;
#[cfg(target_os = "linux")]
pub(crate) mod relay;
#[cfg(target_os = "linux")]
pub(crate) mod rounds;
#[cfg(target_os = "linux")]
pub(crate) mod statistics;
#[cfg(target_os = "linux")]
pub(crate) mod table;
#[cfg(target_os = "linux")]
pub(crate) mod tools;
#[cfg(target_os = "linux")]
pub(crate) mod toy;

/// The most events that one wait fetches, for every contestant alike.
pub(crate) const BATCH: usize = 1024;
