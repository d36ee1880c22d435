//! Several clients that do the same.

use std::net::TcpStream;

use crate::clients::{Target, echo};

/// Clients that are connected and have been served.
pub(crate) fn served(target: &Target, count: usize) -> Vec<TcpStream> {
    let mut clients: Vec<_> = (0..count).map(|_| target.connect()).collect();
    echo_all(&mut clients, b"I am in");
    clients
}

/// Each sends a message, and waits for it to come back.
pub(crate) fn echo_all(clients: &mut [TcpStream], message: &[u8]) {
    for client in clients {
        echo(client, message);
    }
}
