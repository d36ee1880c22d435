//! The HTTP server: requests that are read in two ways by two readers, that are too long, too
//! slow, or never whole.

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::server::Server;
use crate::{answer_to, answer_to_half, beside, clients, ends_meanwhile, rest, trickle};

const PROGRAM: &str = env!("CARGO_BIN_EXE_http");
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/// The body of the answer to [`GET`].
const HELLO: &[u8] = b"\r\n\r\nHello from Selkie.\n";

/// Shows that a well-behaved client is served.
fn serves(server: &Server) {
    let answer = answer_to(server, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with(HELLO), "{:?}", String::from_utf8_lossy(&answer));
}

/// Returns the status of the first answer; an empty one if there is no answer.
fn status(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned()
}

/// Returns a request for the echo, with these fields and this body.
fn post(fields: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}")
}

/// Requests that two readers could read in two ways, and the answer that ends the connection.
fn ambiguous() -> Vec<(String, &'static str)> {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let lengths = ["+1", "0x1", "-1", "1, 1", "", "\u{a0}1", "18446744073709551617"];
    let mut requests: Vec<_> = lengths
        .iter()
        .map(|length| (post(&format!("Content-Length: {length}\r\n"), "a"), "400"))
        .collect();
    let codings = ["gzip, chunked", "xchunked", "chunked, chunked", "\u{a0}chunked", "identity"];
    requests.extend(
        codings
            .map(|coding| (post(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n"), "501")),
    );
    let both = format!("Content-Length: 4\r\n{chunked}");
    requests.extend([
        (post(&both, "0\r\n\r\n"), "400"),
        (post(&format!("{chunked}Content-Length: 4\r\n"), "0\r\n\r\n"), "400"),
        (post("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), "400"),
        (post("Content-Length : 1\r\n", "a"), "400"),
        (post("A: b\r\n c\r\n", ""), "400"),
        (post("A: \0\r\n", ""), "400"),
        (post("A: b\rC: d\r\n", ""), "400"),
        (post("Host: x\r\n", ""), "400"),
        ("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), "400"),
        ("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "400"),
        ("GET /#a HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "400"),
        ("GET bytes HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "400"),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "400"),
        ("GET /\r\n".to_owned(), "400"),
        ("\u{16}\u{3}\u{1}\0\u{5}hello".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "505"),
    ]);
    requests
}

#[test]
fn a_request_that_could_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let server = crate::start(PROGRAM, &[]);
    let requests = ambiguous();
    beside(
        || serves(&server),
        || {
            for (request, expected) in &requests {
                // What follows is the request that an attacker wants to be read.
                let smuggling = format!("{request}GET /bytes/7 HTTP/1.1\r\nHost: x\r\n\r\n");
                let answer = answer_to(&server, smuggling.as_bytes());
                assert_eq!(status(&answer), *expected, "{request:?}");
                let answers = String::from_utf8_lossy(&answer);
                assert_eq!(answers.matches("\r\nDate: ").count(), 1, "{request:?}: {answers}");
                assert!(answers.contains("\r\nConnection: close\r\n"), "{answers}");
            }
        },
    );
    let report = server.stop();
    assert_eq!(report.figure("malformed"), requests.len() as u64, "{}", report.text);
}

#[test]
fn a_chunk_that_could_be_read_in_two_ways_ends_the_connection_within_its_body() {
    let server = crate::start(PROGRAM, &[]);
    let bodies = [
        "\r\nabc\r\n0\r\n\r\n",
        ";\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3;a\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA b\r\n\r\n",
    ];
    beside(
        || serves(&server),
        || {
            for body in bodies {
                let request = post("Transfer-Encoding: chunked\r\n", body);
                let answer = answer_to(&server, format!("{request}GET / HTTP/1.1\r\n").as_bytes());
                let answer = String::from_utf8_lossy(&answer);
                assert!(
                    !answer.ends_with("0\r\n\r\n"),
                    "{body:?}: a reply without its end: {answer}"
                );
                assert!(answer.matches("\r\nDate: ").count() <= 1, "{body:?}: {answer}");
            }
        },
    );
    let report = server.stop();
    assert_eq!(report.figure("malformed"), bodies.len() as u64, "{}", report.text);
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    let server = crate::start(PROGRAM, &[]);
    let chunked = post("Transfer-Encoding: chunked\r\n", "");
    let requests = [
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)), "431"),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}", "a".repeat(20_000)), "431"),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(32)), "431"),
        ("\r\n".repeat(20_000), "431"),
        (post("Content-Length: 67108865\r\n", ""), "413"),
        (post("Content-Length: 67108865\r\nExpect: 100-continue\r\n", ""), "413"),
    ];
    beside(
        || serves(&server),
        || {
            for (request, expected) in &requests {
                let answer = answer_to(&server, request.as_bytes());
                assert_eq!(status(&answer), *expected, "{:?}", &request[..20]);
            }
            for body in
                [format!("3;{}", "a".repeat(5000)), format!("0\r\n{}", "A: b\r\n".repeat(1000))]
            {
                let answer = answer_to(&server, format!("{chunked}{body}\r\n\r\n").as_bytes());
                assert!(!answer.ends_with(b"0\r\n\r\n"), "{:?}", &body[..9]);
            }
        },
    );
    let report = server.stop();
    assert_eq!(report.figure("malformed"), requests.len() as u64 + 2, "{}", report.text);
}

#[test]
fn a_slow_request_is_refused_in_time_and_a_steady_one_is_not() {
    let server = crate::start(PROGRAM, &["--request-timeout", "2"]);
    beside(
        || serves(&server),
        || {
            let mut slow = server.target().connect();
            assert!(
                trickle(&mut slow, &[b"GET / HTTP/1.1\r\nA: ", &[b'a'; 500][..]].concat()) < 500
            );
            assert_eq!(status(&rest(&mut slow)), "408");
            let mut slow = server.target().connect();
            let head = post("Content-Length: 1000\r\n", "");
            slow.write_all(head.as_bytes()).expect("the server takes a head");
            assert!(ends_meanwhile(&mut slow, b"a"), "a slow body goes on");
            steady_body(&server);
        },
    );
    let report = server.stop();
    assert_eq!(report.figure("too slow"), 2, "{}", report.text);
}

/// Sends a body for longer than the time of a request, each 64 KiB within that.
fn steady_body(server: &Server) {
    const PIECES: usize = 10;
    let piece = vec![b'a'; 64 << 10];
    let mut client = server.target().connect();
    let fields = format!("Connection: close\r\nContent-Length: {}\r\n", PIECES * piece.len());
    client.write_all(post(&fields, "").as_bytes()).expect("the server takes a head");
    let mut reader = client.try_clone().expect("a descriptor");
    let reading = std::thread::spawn(move || rest(&mut reader));
    for _ in 0..PIECES {
        client.write_all(&piece).expect("a steady body is taken");
        // The pace of the client.
        std::thread::park_timeout(Duration::from_millis(250));
    }
    let answer = reading.join().expect("no panic");
    assert!(answer.ends_with(&piece) && answer.len() > PIECES * piece.len(), "{}", answer.len());
}

#[test]
fn a_request_that_is_cut_off_is_answered_at_once_and_makes_room() {
    let server = crate::start(PROGRAM, &["--capacity", "1"]);
    let began = Instant::now();
    for (half, expected) in [
        ("GET / HT", "400"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT", "200"),
        (&post("Content-Length: 10\r\n", "abc"), "200"),
        (&post("Transfer-Encoding: chunked\r\n", "3\r\nab"), "200"),
        (&post("Transfer-Encoding: chunked\r\n", "3"), "200"),
    ] {
        let answer = answer_to_half(&server, half.as_bytes());
        assert_eq!(status(&answer), expected, "{half:?}");
        assert!(!answer.ends_with(b"0\r\n\r\n"), "{half:?}: a reply that is not cut");
    }
    assert!(began.elapsed() < crate::BOUND, "{:?}: not by a timeout", began.elapsed());
    serves(&server);
    let report = server.stop();
    assert_eq!(report.figure("cut off"), 5, "{}", report.text);
}

#[test]
fn requests_that_are_pipelined_without_end_are_all_answered_once_they_are_read() {
    let server = crate::start(PROGRAM, &[]);
    beside(
        || serves(&server),
        || {
            let mut client = server.target().connect();
            client.write_all(GET).expect("the server takes a request");
            let mut answer = vec![0; answer_to_half(&server, GET).len()];
            std::io::Read::read_exact(&mut client, &mut answer).expect("an answer in time");
            // The date may change meanwhile, so answers are counted by their bodies.
            let (count, unsent) = crate::pipeline(&mut client, GET);
            let mut writer = client.try_clone().expect("a descriptor");
            let writing = std::thread::spawn(move || {
                writer.write_all(&unsent).expect("the server takes requests again");
                writer.shutdown(Shutdown::Write).expect("the connection is open");
            });
            let answers = rest(&mut client);
            writing.join().expect("no panic");
            assert_eq!(answers.len(), count * answer.len());
            assert!(answers.ends_with(HELLO));
        },
    );
    server.stop();
}

#[test]
fn connections_that_are_closed_in_the_middle_leave_nothing_behind() {
    let server = crate::start(PROGRAM, &[]);
    beside(
        || serves(&server),
        || {
            crate::close_in_the_middle(&server, GET);
            crate::close_in_the_middle(
                &server,
                post("Content-Length: 20\r\n", "abcdefg").as_bytes(),
            );
            crate::close_in_the_middle(&server, b"GET /bytes/99999999 HTTP/1.1\r\nHost: x\r\n\r\n");
        },
    );
    server.stop();
}

#[test]
fn every_form_of_a_target_and_of_an_expectation_is_answered() {
    let server = crate::start(PROGRAM, &[]);
    let close = "Host: x\r\nConnection: close\r\n";
    for (line, fields, expected, length) in [
        ("GET http://x/bytes/3?a HTTP/1.1", close, "200", 3),
        ("GET HTTPS://x HTTP/1.1", close, "200", 19),
        ("OPTIONS * HTTP/1.1", close, "405", 16),
        ("CONNECT x:80 HTTP/1.1", close, "405", 16),
        ("HEAD /bytes/18446744073709551615 HTTP/1.1", close, "200", 0),
        ("GET /bytes/18446744073709551616 HTTP/1.1", close, "404", 55),
        ("GET /bytes/-1 HTTP/1.1", close, "404", 55),
        ("GET /%2e%2e/ HTTP/1.1", close, "404", 55),
        ("GET / HTTP/1.0", "", "200", 19),
    ] {
        let answer = answer_to(&server, format!("{line}\r\n{fields}\r\n").as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(status(answer.as_bytes()), expected, "{line}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(body.len(), length, "{line}: {answer}");
    }
    // A client of HTTP/1.0 is told that the connection goes on.
    let twice = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".repeat(2);
    let answer = answer_to_half(&server, twice.as_bytes());
    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(answer.matches("\r\nConnection: keep-alive\r\n").count(), 2, "{answer}");
    // Who waits with a body that is not wanted is not asked for it.
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    let answer = answer_to(&server, request.as_bytes());
    assert_eq!(status(&answer), "405");
    let mut client = server.target().connect();
    let head = post("Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n", "");
    client.write_all(head.as_bytes()).expect("the server takes a head");
    clients::expect(&mut client, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"abc").expect("the server takes a body");
    assert!(rest(&mut client).ends_with(b"\r\n\r\nabc"));
    server.stop();
}
