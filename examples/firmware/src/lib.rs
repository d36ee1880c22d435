//! The firmware without its service: the drivers of a board, the console, the settings of the
//! network, the main loop, and the handling of panics and faults.
//!
//! | binary | what it is |
//! | --- | --- |
//! | `echo` | the echo server on Selkie |
//! | `smallest` | an echo server without a console, in forty lines |
//! | `bare` | the same by hand on smoltcp alone, to measure the other against |
//! | `http`, `chat` | the services of the examples of these names |
//! | `async_echo`, `async_frames`, `async_proxy` | a task for each connection |
#![no_std]

pub mod board;
pub mod console;
mod faults;
mod run;
pub mod settings;
mod tasks;

pub use run::{Listen, Memory, SLOTS, run};
pub use tasks::Tasks;
