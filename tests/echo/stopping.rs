//! Draining on SIGTERM.

use std::io::Read;
use std::net::TcpStream;

use crate::clients::{comes_true, echo, read_pattern_to_end, stuff, uninterrupted};
use crate::server::Server;

/// Shows that a client gets back everything that the server has read from it, then FIN, and that no
/// new client is served.
pub(crate) fn pending_output_is_sent(backend: &str) {
    let server = Server::start(backend, &[]);
    let target = server.target();
    let mut stalled = target.connect();
    let sent = stuff(&mut stalled);
    server.terminate();
    assert!(
        comes_true(|| TcpStream::connect(target.address).is_err()),
        "a server that was asked to stop still listens"
    );
    let received = read_pattern_to_end(&mut stalled);
    drop(stalled);
    let report = server.stopped();
    assert!(received > 0 && received <= sent);
    assert_eq!(
        report.figure("bytes out"),
        received,
        "all that the server sent has arrived: {}",
        report.text
    );
    assert!(report.text.contains("1 drained"), "{}", report.text);
}

/// Shows that idle clients are closed with FIN.
pub(crate) fn it_stops_with_idle_clients(backend: &str) {
    let server = Server::start(backend, &[]);
    let target = server.target();
    let mut clients: Vec<_> = (0..10).map(|_| target.connect()).collect();
    for client in &mut clients {
        echo(client, b"hello");
    }
    server.terminate();
    for mut client in clients {
        let count = uninterrupted(|| client.read(&mut [0])).expect("an orderly end");
        assert_eq!(count, 0);
    }
    let report = server.stopped();
    assert!(report.text.contains("10 drained"), "{}", report.text);
}
