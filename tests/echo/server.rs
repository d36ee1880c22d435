//! The echo example as a child process.

#[path = "requests.rs"]
mod requests;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::clients::{Target, comes_true};

#[cfg(unix)]
#[allow(unused_imports, reason = "some tests send no other signals")]
pub(crate) use requests::signal;

/// The echo example, which cargo builds along with the tests.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_echo");

/// The variable that names a folder with the same programs for Windows. They are run by Wine then.
pub(crate) const WINDOWS_PROGRAMS: &str = "SELKIE_WINDOWS_PROGRAMS";

/// Prepares a command for a program that cargo has built, or for its namesake for Windows.
pub(crate) fn command(program: &str) -> Command {
    let Some(folder) = std::env::var_os(WINDOWS_PROGRAMS) else { return requests::own(program) };
    let name = Path::new(program).file_stem().expect("a path of a program");
    let mut command = Command::new("wine");
    command.arg(Path::new(&folder).join(name).with_extension("exe"));
    command
}

/// A running echo server, which is killed if a test fails.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
    capacity: usize,
}

/// The output of a server at its end.
pub(crate) struct Report {
    pub(crate) text: String,
}

impl Server {
    /// Starts the example on a free port and waits until it listens.
    pub(crate) fn start(backend: &str, options: &[&str]) -> Self {
        Self::start_with(command(PROGRAM), backend, options)
    }

    /// Starts a prepared command that has no arguments yet.
    pub(crate) fn start_with(mut command: Command, backend: &str, options: &[&str]) -> Self {
        command.args(["127.0.0.1:0", "--backend", backend]).args(options);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the example can be run");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output can be read");
        let (address, capacity) = parse(&line, backend).unwrap_or_else(|| {
            // One that has ended keeps its own status.
            let _ = child.kill();
            panic!("no address in the line {line:?}: {:?}", child.wait());
        });
        Self { child, stdout, address, capacity }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn target(&self) -> Target {
        Target { address: self.address, capacity: self.capacity, idle_timeout: None }
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        requests::terminate(&self.child);
    }

    /// Asks it to stop, and shows that it does so without complaint.
    pub(crate) fn stop(self) -> Report {
        self.terminate();
        self.stopped()
    }

    /// Waits for the end of a server that was asked to stop.
    pub(crate) fn stopped(mut self) -> Report {
        let mut status = None;
        let ended = comes_true(|| {
            status = self.child.try_wait().expect("the child is ours");
            status.is_some()
        });
        assert!(ended, "the server does not stop");
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).expect("its output can be read");
        assert_eq!(
            status.and_then(|status| status.code()),
            Some(0),
            "it ends with success, and prints: {text}"
        );
        let report = Report { text };
        assert_eq!(
            report.figure("accepted"),
            report.figure("closed"),
            "every connection was closed: {}",
            report.text
        );
        report
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Parses the address and the capacity in `listening on 127.0.0.1:7000 (epoll, capacity 1024)`.
fn parse(line: &str, backend: &str) -> Option<(SocketAddr, usize)> {
    let (address, rest) = line.strip_prefix("listening on ")?.split_once(' ')?;
    let rest =
        rest.trim_end().strip_prefix(&format!("({backend}, capacity "))?.strip_suffix(')')?;
    // With shards the line goes on.
    let capacity = rest.split(',').next()?;
    Some((address.parse().ok()?, capacity.parse().ok()?))
}

impl Report {
    /// Returns the number behind `name`.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let digits = self.words_after(name).next().unwrap_or_default();
        digits.parse().unwrap_or_else(|_| panic!("no figure for {name:?} in {}", self.text))
    }

    /// Returns the number in front of `name`.
    pub(crate) fn figure_before(&self, name: &str) -> u64 {
        let before = self.text.split(name).next().unwrap_or_default();
        let digits = before.split_whitespace().next_back().unwrap_or_default();
        digits.parse().unwrap_or_else(|_| panic!("no figure for {name:?} in {}", self.text))
    }

    fn words_after(&self, name: &str) -> impl Iterator<Item = &str> {
        let after = self.text.split_once(name).map_or("", |(_, after)| after);
        after.split(|character: char| !character.is_ascii_digit()).filter(|word| !word.is_empty())
    }
}
