//! Standard output that cannot be written: the server goes on serving, and ends with success.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, PipeWriter, Write, pipe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

use crate::clients::{Target, comes_true};
use crate::server::{PROGRAM, signal};

/// A server with an output of its own, which is killed if a test fails.
struct Muted {
    process: Child,
    address: SocketAddr,
}

impl Muted {
    fn start(stdout: impl Into<Stdio>) -> Self {
        let address = free_address();
        let mut command = Command::new(PROGRAM);
        let process = command.arg(address.to_string()).stdout(stdout).spawn();
        Self { process: process.expect("the example can be run"), address }
    }

    /// Checks that it serves, and ends with success when it is asked to.
    fn serves_and_stops(mut self) {
        let listens = comes_true(|| {
            let ended = self.process.try_wait().expect("the child is ours");
            assert!(ended.is_none(), "the server has ended: {ended:?}");
            TcpStream::connect(self.address).is_ok()
        });
        assert!(listens, "the server does not listen");
        Target { address: self.address, capacity: 1024, idle_timeout: None }.serves();
        signal(&self.process, "TERM");
        let mut status = None;
        let ended = comes_true(|| {
            status = self.process.try_wait().expect("the child is ours");
            status.is_some()
        });
        assert!(ended, "the server does not stop");
        assert_eq!(status.and_then(|status| status.code()), Some(0));
    }
}

impl Drop for Muted {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns an address that was free a moment ago, as a server without output cannot tell its own.
/// No other test has this host of the loopback network.
fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.84.0.1:0").expect("a free port");
    free.local_addr().expect("it is bound")
}

/// Returns a pipe without room, and its reader.
fn full_pipe() -> (PipeWriter, impl Sized) {
    let (reader, mut writer) = pipe().expect("a pipe");
    // SAFETY: the call takes no pointers.
    let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
    let size = usize::try_from(size).expect("the size of a pipe");
    writer.write_all(&vec![0; size]).expect("an empty pipe takes its size");
    (writer, reader)
}

#[test]
fn a_reader_that_leaves_after_the_first_line_stops_no_server() {
    let mut server = Muted::start(Stdio::piped());
    let mut reader = BufReader::new(server.process.stdout.take().expect("its output is piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("its output can be read");
    assert!(line.starts_with(&format!("listening on {} ", server.address)), "{line}");
    drop(reader);
    server.serves_and_stops();
}

#[test]
fn a_reader_that_left_before_the_first_line_stops_no_server() {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    Muted::start(writer).serves_and_stops();
}

#[test]
fn a_full_disk_stops_no_server() {
    let full: File = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    Muted::start(full).serves_and_stops();
}

#[test]
fn a_full_pipe_delays_no_server() {
    let (writer, _reader) = full_pipe();
    Muted::start(writer).serves_and_stops();
}

#[test]
fn an_error_that_cannot_be_printed_is_still_the_exit_status() {
    let full: File = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let (pipe, _reader) = full_pipe();
    for stderr in [Stdio::from(full), Stdio::from(pipe)] {
        let mut command = Command::new(PROGRAM);
        let status = command.arg("nonsense").stderr(stderr).status().expect("it can be run");
        assert_eq!(status.code(), Some(2));
    }
}
