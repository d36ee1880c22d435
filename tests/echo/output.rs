//! Standard output that cannot be written: the server goes on serving, and ends with success.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, PipeWriter, Write, pipe};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

use crate::clients::{Target, comes_true};
use crate::server::{PROGRAM, signal};

/// A server with an output of its own, which is killed if a test fails.
struct Muted(Child);

impl Muted {
    fn start(stdout: impl Into<Stdio>) -> Self {
        let mut command = Command::new(PROGRAM);
        let child = command.arg("127.0.0.1:0").stdout(stdout).spawn();
        Self(child.expect("the example can be run"))
    }

    /// Checks that it serves, and ends with success when it is asked to.
    fn serves_and_stops(mut self) {
        let mut address = None;
        let listens = comes_true(|| {
            address = listening_address(self.0.id());
            address.is_some()
        });
        assert!(listens, "the server does not listen");
        let address = address.expect("it listens");
        Target { address, capacity: 1024, idle_timeout: None }.serves();
        signal(&self.0, "TERM");
        let mut status = None;
        let ended = comes_true(|| {
            status = self.0.try_wait().expect("the child is ours");
            status.is_some()
        });
        assert!(ended, "the server does not stop");
        assert_eq!(status.and_then(|status| status.code()), Some(0));
    }
}

impl Drop for Muted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the local address of the listening IPv4 socket of a process, once there is one.
fn listening_address(process: u32) -> Option<SocketAddr> {
    const LISTEN: &str = "0A";
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .ok()?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let table = fs::read_to_string(format!("/proc/{process}/net/tcp")).ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        if *state != LISTEN || !sockets.iter().any(|socket| socket == inode) {
            return None;
        }
        let port = u16::from_str_radix(address.rsplit(':').next()?, 16).ok()?;
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    })
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
    let mut reader = BufReader::new(server.0.stdout.take().expect("its output is piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("its output can be read");
    assert!(line.starts_with("listening on 127.0.0.1:"), "{line}");
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
