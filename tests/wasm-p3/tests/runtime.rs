//! Programs in a runtime of WebAssembly: the echo server, tried by the same clients as everywhere,
//! and the conformance suite. `ci/steps/wasi-p3.sh` builds both and says where they and the runtime
//! are.

#[path = "../../clients/calm.rs"]
mod calm;
#[path = "../../clients/mod.rs"]
mod clients;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use calm::assert_calm;
use clients::{PATIENCE, Target, echo, expect, is_answered_within, leave, stuff};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// Returns the value of an environment variable that has to be set.
fn place(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run `ci/test wasi-p3`"))
}

/// Returns the command that runs a component in a runtime.
fn component(variable: &str) -> Command {
    let mut command = Command::new(place("SELKIE_WASMTIME"));
    command.args(["run", "-S", "inherit-network"]).arg(place(variable));
    command.stdout(Stdio::piped());
    command
}

/// A running echo server, which ends with the test.
struct Server {
    child: Child,
    target: Target,
}

impl Server {
    /// Starts it on a free port, for so many clients, and waits until it listens.
    fn start(capacity: usize, idle_seconds: Option<u64>) -> Self {
        let mut command = component("SELKIE_ECHO");
        command.args(["127.0.0.1:0", &capacity.to_string()]);
        command.args(idle_seconds.map(|seconds| seconds.to_string()));
        let mut child = command.spawn().expect("the runtime can be run");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut line).expect("its output can be read");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..2], ["listening", "on"], "the line is {line:?}");
        assert_eq!(
            words[3..],
            ["(waitable_set,", "capacity", &format!("{capacity})")],
            "the line is {line:?}"
        );
        let address = words[2].parse().expect("it prints an address");
        let idle_timeout = idle_seconds.map(Duration::from_secs);
        Self { child, target: Target { address, capacity, idle_timeout } }
    }

    /// Shows that it still serves, and runs.
    fn still_serves(mut self) {
        self.target.serves();
        let ended = self.child.try_wait().expect("the child is ours");
        assert!(ended.is_none(), "the server has ended: {ended:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn clients_that_interleave_get_their_own_bytes() {
    let server = Server::start(64, None);
    clients::interleaved(&server.target);
    server.still_serves();
}

#[test]
fn eight_mebibytes_come_back_after_a_half_close() {
    let server = Server::start(64, None);
    clients::large_with_half_close(&server.target, 8 << 20);
    server.still_serves();
}

#[test]
fn clients_that_come_and_go_are_all_served() {
    let server = Server::start(8, None);
    clients::churn(&server.target, 100);
    server.still_serves();
}

#[test]
fn a_stalled_reader_costs_no_other_client() {
    let server = Server::start(16, None);
    clients::stalled_reader(&server.target, || {});
    server.still_serves();
}

#[test]
fn many_stalled_readers_cost_no_other_client() {
    let server = Server::start(64, None);
    let mut stalled: Vec<TcpStream> = (0..20).map(|_| server.target.connect()).collect();
    let sent: Vec<u64> = std::thread::scope(|scope| {
        let stuffing: Vec<_> =
            stalled.iter_mut().map(|client| scope.spawn(|| stuff(client))).collect();
        stuffing.into_iter().map(|client| client.join().expect("a client is stuffed")).collect()
    });
    for _ in 0..10 {
        server.target.serves();
    }
    for (mut client, sent) in stalled.into_iter().zip(sent) {
        client.shutdown(Shutdown::Write).expect("the connection is still there");
        let received = std::io::copy(&mut client, &mut std::io::sink())
            .expect("the server sends its pending output");
        assert_eq!(received, sent, "bytes of a stalled reader are lost");
    }
    server.still_serves();
}

#[test]
fn a_storm_of_resets_harms_no_other_client() {
    let server = Server::start(64, None);
    clients::reset_storm(&server.target, 400);
    server.still_serves();
}

#[test]
fn clients_beyond_the_capacity_wait_and_get_their_turn() {
    let server = Server::start(4, None);
    clients::full_capacity(&server.target);
    server.still_serves();
}

#[test]
fn a_silent_client_is_let_go_in_time() {
    let server = Server::start(64, Some(1));
    clients::idle_timeout(&server.target);
    server.still_serves();
}

/// Checks fairness: the runtime hands out the event with the smallest handle first, and completes
/// operations only while the guest sleeps, so busy clients could starve the one that arrived last.
#[test]
fn busy_clients_that_came_first_do_not_starve_a_late_one() {
    let server = Server::start(64, None);
    let over = AtomicBool::new(false);
    let busy: Vec<TcpStream> = (0..32).map(|_| server.target.connect()).collect();
    std::thread::scope(|scope| {
        for client in &busy {
            let over = &over;
            scope.spawn(move || flood(client, over));
        }
        let start = Instant::now();
        let mut late = server.target.connect();
        for _ in 0..50 {
            echo(&mut late, b"a word in between");
        }
        let took = start.elapsed();
        leave(late);
        over.store(true, Ordering::Relaxed);
        assert!(took < PATIENCE / 2, "50 words took {took:?} beside busy clients");
    });
    server.still_serves();
}

/// Keeps a connection ready all the time, until it is over.
fn flood(mut client: &TcpStream, over: &AtomicBool) {
    let chunk = [b'f'; 4096];
    client.write_all(&chunk).expect("the server takes bytes");
    while !over.load(Ordering::Relaxed) {
        client.write_all(&chunk).expect("the server takes bytes");
        client.read_exact(&mut [0; 4096]).expect("the server answers in time");
    }
}

#[test]
fn an_idle_server_sleeps() {
    let server = Server::start(64, Some(60));
    let mut clients: Vec<_> = (0..20).map(|_| server.target.connect()).collect();
    for client in &mut clients {
        echo(client, b"hello");
    }
    assert_calm(server.child.id(), 5, || std::thread::sleep(Duration::from_millis(500)));
    server.still_serves();
}

#[test]
fn without_descriptors_the_others_go_on() {
    let server = Server::start(64, None);
    let mut inside: Vec<_> = (0..3).map(|_| server.target.connect()).collect();
    for client in &mut inside {
        echo(client, b"before");
    }
    limit_descriptors(&server.child, STANDARD_STREAMS);
    let mut outside: Vec<_> = (0..6).map(|_| server.target.connect()).collect();
    for client in &mut outside {
        client.write_all(b"let me in").expect("the backlog takes a message");
    }
    assert_calm(server.child.id(), 15, || {
        for _ in 0..25 {
            for client in &mut inside {
                echo(client, b"meanwhile");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let is_in = |client: &TcpStream| is_answered_within(client, Duration::from_millis(5));
    assert!(!outside.iter().any(is_in), "the limit has no effect");
    limit_descriptors(&server.child, 1024);
    for client in &mut outside {
        expect(client, b"let me in");
    }
    server.still_serves();
}

/// The numbers below it are those of the standard streams, so no descriptor is free under this
/// limit. The lowest number that is free at one instant would not do: a thread of the runtime that
/// keeps its cache of compiled programs closes its files later.
const STANDARD_STREAMS: u64 = 3;

/// Sets how many descriptors a running process may have.
fn limit_descriptors(child: &Child, count: u64) {
    let limit = Rlimit { current: Some(count), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Some(Pid::from_child(child)), Resource::Nofile, limit)
        .expect("the limits of a child can be set");
}

#[test]
fn bad_arguments_end_with_a_sentence() {
    for arguments in [
        &["nonsense"][..],
        &["127.0.0.1:0", "0"],
        &["127.0.0.1:0", "65"],
        &["127.0.0.1:0", "4", "x"],
    ] {
        let output =
            component("SELKIE_ECHO").args(arguments).output().expect("the runtime can be run");
        assert!(!output.status.success(), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.starts_with("expected: "), "{arguments:?}: {text}");
    }
}

#[test]
fn an_address_in_use_ends_with_a_sentence() {
    let server = Server::start(4, None);
    let address = server.target.address.to_string();
    let output = component("SELKIE_ECHO").arg(address).output().expect("the runtime can be run");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("cannot listen there"));
    server.still_serves();
}

#[test]
fn the_contract_holds() {
    let mut child = component("SELKIE_SUITE").spawn().expect("the runtime can be run");
    let mut report = String::new();
    let mut output = child.stdout.take().expect("its output is piped");
    output.read_to_string(&mut report).expect("its output can be read");
    let status = child.wait().expect("the child is ours");
    println!("{report}");
    assert!(status.success(), "the suite ended with {status}:\n{report}");
    let summary = report.lines().last().expect("the suite prints a summary");
    assert!(summary.ends_with(" 0 failed"), "{summary}");
}
