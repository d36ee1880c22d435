//! A chat: the first line of a client is its nickname, all others go to everybody. A client that
//! does not take what it is sent is disconnected, so no one else waits. The service is `Chat` of
//! `examples/services`.
//!
//! ```text
//! cargo run --release --example chat -- 127.0.0.1:7000
//! nc 127.0.0.1 7000
//! ```

mod common;

use std::process::ExitCode;

use selkie_services::{Chat, Seat};

fn main() -> ExitCode {
    common::run("chat", "Passes lines on to all other clients.", |slots| {
        Chat::new(vec![Seat::EMPTY; slots].leak())
    })
}
