//! Programs that connect: a server that answers, one that refuses, one that is silent, and a host
//! that denies.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::runtime::{COMPONENT_RUNTIMES, Runtime};
use crate::upstream::{refusing, silent};

/// Starts a server that answers one client with what it asks, twice.
fn answering() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client comes");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).expect("it asks");
        write!(stream, "{} {line}", line.trim_end()).expect("it listens");
    });
    address
}

/// Asks these servers, and checks the lines that are printed, in any order.
fn assert_answers(runtime: Runtime, network: bool, expected: &[(SocketAddr, &str)]) {
    let addresses: Vec<_> = expected.iter().map(|(address, _)| address.to_string()).collect();
    let Some(output) = runtime.ask(network, "hello", &addresses) else { return };
    let mut lines: Vec<_> = output.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    let mut expected: Vec<_> =
        expected.iter().map(|(address, text)| format!("{address}: {text}")).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected, "{runtime:?}");
}

#[test]
fn a_client_learns_who_answers_who_refuses_and_who_is_silent() {
    let ((_silent, silent), (_refusing, refuses)) = (silent(), refusing());
    // Each takes the time that the silent one is given.
    thread::scope(|scope| {
        for runtime in COMPONENT_RUNTIMES {
            scope.spawn(move || {
                let answers = [
                    (answering(), "hello hello"),
                    (refuses, "refused"),
                    (silent, "timed-out"),
                    (answering(), "hello hello"),
                ];
                assert_answers(runtime, true, &answers);
            });
        }
    });
}

#[test]
fn a_client_that_the_host_denies_is_told_at_once() {
    let (_kept, address) = refusing();
    for runtime in COMPONENT_RUNTIMES {
        let code = if matches!(runtime, Runtime::Wasmtime03(_)) { 1 } else { 2 };
        let text = format!("permission denied (platform error {code})");
        assert_answers(runtime, false, &[(address, &text), (address, &text)]);
    }
}
