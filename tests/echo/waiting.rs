//! Clients that wait for a slot.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use socket2::SockRef;

use crate::clients::{Target, echo, expect, is_answered_within, leave, stuff};
use crate::server::Server;

/// The time in which an unwanted answer would arrive.
const MOMENT: Duration = Duration::from_millis(50);

/// Connects a client that wants to be served.
pub(crate) fn knock(target: &Target) -> TcpStream {
    let mut client = target.connect();
    client.write_all(b"let me in").expect("the backlog takes a message");
    client
}

/// Frees the only slot in every way that a client has; the waiting client is accepted each time.
pub(crate) fn every_end_frees_a_slot(backend: &str) {
    type End = fn(TcpStream);
    const ENDS: [End; 5] = [
        leave,
        reset,
        drop,
        |mut client| {
            client.write_all(b"unread").expect("the connection is still there");
        },
        |mut client| {
            stuff(&mut client);
        },
    ];
    let server = Server::start(backend, &["--capacity", "1"]);
    let target = server.target();
    let mut inside = target.connect();
    echo(&mut inside, b"I am in");
    for end in ENDS {
        let mut outside = knock(&target);
        assert!(!is_answered_within(&outside, MOMENT), "the server exceeds its capacity");
        end(inside);
        expect(&mut outside, b"let me in");
        inside = outside;
    }
    leave(inside);
    server.stop();
}

/// Frees the only slot by the idle timeout, again and again; every waiting client is accepted.
pub(crate) fn an_idle_timeout_frees_a_slot(backend: &str) {
    let server = Server::start(backend, &["--capacity", "1", "--idle-timeout", "0.2"]);
    let target = server.target();
    let mut waiting: Vec<_> = (0..4).map(|_| knock(&target)).collect();
    for client in &mut waiting {
        expect(client, b"let me in");
    }
    server.stop();
}

/// Resets a connection.
fn reset(client: TcpStream) {
    let linger = SockRef::from(&client).set_linger(Some(Duration::ZERO));
    linger.expect("a connected socket takes the option");
    drop(client);
}
