//! The watcher: standard input, a child and its output, signals and clients, all in one loop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::clients::comes_true;
use crate::server::signal;

/// A running watcher, which is killed if a test fails.
struct Watcher {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Watcher {
    /// Starts it with a child that runs a script.
    fn start(script: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_watch"))
            .args(["127.0.0.1:0", "--", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example can be run");
        let mut output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("its output can be read");
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        let input = process.stdin.take();
        Self { process, input, output, address }
    }

    /// Connects a client, and waits until it is known: until it hears what is typed.
    fn client(&mut self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(self.address).expect("it listens");
        let timeout = Some(Duration::from_millis(50));
        stream.set_read_timeout(timeout).expect("a socket takes the option");
        let mut client = BufReader::new(stream);
        let mut line = String::new();
        let hears = comes_true(|| {
            self.say("are you there\n");
            client.read_line(&mut line).is_ok() && line.contains("are you there\n")
        });
        assert!(hears, "the client hears nothing");
        let timeout = Some(Duration::from_secs(30));
        client.get_ref().set_read_timeout(timeout).expect("a socket takes the option");
        client
    }

    /// Types on its standard input.
    fn say(&mut self, text: &str) {
        let input = self.input.as_mut().expect("its input is open");
        input.write_all(text.as_bytes()).expect("it reads its input");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads lines until one has this text.
fn hear(client: &mut impl BufRead, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        let count = client.read_line(&mut line).expect("a line in time");
        assert!(count > 0, "the end comes before {text:?}");
    }
}

#[test]
fn what_is_typed_and_what_a_child_prints_reaches_every_client() {
    // It prints when it is asked to end its sleep.
    let mut watcher = Watcher::start(
        "trap 'echo hello from the child; exit 3' TERM; \
                                      while :; do echo alive; sleep 0.05; done",
    );
    let (mut first, mut second) = (watcher.client(), watcher.client());
    watcher.say("one for all\n");
    hear(&mut first, "one for all");
    hear(&mut second, "one for all");
    // The shell has set its trap.
    hear(&mut first, "alive");
    let child = child_of(watcher.process.id());
    let status = Command::new("kill").args(["-TERM", &child]).status();
    assert!(status.expect("every unix has kill").success());
    hear(&mut first, "hello from the child");
    hear(&mut first, "the child ended: exit status: 3");
    // What a client says is printed; the end of the input ends nothing.
    drop(watcher.input.take());
    second.get_mut().write_all(b"printed\n").expect("it reads");
    hear(&mut watcher.output, "printed");
}

#[test]
fn a_hangup_starts_the_child_anew_and_a_termination_ends_all_in_order() {
    let mut watcher = Watcher::start("echo started; exec sleep 1000");
    let mut client = watcher.client();
    let before = child_of(watcher.process.id());
    signal(&watcher.process, "HUP");
    hear(&mut client, "hangup: starting anew");
    hear(&mut client, "started");
    assert_ne!(child_of(watcher.process.id()), before);
    signal(&watcher.process, "TERM");
    hear(&mut client, "terminating");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("an orderly end");
    let mut status = None;
    let ended = comes_true(|| {
        status = watcher.process.try_wait().expect("the process is ours");
        status.is_some()
    });
    assert!(ended, "it does not end");
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

/// Returns the number of the one child of a process, once there is one.
fn child_of(process: u32) -> String {
    let mut child = String::new();
    let is_there = comes_true(|| {
        let output = Command::new("pgrep").args(["-P", &process.to_string()]).output();
        let output = output.expect("every unix has pgrep");
        String::from_utf8_lossy(&output.stdout).trim().clone_into(&mut child);
        !child.is_empty() && !child.contains('\n')
    });
    assert!(is_there, "no child");
    child
}
