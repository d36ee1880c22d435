//! The programs `http`, `chat` and `kv` in every runtime: what a client of each sees first. Their
//! services are tested in full by `tests/programs`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::clients;
use crate::runtime::Runtime;

/// Sends a request, and waits for exactly this answer.
fn ask(client: &mut TcpStream, request: &[u8], answer: &[u8]) {
    client.write_all(request).expect("a request is taken");
    clients::expect(client, answer);
}

pub(crate) fn http(runtime: Runtime) {
    let Some(mut server) = runtime.program_with("http", 16, &["--capacity", "16"]) else { return };
    let mut client = server.target().connect();
    client
        .write_all(
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\
              POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
              GET /bytes/100000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .expect("requests are taken");
    let mut replies = String::new();
    client.read_to_string(&mut replies).expect("replies come in time");
    assert_eq!(replies.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{:?}", replies.get(..400));
    assert!(replies.contains("\r\n\r\nHello from Selkie.\n"));
    assert!(replies.contains("\r\n\r\nhelloHTTP/1.1"));
    assert!(replies.len() > 100_000);
    let mut client = server.target().connect();
    client.write_all(b"no request\r\n\r\n").expect("a line is taken");
    let mut reply = String::new();
    client.read_to_string(&mut reply).expect("a reply comes in time");
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply:?}");
    assert!(server.is_up());
}

pub(crate) fn chat(runtime: Runtime) {
    let Some(mut server) = runtime.program_with("chat", 16, &["--capacity", "16"]) else { return };
    let join = |nick: &str| {
        let mut member = server.target().connect();
        clients::expect(&mut member, b"your nickname?\n");
        member.write_all(format!("{nick}\n").as_bytes()).expect("a line is taken");
        member
    };
    let mut members = [("ann", join("ann")), ("bob", join("bob"))];
    // A runtime may report the second nickname first. Who has joined first hears of the other.
    let start = Instant::now();
    while !clients::is_answered_within(&members[0].1, Duration::from_millis(10)) {
        assert!(start.elapsed() < clients::PATIENCE, "one of two hears of the other");
        members.reverse();
    }
    let [(_, mut first), (nick, mut second)] = members;
    clients::expect(&mut first, format!("{nick} joined\n").as_bytes());
    second.write_all(b"hello\n").expect("a line is taken");
    clients::expect(&mut first, format!("{nick}: hello\n").as_bytes());
    clients::leave(second);
    clients::expect(&mut first, format!("{nick} left\n").as_bytes());
    assert!(server.is_up());
}

pub(crate) fn kv(runtime: Runtime) {
    let Some(mut server) = runtime.program_with("kv", 16, &["--capacity", "16"]) else { return };
    let (mut one, mut two) = (server.target().connect(), server.target().connect());
    ask(&mut one, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n", b"+OK\r\n");
    ask(&mut two, b"GET k\r\nINCR n\r\nINCR n\r\n", b"$5\r\nvalue\r\n:1\r\n:2\r\n");
    ask(&mut two, b"SET k v EX 100\r\nTTL k\r\nDEL k\r\n", b"+OK\r\n:100\r\n:1\r\n");
    ask(&mut one, b"MGET k n\r\n", b"*2\r\n$-1\r\n$1\r\n2\r\n");
    assert!(server.is_up());
}
