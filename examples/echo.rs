//! An echo server for many clients on one thread. The service is `Echo` of `examples/services`.
//!
//! ```text
//! cargo run --release --example echo -- 127.0.0.1:7000 --capacity 1024
//! nc 127.0.0.1 7000
//! cargo run --release --example echo -- --shards 2 --distribution least-loaded
//! ```

mod common;

use std::process::ExitCode;

use selkie_services::Echo;

fn main() -> ExitCode {
    let about = "Echoes what its clients send, many on one thread, or on several.";
    common::run_on_cores("echo", about, |_, _: &common::NoArguments| Echo)
}
