//! Clients of the example `async_frames`.

use std::io::Write;
use std::net::TcpStream;

use crate::clients;

/// Sends a frame.
pub(crate) fn send(client: &mut TcpStream, request: &[u8]) {
    let length = u16::try_from(request.len()).expect("a short frame");
    client.write_all(&length.to_be_bytes()).expect("the server takes a request");
    client.write_all(request).expect("the server takes a request");
}

/// Waits for exactly this frame.
pub(crate) fn expect(client: &mut TcpStream, answer: &[u8]) {
    let length = u16::try_from(answer.len()).expect("a short frame");
    clients::expect(client, &length.to_be_bytes());
    clients::expect(client, answer);
}

/// Sends requests of all kinds at once, and waits for their answers in the same order.
pub(crate) fn in_order(client: &mut TcpStream) {
    for request in [&b"ehello"[..], b"ushout", b"w\0\x32", b"x", b""] {
        send(client, request);
    }
    for answer in [&b"hello"[..], b"SHOUT", b"w", b"?", b"?"] {
        expect(client, answer);
    }
}
