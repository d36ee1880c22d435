//! The examples that are programs of their own, as processes: what their clients see, also those
//! that misbehave.
#![cfg(any(unix, windows))]

#[path = "../clients/mod.rs"]
#[allow(unused_imports, reason = "the cases are for echo servers")]
mod clients;
#[path = "../echo/sentence.rs"]
mod sentence;
#[path = "../echo/server.rs"]
#[allow(dead_code, reason = "the tests of the echo server ask for more")]
mod server;
#[path = "../clients/upstream.rs"]
mod upstream;

mod chat;
mod dns;
mod http;
mod kv;
#[cfg(target_os = "linux")]
mod limits;
mod pool;
mod proxy;
mod refusals;
#[cfg(unix)]
mod watch;

use std::io::{Read, Write};
use std::net::TcpStream;

use server::Server;

/// Returns true if the programs are those for Windows, on another system.
fn is_wine() -> bool {
    std::env::var_os(server::WINDOWS_PROGRAMS).is_some()
}

/// Starts an example on the default backend.
fn start(program: &str, options: &[&str]) -> Server {
    let backend = if is_wine() { "afd" } else { selkie::platform::Backend::default().name() };
    Server::start_with(server::command(program), backend, options)
}

/// Starts a program on the best selector, and on Linux over `io_uring` too.
fn start_each(program: &str) -> impl Iterator<Item = Server> {
    [start(program, &[])].into_iter().chain(start_over_ring(program, &[]))
}

/// Starts a program over `io_uring` on Linux.
fn start_over_ring(program: &str, options: &[&str]) -> Option<Server> {
    let has_ring = cfg!(target_os = "linux") && !is_wine();
    has_ring.then(|| Server::start_with(server::command(program), "io_uring", options))
}

/// Sends `request` and waits for exactly `answer`.
fn ask(client: &mut TcpStream, request: &[u8], answer: &[u8]) {
    client.write_all(request).expect("the server takes a request");
    clients::expect(client, answer);
}

/// Sends `request`, and returns all that comes until the server ends its stream.
fn ask_for_all(client: &mut TcpStream, request: &[u8]) -> String {
    client.write_all(request).expect("the server takes a request");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("the server ends its stream in time");
    String::from_utf8_lossy(&answer).into_owned()
}
