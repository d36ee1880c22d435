//! The watcher: clients that say what is no text, do not read, or vanish, and output that no one
//! reads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::clients::{self, PATIENCE};
use crate::server::signal;
use crate::{BOUND, reset};

/// A running watcher, which is killed if a test fails.
struct Watcher {
    process: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Watcher {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_watch"))
            .arg("127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example can be run");
        let mut output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("its output can be read");
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|address| address.parse().ok()).expect("an address");
        Self { process, output, address }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("it listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a socket takes the option");
        client.set_write_timeout(Some(PATIENCE)).expect("a socket takes the option");
        client
    }

    /// Types a line until a client hears it.
    fn is_heard(&mut self, client: &mut TcpStream) {
        let began = std::time::Instant::now();
        client.set_read_timeout(Some(crate::PAUSE)).expect("a socket takes the option");
        let mut said = String::new();
        let heard = clients::comes_true(|| {
            let input = self.process.stdin.as_mut().expect("its input is piped");
            input.write_all(b"are you there\n").expect("it reads its input");
            let mut bytes = [0; 4096];
            let count = client.read(&mut bytes).unwrap_or(0);
            said.push_str(&String::from_utf8_lossy(&bytes[..count]));
            said.contains("are you there\n")
        });
        assert!(heard && began.elapsed() < BOUND, "it is stuck for {:?}", began.elapsed());
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_clients_say_is_printed_as_text_and_nothing_waits_for_its_reader() {
    let mut watcher = Watcher::start();
    let mut rude = watcher.connect();
    rude.write_all(b"\x1b[2J\0hello\n").expect("it takes a line");
    let mut line = String::new();
    watcher.output.read_line(&mut line).expect("a line in time");
    assert_eq!(line, "?[2J?hello\n");
    // Far more than the pipe takes, of which nothing is read.
    rude.write_all(&vec![b'x'; 1 << 20]).expect("it takes all");
    let mut listener = watcher.connect();
    watcher.is_heard(&mut listener);
    // A slow one, one that vanishes, one that is cut off, one that never reads.
    let mut slow = watcher.connect();
    crate::trickle(&mut slow, b"slow\n");
    for _ in 0..20 {
        let mut gone = watcher.connect();
        gone.write_all(b"half a li").expect("it takes a few bytes");
        reset(gone);
    }
    slow.shutdown(Shutdown::Write).expect("the connection is open");
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).expect("an orderly end");
    watcher.is_heard(&mut listener);
    signal(&watcher.process, "TERM");
    let mut status = None;
    let ended = clients::comes_true(|| {
        status = watcher.process.try_wait().expect("the process is ours");
        // It drains: its clients leave.
        let _ = listener.shutdown(Shutdown::Write);
        let _ = rude.shutdown(Shutdown::Write);
        status.is_some()
    });
    assert!(ended && status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn a_child_that_cannot_be_started_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watch"));
    let output = command.args(["127.0.0.1:0", "--", "no-such-program"]).output();
    let output = output.expect("the example can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("watch: cannot start no-such-program: "), "{error}");
}
