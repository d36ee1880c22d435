//! The key-value store, by its protocol and by its usual clients.

use std::process::{Command, Stdio};

use crate::ask;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kv");

#[test]
fn commands_are_answered_as_redis_answers_them() {
    let server = crate::start(PROGRAM, &[]);
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
        ("SET k v EX\r\n", "-ERR value is not an integer or out of range\r\n"),
        ("SET k v WHEN\r\n", "-ERR syntax error\r\n"),
        ("EXISTS k n missing\r\n", ":2\r\n"),
        ("DBSIZE\r\n", ":2\r\n"),
        ("DEL k n missing\r\n", ":2\r\n"),
        ("NOSUCH\r\n", "-ERR unknown command or wrong number of arguments\r\n"),
        ("GET\r\n", "-ERR unknown command or wrong number of arguments\r\n"),
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
        use std::io::{Read, Write};
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
    let server = crate::start(PROGRAM, &[]);
    let mut client = server.target().connect();
    let requests = "INCR n\r\n".repeat(5000);
    let answers: Vec<_> = (1..=5000).map(|number| format!(":{number}\r\n")).collect();
    let answers = answers.concat();
    ask(&mut client, requests.as_bytes(), answers.as_bytes());
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na\r\n\r\n" {
        use std::io::Write;
        client.write_all(&[*byte]).expect("the server takes a byte");
    }
    ask(&mut client, b"GET k\r\n", b"+OK\r\n$3\r\na\r\n\r\n");
    drop(client);
    server.stop();
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
    let server = crate::start(PROGRAM, &[]);
    let port = server.target().address.port().to_string();
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(["-p", &port]).args(arguments).output();
        String::from_utf8_lossy(&output.expect("it is installed").stdout).into_owned()
    };
    assert_eq!(output("redis-cli", &["set", "greeting", "hello", "ex", "60"]), "OK\n");
    assert_eq!(output("redis-cli", &["get", "greeting"]), "hello\n");
    assert_eq!(output("redis-cli", &["mget", "greeting", "none"]), "hello\n\n");
    let arguments = ["-t", "set,get,incr", "-n", "20000", "-c", "50", "-P", "16", "-q", "--csv"];
    let report = output("redis-benchmark", &arguments);
    assert_eq!(report.lines().filter(|line| line.contains("INCR")).count(), 1, "{report}");
    server.stop();
}
