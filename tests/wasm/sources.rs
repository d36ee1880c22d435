//! Sources that are no TCP sockets, in one loop: standard input, messages, names, and pollables of
//! the program's own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::clients::PATIENCE;
use crate::runtime::Runtime;

/// A program that watches them, and prints what happens.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Program {
    fn start(runtime: Runtime, options: &[&str]) -> Option<Self> {
        let mut child = runtime.sources(options)?.spawn().expect("the runtime can be run");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let _ = output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        });
        Some(Self { input: child.stdin.take(), child, lines })
    }

    fn next_line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the program prints a line in time")
    }

    /// Checks that the next lines are these, in any order.
    fn expect(&self, expected: &[&str]) {
        let mut lines: Vec<_> = expected.iter().map(|_| self.next_line()).collect();
        lines.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }

    fn type_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").expect("the program reads its input");
    }

    /// Ends its input, and checks that the program ends.
    fn end(mut self) {
        self.input = None;
        self.expect(&["input ended"]);
        assert!(self.child.wait().expect("the child is ours").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a message of this length, and checks that as many bytes of it come back as fit.
fn echo(socket: &UdpSocket, length: usize) {
    let message: Vec<u8> = (0..=255).cycle().take(length).collect();
    socket.send(&message).expect("a message can be sent");
    let mut answer = [0; 2000];
    let count = socket.recv(&mut answer).expect("the message comes back");
    assert_eq!(answer[..count], message[..length.min(1000)]);
}

fn everything_in_one_loop(runtime: Runtime) {
    let options = ["-S", "allow-ip-name-lookup"];
    let Some(mut program) = Program::start(runtime, &options) else { return };
    let line = program.next_line();
    let address: SocketAddr =
        line.strip_prefix("messages to ").and_then(|text| text.parse().ok()).expect("an address");
    program.expect(&["clock"]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.connect(address).expect("an address of this machine");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket takes the option");
    for round in 0..3 {
        echo(&socket, 5);
        program.expect(&["message of 5 bytes, cut: false"]);
        program.type_line(&format!("127.0.0.{round}"));
        program.expect(&[
            &format!("line 127.0.0.{round}"),
            &format!("address 127.0.0.{round}"),
            "no more addresses",
        ]);
    }
    echo(&socket, 0);
    echo(&socket, 1001);
    program.expect(&["message of 0 bytes, cut: false", "message of 1000 bytes, cut: true"]);
    program.type_line("no.such.name.invalid");
    program.expect(&["line no.such.name.invalid", "no address: AddressUnavailable"]);
    program.end();
}

#[test]
fn input_messages_names_and_pollables_are_watched_in_one_loop_on_wasi_02() {
    for name in ["wasmtime-36", "wasmtime-48", "wasmtime-49"] {
        everything_in_one_loop(Runtime::Wasmtime02(name));
    }
}

#[test]
fn a_host_that_looks_up_no_names_says_so_at_once() {
    let Some(mut program) = Program::start(Runtime::Wasmtime02("wasmtime-48"), &[]) else {
        return;
    };
    program.next_line();
    program.expect(&["clock"]);
    program.type_line("127.0.0.1");
    program.expect(&["line 127.0.0.1", "not looked up: AddressUnavailable"]);
    program.end();
}

#[test]
fn standard_input_is_a_source_on_wasi_01() {
    let Some(mut program) = Program::start(Runtime::Wasmtime01("wasmtime-36"), &[]) else {
        return;
    };
    for line in ["one", "two"] {
        program.type_line(line);
        program.expect(&[&format!("line {line}")]);
    }
    program.end();
}
