//! The parts that both firmwares share: the board, its console, its network's settings, and the
//! handling of panics and faults.
//!
//! | binary | what it is |
//! | --- | --- |
//! | `echo` | the echo server on Selkie |
//! | `bare` | the same by hand on smoltcp alone, to measure the other against |
#![no_std]

pub mod board;
pub mod console;
mod faults;
pub mod settings;
