//! Sources of all kinds in one loop: standard input, messages, names, clients, and a clock of the
//! program's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::clients::PATIENCE;
use crate::runtime::Runtime;

/// A program that watches them, and prints what happens.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Program {
    fn start(runtime: Runtime, options: &[&str]) -> Option<Self> {
        runtime.watching("sources", true, options).map(Self::spawn)
    }

    fn without_network(runtime: Runtime) -> Option<Self> {
        runtime.watching("sources", false, &[]).map(Self::spawn)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the runtime can be run");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let _ = output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        });
        Self { input: child.stdin.take(), child, lines }
    }

    fn next_line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the program prints a line in time")
    }

    /// Checks that the next lines are these, in any order.
    pub(crate) fn expect(&self, expected: &[&str]) {
        let mut lines: Vec<_> = expected.iter().map(|_| self.next_line()).collect();
        lines.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }

    /// Returns the address that the next line ends with, behind `text`.
    pub(crate) fn next_address(&self, text: &str) -> SocketAddr {
        let line = self.next_line();
        line.strip_prefix(text).and_then(|text| text.parse().ok()).expect("an address")
    }

    fn type_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").expect("the program reads its input");
    }

    /// Ends its input, and checks that the program ends.
    fn end(mut self) {
        self.input = None;
        self.expect(&["input ended"]);
        self.succeeds();
    }

    /// Checks that the program ends by itself.
    pub(crate) fn succeeds(mut self) {
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

/// Sends a text, and checks that it comes back.
pub(crate) fn talk(client: &mut TcpStream, text: &str) {
    client.write_all(text.as_bytes()).expect("the program reads");
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer).expect("the program answers");
    assert_eq!(answer, text.as_bytes());
}

fn everything_in_one_loop(runtime: Runtime) {
    let options = ["-S", "allow-ip-name-lookup"];
    let Some(mut program) = Program::start(runtime, &options) else { return };
    let messages = program.next_address("messages to ");
    let clients = program.next_address("clients to ");
    program.expect(&["clock"]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.connect(messages).expect("an address of this machine");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket takes the option");
    let mut client = TcpStream::connect(clients).expect("the program listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a socket takes the option");
    program.expect(&["client"]);
    for round in 0..3 {
        talk(&mut client, "hello");
        program.expect(&["client said 5 bytes"]);
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
    drop(client);
    program.expect(&["client left"]);
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
fn input_messages_names_and_clocks_are_watched_in_one_loop_on_wasi_03() {
    for name in ["wasmtime-48", "wasmtime-49"] {
        everything_in_one_loop(Runtime::Wasmtime03(name));
    }
}

#[test]
fn a_host_that_looks_up_no_names_says_so_at_once() {
    no_names(Runtime::Wasmtime02("wasmtime-48"));
    no_names(Runtime::Wasmtime03("wasmtime-49"));
}

fn no_names(runtime: Runtime) {
    let Some(mut program) = Program::start(runtime, &[]) else { return };
    program.next_address("messages to ");
    program.next_address("clients to ");
    program.expect(&["clock"]);
    program.type_line("127.0.0.1");
    program.expect(&["line 127.0.0.1", "not looked up, without -S allow-ip-name-lookup"]);
    program.end();
}

#[test]
fn a_host_without_a_network_says_so_and_how_to_give_it() {
    for runtime in [Runtime::Wasmtime02("wasmtime-48"), Runtime::Wasmtime03("wasmtime-49")] {
        let Some(mut program) = Program::without_network(runtime) else { return };
        program.expect(&["no messages: permission denied by the host; give it -S inherit-network"]);
        program.expect(&["clock"]);
        program.type_line("one");
        program.expect(&["line one", "not looked up, without -S allow-ip-name-lookup"]);
        program.end();
    }
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
