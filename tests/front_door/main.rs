//! The front door from outside: its memory, Unix sockets, inherited listeners, vanished peers.
#![cfg(unix)]

mod listeners;
mod memory;
#[cfg(target_os = "linux")]
mod network;
mod static_memory;
#[cfg(target_os = "linux")]
mod vanishing;
