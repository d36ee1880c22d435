//! The services that the examples run. They know core and nothing else, so the very same code is
//! served by epoll, in a WebAssembly sandbox and on a microcontroller.
#![no_std]
#![forbid(unsafe_code)]

mod echo;

pub use echo::Echo;
