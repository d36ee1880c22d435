//! A framed protocol of requests and responses as an `async fn`, with a timeout for each frame.
//! The task, and the protocol, are in `examples/services/src/tasks/frames.rs`.
//!
//! ```text
//! cargo run --release --example async_frames -- 127.0.0.1:7000
//! printf '\0\6uhello' | nc -q 1 127.0.0.1 7000 | od -c
//! ```

mod common;

use std::process::ExitCode;

use selkie_async::AsyncService;
use selkie_services::tasks::frames;

fn main() -> ExitCode {
    common::run("async_frames", "Answers requests in frames, a task for each client.", |slots| {
        AsyncService::boxed(slots, frames)
    })
}
