//! The key-value store: what is no request of RESP, numbers beyond their limits, memory that is
//! full.

use std::io::Write;

use crate::server::Server;
use crate::{
    answer_to, answer_to_half, beside, clients, ends_meanwhile, expect_pipelined, trickle,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kv");

/// Starts it with one shard and with two.
fn start_each(options: &[&str]) -> [Server; 2] {
    let sharded = [&["--shards", "2"], options].concat();
    [crate::start(PROGRAM, options), crate::start(PROGRAM, &sharded)]
}

/// Shows that a well-behaved client is served.
fn serves(server: &Server) {
    assert_eq!(answer_to(server, b"PING\r\nQUIT\r\n"), b"+PONG\r\n+OK\r\n");
}

/// Returns a request of these arguments.
fn request(arguments: &[&[u8]]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        request.extend(format!("${}\r\n", argument.len()).bytes());
        request.extend(*argument);
        request.extend(b"\r\n");
    }
    request
}

#[test]
fn what_is_no_request_is_answered_at_once_and_ends_the_connection() {
    let large = format!("*2\r\n$3\r\nGET\r\n$16400\r\n{}", "k".repeat(100));
    let line = "x".repeat(20_000);
    let cases = [
        ("*-1\r\n", "invalid length"),
        ("*\r\n", "invalid length"),
        ("*+1\r\n", "invalid length"),
        ("*1\n$4\nPING\n", "invalid length"),
        ("*99999999999999999999\r\n", "invalid length"),
        ("*1048576\r\n", "more than 32 arguments"),
        ("*33\r\n", "more than 32 arguments"),
        ("*1\r\n$-1\r\n", "invalid length"),
        ("*1\r\n$18446744073709551616\r\n", "invalid length"),
        ("*1\r\n*1\r\n$4\r\nPING\r\n", "expected a byte string"),
        ("*1\r\n:1\r\n", "expected a byte string"),
        ("*1\r\n$4\r\nPINGxx", "expected a byte string"),
        ("*1\r\n$536870912\r\n", "the request is too large"),
        (&large, "the request is too large"),
        (&line, "the request is too large"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\nFLUSHALL\r\n", "this is no HTTP server"),
        ("Host: x\r\n", "this is no HTTP server"),
    ];
    for server in start_each(&[]) {
        beside(
            || serves(&server),
            || {
                for (request, expected) in cases {
                    let answer = answer_to(&server, request.as_bytes());
                    let expected = format!("-ERR Protocol error: {expected}\r\n");
                    assert_eq!(String::from_utf8_lossy(&answer), expected, "{request:.20?}");
                }
            },
        );
        let report = server.stop();
        assert_eq!(report.figure("malformed"), cases.len() as u64, "{}", report.text);
    }
}

const RANGE: &str = "-ERR value is not an integer or out of range\r\n";

/// Requests, and answers that say that a value is beyond its limits.
const BEYOND: [(&[&[u8]], &str); 30] = [
    (&[b"SET", b"n", b"9223372036854775807"], "+OK\r\n"),
    (&[b"INCR", b"n"], RANGE),
    (&[b"GET", b"n"], "$19\r\n9223372036854775807\r\n"),
    (&[b"SET", b"n", b"-9223372036854775808"], "+OK\r\n"),
    (&[b"DECR", b"n"], RANGE),
    (&[b"SET", b"n", b"+1"], "+OK\r\n"),
    (&[b"INCR", b"n"], RANGE),
    (&[b"SET", b"n", b"01"], "+OK\r\n"),
    (&[b"INCR", b"n"], RANGE),
    (&[b"SET", b"n", b""], "+OK\r\n"),
    (&[b"INCR", b"n"], RANGE),
    (&[b"EXPIRE", b"n", b"9223372036854775808"], RANGE),
    (&[b"EXPIRE", b"n", b"1.5"], RANGE),
    (
        &[b"EXPIRE", b"n", b"9223372036854775807"],
        "-ERR invalid expire time in 'expire' command\r\n",
    ),
    (&[b"TTL", b"n"], ":-1\r\n"),
    (&[b"EXPIRE", b"n", b"0"], ":1\r\n"),
    (&[b"GET", b"n"], "$-1\r\n"),
    (&[b"SET", b"n", b"v"], "+OK\r\n"),
    (&[b"EXPIRE", b"n", b"-9223372036854775808"], ":1\r\n"),
    (&[b"SET", b"n", b"v", b"EX", b"0"], "-ERR invalid expire time in 'set' command\r\n"),
    (&[b"SET", b"n", b"v", b"EX", b"-1"], "-ERR invalid expire time in 'set' command\r\n"),
    (
        &[b"SET", b"n", b"v", b"PX", b"9223372036854775807"],
        "-ERR invalid expire time in 'set' command\r\n",
    ),
    (&[b"SET", b"n", b"v", b"EX", b"1", b"PX", b"1"], "-ERR syntax error\r\n"),
    (&[b"SET", b"n", b"v", b"NX", b"XX"], "-ERR syntax error\r\n"),
    (&[b"GET", b"n"], "$-1\r\n"),
    (&[b"SET", &[b'k'; 65], b"v"], "-ERR the key is too long\r\n"),
    (&[b"GET", &[b'k'; 65]], "$-1\r\n"),
    (&[b"SET", b"n", &[b'v'; 1025]], "-ERR the value is too long\r\n"),
    (&[b"SET", b"\0\xff\r\n", b"\r\n\0"], "+OK\r\n"),
    (&[b"GET", b"\0\xff\r\n"], "$3\r\n\r\n\0\r\n"),
];

#[test]
fn values_beyond_their_limits_are_errors_that_change_nothing() {
    for server in start_each(&[]) {
        let mut client = server.target().connect();
        for (arguments, expected) in BEYOND {
            client.write_all(&request(arguments)).expect("the server takes a request");
            let mut answer = vec![0; expected.len()];
            std::io::Read::read_exact(&mut client, &mut answer).expect("an answer in time");
            assert_eq!(String::from_utf8_lossy(&answer), expected, "{arguments:.40?}");
        }
        // A key without bytes is a key.
        let empty: [&[&[u8]]; 3] = [&[b"SET", b"", b"v"], &[b"GET", b""], &[b"DEL", b""]];
        let requests: Vec<_> = empty.iter().flat_map(|arguments| request(arguments)).collect();
        client.write_all(&requests).expect("the server takes requests");
        clients::expect(&mut client, b"+OK\r\n$1\r\nv\r\n:1\r\n");
        clients::leave(client);
        server.stop();
    }
}

#[test]
fn a_store_that_is_full_says_so_and_goes_on() {
    let server = crate::start(PROGRAM, &[]);
    beside(
        || serves(&server),
        || {
            let mut client = server.target().connect();
            let mut refused = 0;
            // More than there is room for, in batches whose answers fit.
            for batch in 0..20_u32 {
                let keys = (0..1000).map(|key| format!("SET {} v\r\n", batch * 1000 + key));
                client.write_all(keys.collect::<String>().as_bytes()).expect("it takes requests");
                let mut answers = [0; 5];
                for _ in 0..1000 {
                    std::io::Read::read_exact(&mut client, &mut answers)
                        .expect("an answer in time");
                    if answers != *b"+OK\r\n" {
                        assert_eq!(answers, *b"-OOM ");
                        clients::expect(&mut client, b"no slot is free for this key\r\n");
                        refused += 1;
                    }
                }
            }
            assert!(refused >= 20_000 - 16_384, "{refused} were refused");
            client
                .write_all(b"GET 0\r\nFLUSHALL\r\nSET 19999 v\r\nDBSIZE\r\n")
                .expect("it takes more");
            clients::expect(&mut client, b"$1\r\nv\r\n+OK\r\n+OK\r\n:1\r\n");
            clients::leave(client);
        },
    );
    let report = server.stop();
    assert!(report.figure("out of memory") >= 20_000 - 16_384, "{}", report.text);
}

#[test]
fn a_slow_request_is_executed_and_a_silent_client_is_closed_in_time() {
    for server in start_each(&["--idle-timeout", "2"]) {
        beside(
            || serves(&server),
            || {
                let mut silent = server.target().connect();
                let mut slow = server.target().connect();
                let request = request(&[b"SET", b"key", b"value"]);
                assert_eq!(trickle(&mut slow, &request), request.len());
                clients::expect(&mut slow, b"+OK\r\n");
                // What never comes to its end does at the limit of a request.
                slow.write_all(b"*2\r\n$3\r\nGET\r\n$16000\r\n").expect("it takes the beginning");
                assert!(ends_meanwhile(&mut slow, &[b'k'; 1500]));
                assert_eq!(crate::rest(&mut silent), b"");
            },
        );
        server.stop();
    }
}

#[test]
fn a_request_that_is_cut_off_ends_the_connection_at_once() {
    for server in start_each(&["--capacity", "2"]) {
        let began = std::time::Instant::now();
        for half in [&b"PI"[..], b"*1\r\n", b"*1\r\n$4\r\nPI", b"*2\r\n$3\r\nGET\r\n"] {
            assert_eq!(answer_to_half(&server, half), b"", "{half:?}");
            assert_eq!(answer_to_half(&server, &[b"PING\r\n", half].concat()), b"+PONG\r\n");
        }
        assert!(began.elapsed() < crate::BOUND, "{:?}: not by a timeout", began.elapsed());
        serves(&server);
        let report = server.stop();
        assert_eq!(report.figure("cut off"), 8, "{}", report.text);
    }
}

#[test]
fn requests_are_pipelined_without_end_or_closed_in_the_middle_beside_others() {
    for server in start_each(&[]) {
        beside(
            || serves(&server),
            || {
                let mut client = server.target().connect();
                let value = "v".repeat(1000);
                client
                    .write_all(format!("SET k {value}\r\n").as_bytes())
                    .expect("it takes a request");
                clients::expect(&mut client, b"+OK\r\n");
                let answer = format!("$1000\r\n{value}\r\n");
                // Spaces, so that fewer answers are due once all buffers on the way are full.
                expect_pipelined(
                    &mut client,
                    format!("GET{:>300}\r\n", "k").as_bytes(),
                    answer.as_bytes(),
                );
                clients::leave(client);
                crate::close_in_the_middle(
                    &server,
                    &request(&[b"SET", b"key", b"value"]).repeat(5),
                );
                crate::close_in_the_middle(&server, &request(&[b"MGET", b"k", b"k"]).repeat(50));
            },
        );
        server.stop();
    }
}
