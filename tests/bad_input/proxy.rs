//! The load balancer: bytes are opaque to it, so what is left are ends that are slow, silent,
//! unreachable or gone.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::server::{self, Server};
use crate::upstream::{refusing, silent};
use crate::{UNREACHABLE, beside, clients, trickle};

const PROGRAM: &str = env!("CARGO_BIN_EXE_proxy");

/// Shows that a client is served by the echo behind the proxy.
fn serves(server: &Server) {
    server.target().serves();
}

/// Starts an echo server.
fn echo() -> (Server, String) {
    let echo = crate::start(server::PROGRAM, &[]);
    let address = echo.target().address.to_string();
    (echo, address)
}

#[test]
fn upstreams_that_are_unreachable_refuse_or_are_silent_are_passed_over() {
    let (echo, live) = echo();
    let ((_silent, silent), (_refusing, refuses)) = (silent(), refusing());
    let (silent, refuses) = (silent.to_string(), refuses.to_string());
    for bad in [UNREACHABLE[0], UNREACHABLE[1], &refuses, &silent, "0.0.0.0:0"] {
        let proxy = crate::start(PROGRAM, &[bad, &live, "--connect-timeout", "0.2"]);
        for _ in 0..3 {
            serves(&proxy);
        }
        let report = proxy.stop();
        let (tunnels, failures) = (report.figure("tunnels"), report.figure("failures"));
        assert!(tunnels == 3 && failures >= 1, "{bad}: {}", report.text);
    }
    let proxy = crate::start(PROGRAM, &[UNREACHABLE[0], &silent, "--connect-timeout", "0.2"]);
    let mut client = proxy.target().connect();
    assert_eq!(crate::rest(&mut client), b"", "a client without a server is closed");
    let report = proxy.stop();
    assert_eq!((report.figure("failures"), report.figure("unserved")), (2, 1));
    echo.stop();
}

#[test]
fn tunnels_that_are_slow_silent_or_cut_keep_no_other_waiting() {
    let (echo, live) = echo();
    let proxy = crate::start(PROGRAM, &[&live, "--idle-timeout", "2"]);
    beside(
        || serves(&proxy),
        || {
            let mut silent = proxy.target().connect();
            let mut slow = proxy.target().connect();
            for byte in [5; 40] {
                assert_eq!(trickle(&mut slow, &[byte]), 1);
                clients::expect(&mut slow, &[byte]);
            }
            clients::leave(slow);
            assert_eq!(crate::rest(&mut silent), b"", "a silent tunnel is closed in time");
            crate::close_in_the_middle(&proxy, &vec![7; 100_000]);
        },
    );
    proxy.stop();
    echo.stop();
}

#[test]
fn an_upstream_that_answers_and_resets_or_ends_at_once_ends_its_client_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let flaky = listener.local_addr().expect("it is bound").to_string();
    let (echo, live) = echo();
    let proxy = crate::start(PROGRAM, &[&flaky, "--connect-timeout", "5"]);
    let other = crate::start(PROGRAM, &[&live]);
    beside(
        || serves(&other),
        || {
            for number in 0..20 {
                let mut client = proxy.target().connect();
                let (mut behind, _) = listener.accept().expect("the proxy connects");
                behind.write_all(b"welcome").expect("it takes a few bytes");
                clients::expect(&mut client, b"welcome");
                if number % 2 == 0 {
                    crate::reset(behind);
                } else {
                    drop(behind);
                }
                assert_eq!(crate::rest(&mut client), b"");
            }
        },
    );
    assert_eq!(proxy.stop().figure("tunnels"), 20);
    other.stop();
    echo.stop();
}

#[test]
fn the_line_of_the_proxy_protocol_names_addresses_of_ipv6() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        println!("not run: this system has no IPv6");
        return;
    };
    let upstream = listener.local_addr().expect("it is bound").to_string();
    let mut command = server::command(PROGRAM);
    command.args(["[::1]:0", &upstream, "--proxy-protocol"]);
    command.stdout(std::process::Stdio::piped());
    let mut process = command.spawn().expect("it can be run");
    let mut line = String::new();
    let stdout = process.stdout.as_mut().expect("its output is piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("a line");
    let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next());
    let mut client = TcpStream::connect(address.expect("an address")).expect("it listens");
    client.write_all(b"hello").expect("it takes a few bytes");
    let (mut behind, _) = listener.accept().expect("the proxy connects");
    let (from, to) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let expected = format!("PROXY TCP6 ::1 ::1 {} {}\r\nhello", from.port(), to.port());
    clients::expect(&mut behind, expected.as_bytes());
    drop(client);
    assert_eq!(behind.read(&mut [0]).expect("an orderly end"), 0);
    process.kill().expect("the process is ours");
    process.wait().expect("the process is ours");
}

#[test]
fn addresses_that_are_none_and_times_that_are_none_are_refused_at_the_start() {
    for (arguments, named) in [
        (&["127.0.0.1:0", "upstream.test:80"][..], "upstream.test:80"),
        (&["127.0.0.1:0", "127.0.0.1"], "'127.0.0.1'"),
        (&["127.0.0.1:0", "127.0.0.1:65536"], "65536"),
        (&["127.0.0.1:0"], "UPSTREAMS"),
        (&["127.0.0.1:4000", "127.0.0.1:4000"], "an upstream of its own"),
        (&["127.0.0.1:0", "127.0.0.1:9", "--connect-timeout", "0"], "connect timeout"),
        (&["127.0.0.1:0", "127.0.0.1:9", "--idle-timeout", "NaN"], "idle timeout"),
    ] {
        let output = server::command(PROGRAM).args(arguments).output().expect("it can be run");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(named) && error.lines().count() == 1, "{error}");
    }
}
