//! A TCP proxy as an `async fn`: the client's task connects to a server, and relays in both
//! directions. The task is `proxy` of `examples/services/src/tasks`.
//!
//! ```text
//! cargo run --release --example async_proxy -- 127.0.0.1:7001 127.0.0.1:7000
//! nc 127.0.0.1 7001
//! ```

mod common;

use std::net::SocketAddr;
use std::process::ExitCode;

use selkie_async::AsyncService;
use selkie_services::tasks::proxy;

/// The arguments behind the address to listen on.
#[derive(Debug, clap::Args)]
struct Upstreams {
    /// The addresses of the servers; the next one is tried if one does not accept.
    #[arg(required = true)]
    upstreams: Vec<SocketAddr>,
}

fn main() -> ExitCode {
    let about = "Relays its clients to one of several servers, a task for each client.";
    common::run_with::<Upstreams, _>("async_proxy", about, |slots, arguments| {
        // Each task has a view of them, for as long as the program runs.
        let upstreams: &'static [SocketAddr] = arguments.upstreams.leak();
        AsyncService::boxed(slots, move |conn| proxy(conn, upstreams)).connecting()
    })
}
