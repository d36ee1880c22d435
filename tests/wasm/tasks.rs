//! The examples whose services are tasks: echo and frames in every runtime, the proxy where a
//! program can connect.

use std::io::Write;
use std::net::TcpStream;

use crate::clients::{self, Target};
use crate::runtime::Runtime;
use crate::upstream::refusing;

pub(crate) fn echo(runtime: Runtime) {
    let Some(mut server) = runtime.program_with("async_echo", 64, &["--capacity", "64"]) else {
        return;
    };
    clients::interleaved(&server.target());
    clients::large_with_half_close(&server.target(), 1 << 20);
    clients::churn(&server.target(), 50);
    assert!(server.is_up());
}

/// Sends a frame.
fn send(client: &mut TcpStream, request: &[u8]) {
    let length = u16::try_from(request.len()).expect("a short frame");
    client.write_all(&[&length.to_be_bytes(), request].concat()).expect("a request is taken");
}

/// Waits for exactly this frame.
fn expect(client: &mut TcpStream, answer: &[u8]) {
    let length = u16::try_from(answer.len()).expect("a short frame");
    clients::expect(client, &[&length.to_be_bytes(), answer].concat());
}

pub(crate) fn frames(runtime: Runtime) {
    let Some(mut server) = runtime.program_with("async_frames", 64, &["--capacity", "64"]) else {
        return;
    };
    let (mut quick, mut slow) = (server.target().connect(), server.target().connect());
    slow.write_all(b"\0\x09e").expect("a part is taken");
    for request in [&b"ehello"[..], b"ushout", b"w\0\x32", b"x", b""] {
        send(&mut quick, request);
    }
    for answer in [&b"hello"[..], b"SHOUT", b"w", b"?", b"?"] {
        expect(&mut quick, answer);
    }
    expect(&mut slow, b"!timed out");
    assert!(server.is_up());
}

/// Relays to the second of two servers, an echo in the same runtime; the first refuses.
pub(crate) fn proxy(runtime: Runtime) {
    let Some(echo) = runtime.program_with("async_echo", 64, &["--capacity", "64"]) else { return };
    let (_kept, refuses) = refusing();
    let refuses = refuses.to_string();
    let upstream = echo.target().address.to_string();
    let options = ["--capacity", "64", &refuses, &upstream];
    let Some(mut server) = runtime.program_with("async_proxy", 64, &options) else { return };
    let target = Target { capacity: 16, ..server.target() };
    clients::interleaved(&target);
    clients::large_with_half_close(&target, 1 << 20);
    assert!(server.is_up());
}
