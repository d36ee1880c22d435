//! Services as `async fn`, as processes and over real sockets: what clients see, wakes of other
//! threads, a task beside those of the connections.
#![cfg(unix)]

#[path = "../clients/mod.rs"]
#[allow(unused_imports, reason = "the cases are for echo servers")]
mod clients;
#[path = "../clients/frames.rs"]
mod frames;
mod outside;
mod programs;
#[path = "../echo/server.rs"]
#[allow(dead_code, reason = "the tests of the echo server ask for more")]
mod server;
#[path = "../clients/upstream.rs"]
#[allow(dead_code, reason = "no test needs a silent server")]
mod upstream;
