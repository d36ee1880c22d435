//! Several clients that do the same.

use std::net::TcpStream;

use crate::clients::{Target, echo};

/// Connects clients and has each of them served once.
pub(crate) fn served(target: &Target, count: usize) -> Vec<TcpStream> {
    let mut clients: Vec<_> = (0..count).map(|_| target.connect()).collect();
    echo_all(&mut clients, b"I am in");
    clients
}

/// Sends a message from each client, and waits for it to come back.
pub(crate) fn echo_all(clients: &mut [TcpStream], message: &[u8]) {
    for client in clients {
        echo(client, message);
    }
}
