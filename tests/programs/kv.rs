//! The key-value store, by its protocol and by its usual clients.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::ask;
use crate::server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kv");

/// The options that it is tested with: several shards that share the keys.
const SHARDS: [&[&str]; 2] =
    [&["--shards", "2"], &["--shards", "3", "--distribution", "least-loaded"]];

/// Starts the store with each of the options, on Linux over `io_uring` too, alone and in shards; on
/// Windows there is one shard.
fn start_each() -> impl Iterator<Item = Server> {
    let more = if cfg!(unix) && !crate::is_wine() { &SHARDS[..] } else { &[] };
    let sharded = more.iter().map(|options| crate::start(PROGRAM, options));
    let over_rings = crate::start_over_ring(PROGRAM, SHARDS[0]);
    crate::start_each(PROGRAM).chain(sharded).chain(over_rings)
}

#[test]
fn commands_are_answered_as_redis_answers_them() {
    start_each().for_each(check_commands);
}

fn check_commands(server: Server) {
    let mut client = server.target().connect();
    for (request, answer) in [
        ("PING\r\n", "+PONG\r\n"),
        ("*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", "$2\r\nhi\r\n"),
        ("GET k\r\n", "$-1\r\n"),
        ("SET k v\r\n", "+OK\r\n"),
        ("GET k\r\n", "$1\r\nv\r\n"),
        ("SET k w NX\r\n", "$-1\r\n"),
        ("SET k w XX\r\n", "+OK\r\n"),
        ("MGET k missing k\r\n", "*3\r\n$1\r\nw\r\n$-1\r\n$1\r\nw\r\n"),
        ("SET a 1\r\nSET b 2\r\nSET c 3\r\n", "+OK\r\n+OK\r\n+OK\r\n"),
        ("MGET a b c d\r\n", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n"),
        ("EXISTS a b c d k\r\n", ":4\r\n"),
        ("DEL a b c d\r\n", ":3\r\n"),
        ("INCR n\r\n", ":1\r\n"),
        ("DECR n\r\n", ":0\r\n"),
        ("DECR n\r\n", ":-1\r\n"),
        ("GET n\r\n", "$2\r\n-1\r\n"),
        ("INCR k\r\n", "-ERR value is not an integer or out of range\r\n"),
        ("TTL k\r\n", ":-1\r\n"),
        ("EXPIRE k 100\r\n", ":1\r\n"),
        ("TTL k\r\n", ":100\r\n"),
        ("EXPIRE missing 100\r\n", ":0\r\n"),
        ("TTL missing\r\n", ":-2\r\n"),
        ("SET k v EX 0\r\n", "-ERR invalid expire time in 'set' command\r\n"),
        ("SET k v EX\r\n", "-ERR syntax error\r\n"),
        ("SET k v WHEN\r\n", "-ERR syntax error\r\n"),
        ("EXISTS k n missing\r\n", ":2\r\n"),
        ("DBSIZE\r\n", ":2\r\n"),
        ("DEL k n missing\r\n", ":2\r\n"),
        ("NOSUCH\r\n", "-ERR unknown command\r\n"),
        ("GET\r\n", "-ERR wrong number of arguments for this command\r\n"),
    ] {
        ask(&mut client, request.as_bytes(), answer.as_bytes());
    }
    drop(client);
    server.stop();
}

#[test]
fn a_key_expires() {
    let server = crate::start(PROGRAM, &[]);
    let mut client = server.target().connect();
    ask(&mut client, b"SET k v PX 50\r\nTTL k\r\n", b"+OK\r\n:0\r\n");
    let expired = crate::clients::comes_true(|| {
        client.write_all(b"EXISTS k\r\n").expect("the server takes a request");
        let mut answer = [0; 4];
        client.read_exact(&mut answer).expect("the server answers");
        answer == *b":0\r\n"
    });
    assert!(expired, "the key never expires");
    drop(client);
    server.stop();
}

#[test]
fn requests_are_pipelined_and_come_in_pieces() {
    start_each().for_each(check_pipeline);
}

fn check_pipeline(server: Server) {
    let mut client = server.target().connect();
    let requests = "INCR n\r\n".repeat(5000);
    let answers: Vec<_> = (1..=5000).map(|number| format!(":{number}\r\n")).collect();
    let answers = answers.concat();
    ask(&mut client, requests.as_bytes(), answers.as_bytes());
    // Over all shards, with requests of no key in between.
    let requests = (0..4000).map(|number| match number % 8 {
        7 => "PING\r\n".to_owned(),
        _ => format!("INCR n{}\r\n", number % 40),
    });
    let requests: Vec<_> = requests.collect();
    let answers = (0..4000).map(|number| match number % 8 {
        7 => "+PONG\r\n".to_owned(),
        _ => format!(":{}\r\n", number / 40 + 1),
    });
    let answers: Vec<_> = answers.collect();
    ask(&mut client, requests.concat().as_bytes(), answers.concat().as_bytes());
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na\r\n\r\n" {
        client.write_all(&[*byte]).expect("the server takes a byte");
    }
    ask(&mut client, b"GET k\r\n", b"+OK\r\n$3\r\na\r\n\r\n");
    drop(client);
    server.stop();
}

/// Sends requests until the server takes no more, and only then reads the answers.
fn check_late_reader(server: Server) {
    let mut client = server.target().connect();
    let value = "v".repeat(1000);
    ask(&mut client, format!("SET a {value}\r\nSET b {value}\r\n").as_bytes(), b"+OK\r\n+OK\r\n");
    client.set_write_timeout(Some(Duration::from_millis(300))).expect("an option");
    // Spaces, so that fewer answers are due once all buffers on the way are full.
    let request = format!("GET{:>200}\r\nGET{:>200}\r\n", "a", "b");
    let (requests, len) = (request.repeat(256), request.len());
    let mut sent = 0;
    while let Ok(count) = client.write(&requests.as_bytes()[sent % len..]) {
        sent += count;
    }
    let count = sent * 2 / len;
    let answer = format!("$1000\r\n{value}\r\n");
    let mut received = vec![0; answer.len()];
    for _ in 0..count {
        client.read_exact(&mut received).expect("the server answers");
        assert!(received == answer.as_bytes(), "of {count} answers");
    }
    server.stop();
}

#[test]
fn long_replies_of_one_pipeline_are_all_sent() {
    for server in start_each() {
        let mut client = server.target().connect();
        let value = "v".repeat(1000);
        ask(&mut client, format!("SET a {value}\r\n").as_bytes(), b"+OK\r\n");
        let answers = format!("$1000\r\n{value}\r\n").repeat(100);
        ask(&mut client, "GET a\r\n".repeat(100).as_bytes(), answers.as_bytes());
        drop(client);
        server.stop();
    }
}

#[test]
fn a_client_that_reads_late_is_answered_in_full() {
    start_each().for_each(check_late_reader);
}

#[cfg(unix)]
#[test]
fn a_client_that_ends_its_stream_gets_the_answers_of_all_shards_first() {
    for server in start_each() {
        let mut client = server.target().connect();
        let requests: Vec<_> = (0..500).map(|number| format!("INCR n{number}\r\n")).collect();
        client.write_all(requests.concat().as_bytes()).expect("the server reads");
        client.shutdown(std::net::Shutdown::Write).expect("it is connected");
        assert_eq!(crate::ask_for_all(&mut client, b""), ":1\r\n".repeat(500));
        server.stop();
    }
}

#[test]
fn what_is_no_request_is_answered_and_ends_the_connection() {
    let server = crate::start(PROGRAM, &[]);
    for (request, answer) in [
        ("*x\r\n", "-ERR Protocol error: invalid length\r\n"),
        ("*1\r\n!\r\n", "-ERR Protocol error: expected a byte string\r\n"),
        ("*99\r\n", "-ERR Protocol error: more than 32 arguments\r\n"),
    ] {
        let mut client = server.target().connect();
        assert_eq!(crate::ask_for_all(&mut client, request.as_bytes()), answer);
    }
    let mut client = server.target().connect();
    let unended = vec![b'x'; 16 * 1024];
    let answer = crate::ask_for_all(&mut client, &unended);
    assert_eq!(answer, "-ERR Protocol error: the request is too large\r\n");
    let mut client = server.target().connect();
    let large = format!("SET k {}\r\n", "v".repeat(2000));
    ask(&mut client, large.as_bytes(), b"-ERR the value is too long\r\n");
    ask(&mut client, b"GET k\r\n", b"$-1\r\n");
    drop(client);
    server.stop();
}

#[test]
fn the_usual_clients_work_with_it() {
    let runs = |program: &str| {
        let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    };
    if !runs("redis-cli") || !runs("redis-benchmark") {
        println!("not run: redis-cli and redis-benchmark are not installed");
        return;
    }
    start_each().for_each(check_usual_clients);
}

fn check_usual_clients(server: Server) {
    let port = server.target().address.port().to_string();
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(["-p", &port]).args(arguments).output();
        String::from_utf8_lossy(&output.expect("it is installed").stdout).into_owned()
    };
    assert_eq!(output("redis-cli", &["set", "greeting", "hello", "ex", "60"]), "OK\n");
    assert_eq!(output("redis-cli", &["get", "greeting"]), "hello\n");
    assert_eq!(output("redis-cli", &["mget", "greeting", "none"]), "hello\n\n");
    let keys = ["1", "2", "3", "4", "5", "6", "7", "8"];
    for key in keys {
        assert_eq!(output("redis-cli", &["set", key, key]), "OK\n");
    }
    let all: Vec<_> = ["mget"].into_iter().chain(keys).collect();
    assert_eq!(output("redis-cli", &all), "1\n2\n3\n4\n5\n6\n7\n8\n");
    assert_eq!(output("redis-cli", &["dbsize"]), "9\n");
    let arguments =
        ["-t", "set,get,incr", "-n", "20000", "-c", "50", "-P", "16", "-r", "1000", "-q", "--csv"];
    let report = output("redis-benchmark", &arguments);
    assert_eq!(report.lines().filter(|line| line.contains("INCR")).count(), 1, "{report}");
    server.stop();
}
