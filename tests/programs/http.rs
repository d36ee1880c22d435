//! The HTTP server, by its protocol and by curl.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};

use crate::clients::expect;
use crate::server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_http");

/// Returns a request of HTTP/1.1 that is the last one of its connection.
fn last(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n")
}

/// Returns the status and the body of a reply.
fn parts(reply: &str) -> (&str, &str) {
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((reply, ""));
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    (status.unwrap_or_else(|| panic!("no status in {reply:?}")), body)
}

#[test]
fn requests_are_answered() {
    crate::start_each(PROGRAM).for_each(check_requests);
}

fn check_requests(server: Server) {
    for (request, status, body) in [
        (last("GET /", ""), "200", "Hello from Selkie.\n".to_owned()),
        (last("HEAD /", ""), "200", String::new()),
        (last("GET /bytes/0", ""), "200", String::new()),
        (last("POST /echo", "Content-Length: 0\r\n"), "200", String::new()),
        (
            last("GET /nowhere", ""),
            "404",
            "try /, /bytes/1000, /metrics, /ready, or POST to /echo\n".to_owned(),
        ),
        (last("PUT /", ""), "405", "use GET or HEAD\n".to_owned()),
        (last("GET /echo", ""), "405", "use POST\n".to_owned()),
    ] {
        let mut client = server.target().connect();
        let reply = crate::ask_for_all(&mut client, request.as_bytes());
        assert_eq!(parts(&reply), (status, body.as_str()), "{request:?}");
        assert!(reply.contains("\r\nDate: "), "{reply:?}");
    }
    server.stop();
}

#[test]
fn what_is_no_request_is_refused_and_ends_the_connection() {
    let server = crate::start(PROGRAM, &[]);
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}", "x".repeat(20_000));
    let many = last("GET /", &"A: b\r\n".repeat(40));
    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", "505"),
        (&last("POST /echo", "Content-Length: 99999999999\r\n"), "413"),
        (&last("POST /echo", "Transfer-Encoding: gzip\r\n"), "501"),
        (&last("POST /", "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), "405"),
        (&many, "431"),
        (&long, "431"),
    ] {
        let mut client = server.target().connect();
        let reply = crate::ask_for_all(&mut client, request.as_bytes());
        assert_eq!(parts(&reply).0, status, "{:?}", &request[..request.len().min(60)]);
    }
    server.stop();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    crate::start_each(PROGRAM).for_each(check_pipeline);
}

fn check_pipeline(server: Server) {
    let mut client = server.target().connect();
    let requests = "GET /bytes/40000 HTTP/1.1\r\nHost: x\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    let end = last("GET /", "");
    let all = format!("{}{end}", requests.repeat(20));
    let reply = crate::ask_for_all(&mut client, all.as_bytes());
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 41);
    assert_eq!(reply.matches("Content-Length: 40000\r\n").count(), 20);
    assert!(reply.ends_with("Hello from Selkie.\n"));
    server.stop();
}

#[test]
fn a_long_reply_arrives_whole_at_a_slow_reader() {
    crate::start_each(PROGRAM).for_each(check_long_reply);
}

fn check_long_reply(server: Server) {
    let mut client = server.target().connect();
    let request = last("GET /bytes/10485760", "");
    client.write_all(request.as_bytes()).expect("the server takes a request");
    let mut other = server.target().connect();
    crate::ask(&mut other, b"", b"");
    let reply = crate::ask_for_all(&mut other, last("GET /", "").as_bytes());
    assert!(reply.ends_with("Hello from Selkie.\n"), "others are served meanwhile");
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).expect("the server ends its stream in time");
    let head = reply.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    let body = &reply[head..];
    assert_eq!(body.len(), 10_485_760);
    let line = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-\n";
    assert!(body.chunks(64).all(|chunk| chunk == line), "a piece is out of place");
    server.stop();
}

#[test]
fn a_client_that_has_ended_its_stream_gets_the_whole_reply() {
    let server = crate::start(PROGRAM, &[]);
    let mut client = server.target().connect();
    let request = b"GET /bytes/3000000 HTTP/1.1\r\nHost: x\r\n\r\n";
    client.write_all(request).expect("the server reads");
    client.shutdown(Shutdown::Write).expect("the connection is open");
    let mut reply = String::new();
    client.read_to_string(&mut reply).expect("the end comes in time");
    assert_eq!(parts(&reply).1.len(), 3_000_000);
    server.stop();
}

#[test]
fn a_body_is_echoed_by_its_length_and_in_chunks() {
    crate::start_each(PROGRAM).for_each(check_bodies);
}

fn check_bodies(server: Server) {
    let body = "0123456789".repeat(100_000);
    let request = last("POST /echo", &format!("Content-Length: {}\r\n", body.len()));
    let mut writer = server.target().connect();
    let mut reader = writer.try_clone().expect("a socket can be cloned");
    let sent = body.clone();
    let sender = std::thread::spawn(move || {
        writer.write_all(request.as_bytes()).expect("the server takes a request");
        writer.write_all(sent.as_bytes()).expect("the server takes a body");
    });
    let mut reply = String::new();
    reader.read_to_string(&mut reply).expect("the server ends its stream in time");
    sender.join().expect("the sender is done");
    assert!(parts(&reply) == ("200", body.as_str()), "the body is not the one that was sent");

    let mut client = server.target().connect();
    let chunks = "5\r\nhello\r\n7;name=value\r\n, world\r\n0\r\nTrailer: x\r\n\r\n";
    let request = last("POST /echo", "Transfer-Encoding: chunked\r\n") + chunks;
    let reply = crate::ask_for_all(&mut client, request.as_bytes());
    let (status, body) = parts(&reply);
    assert_eq!(status, "200");
    assert_eq!(body, "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n");
    server.stop();
}

#[test]
fn a_client_that_waits_for_it_is_told_to_go_on() {
    let server = crate::start(PROGRAM, &[]);
    let mut client = server.target().connect();
    let request = last("POST /echo", "Content-Length: 2\r\nExpect: 100-continue\r\n");
    crate::ask(&mut client, request.as_bytes(), b"HTTP/1.1 100 Continue\r\n\r\n");
    let reply = crate::ask_for_all(&mut client, b"hi");
    assert_eq!(parts(&reply), ("200", "hi"));
    server.stop();
}

#[test]
fn a_request_that_does_not_come_in_time_is_refused() {
    let server = crate::start(PROGRAM, &["--request-timeout", "0.3"]);
    let mut client = server.target().connect();
    let reply = crate::ask_for_all(&mut client, b"GET / HT");
    assert_eq!(parts(&reply).0, "408");
    let report = server.stop();
    assert_eq!(report.figure("too slow"), 1, "{}", report.text);
}

#[test]
fn curl_gets_what_it_asks_for() {
    let found = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        println!("not run: curl is not installed");
        return;
    }
    let server = crate::start(PROGRAM, &[]);
    let address = server.target().address;
    let curl = |arguments: &[&str], path: &str| {
        let url = format!("http://{address}{path}");
        let output = Command::new("curl").args(["-sS", &url]).args(arguments).output();
        let output = output.expect("curl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert_eq!(curl(&[], "/"), b"Hello from Selkie.\n");
    assert_eq!(curl(&[], "/bytes/1000000").len(), 1_000_000);
    assert_eq!(curl(&["--data-binary", "a body"], "/echo"), b"a body");
    let chunked = ["-H", "Transfer-Encoding: chunked", "--data-binary", "in chunks"];
    assert_eq!(curl(&chunked, "/echo"), b"in chunks");
    let head = curl(&["--head"], "/bytes/17");
    assert!(String::from_utf8_lossy(&head).contains("Content-Length: 17"));
    let two = curl(&[&format!("http://{address}/bytes/3")], "/bytes/2");
    assert_eq!(two.len(), 5, "over one connection");
    expect(&mut server.target().connect(), b"");
    server.stop();
}

#[test]
fn readiness_and_counters_are_shown() {
    let server = crate::start(env!("CARGO_BIN_EXE_http"), &[]);
    let mut client = TcpStream::connect(server.target().address).expect("it listens");
    let reply = crate::ask_for_all(&mut client, last("GET /ready", "").as_bytes());
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("\r\n\r\nready\n"), "{reply}");
    let mut client = TcpStream::connect(server.target().address).expect("it listens");
    let reply = crate::ask_for_all(&mut client, last("GET /metrics", "").as_bytes());
    let (head, text) = reply.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("Content-Length: {}\r\n", text.len())), "{head}");
    assert!(text.contains("# TYPE selkie_accepted_total counter\nselkie_accepted_total 2\n"));
    assert!(text.contains("\nselkie_connections_open 1\n") || text.contains("_open 2\n"), "{text}");
    assert_eq!(text.matches("# TYPE selkie_closed_total counter\n").count(), 1);
    assert!(text.ends_with('\n') && text.contains("selkie_closed_total{reason=\"idle\"} 0\n"));
    server.stop();
}
