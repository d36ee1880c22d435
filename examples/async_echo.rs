//! The echo server as an `async fn`: a task for each client, all in memory that is taken at start.
//! The task is `echo` of `examples/services/src/tasks`.
//!
//! ```text
//! cargo run --release --example async_echo -- 127.0.0.1:7000 --capacity 1024
//! nc 127.0.0.1 7000
//! ```

mod common;

use std::process::ExitCode;

use selkie_async::AsyncService;
use selkie_services::tasks::echo;

fn main() -> ExitCode {
    common::run("async_echo", "Echoes what its clients send, a task for each.", |slots| {
        AsyncService::boxed(slots, echo)
    })
}
