//! Several loops at one address, each on a thread of its own, with real clients.
#![cfg(unix)]

mod draining;
mod fleet;
mod mail;
mod sharing;
