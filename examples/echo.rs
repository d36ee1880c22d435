//! An echo server for many clients on one thread. The service is `Echo` of `examples/services`.
//!
//! ```text
//! cargo run --release --example echo -- 127.0.0.1:7000 --capacity 1024
//! nc 127.0.0.1 7000
//! ```

mod common;

use std::process::ExitCode;

use selkie_services::Echo;

fn main() -> ExitCode {
    common::run("echo", "Echoes what its clients send, many of them on one thread.", |_| Echo)
}
