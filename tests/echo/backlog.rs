//! Clients in the backlog of a server that is asked to stop.

use std::io::Read;
use std::net::TcpStream;

use crate::clients::{echo, expect, uninterrupted};
use crate::server::Server;
use crate::waiting::knock;

/// Suspends a server while clients connect and send, and stops it: each client that waits is
/// served, then gets FIN.
pub(crate) fn the_backlog_is_served(backend: &str) {
    drain_with_backlog(backend, 1024, 0);
}

/// Drains at capacity: each client of the backlog is served as soon as a slot is free.
pub(crate) fn the_backlog_is_served_at_capacity(backend: &str) {
    drain_with_backlog(backend, 4, 4);
}

fn drain_with_backlog(backend: &str, capacity: usize, clients_served: usize) {
    const WAITING: usize = 40;
    let server = Server::start(backend, &["--capacity", &capacity.to_string()]);
    let target = server.target();
    let mut inside: Vec<_> = (0..clients_served).map(|_| target.connect()).collect();
    for client in &mut inside {
        echo(client, b"I am in");
    }
    server.suspend();
    let waiting: Vec<_> = (0..WAITING).map(|_| knock(&target)).collect();
    server.terminate();
    server.resume();
    inside.into_iter().for_each(read_fin);
    for mut client in waiting {
        expect(&mut client, b"let me in");
        read_fin(client);
    }
    let report = server.stopped();
    assert_eq!(report.figure("accepted"), (clients_served + WAITING) as u64, "{}", report.text);
}

/// Waits for the server's FIN, and closes the connection, so that its slot is free.
fn read_fin(mut client: TcpStream) {
    let count = uninterrupted(|| client.read(&mut [0])).expect("the server sends FIN");
    assert_eq!(count, 0);
}
