//! The service as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_selkie-http");

/// The longest wait for a process.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running service, which is killed if a test fails.
pub(crate) struct Service {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Service {
    /// Starts it with arguments, and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        Self::spawn(command)
    }

    /// Starts it with a listener, as systemd does: descriptor 3, and two variables.
    pub(crate) fn inherit(listener: &TcpListener) -> Self {
        let mut command = Command::new("sh");
        // The shell has the number that the program will have, and the listener as its input.
        let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" 3<&0 </dev/null";
        let passed = listener.try_clone().expect("a descriptor");
        command.args(["-c", script, PROGRAM]).stdin(Stdio::from(OwnedFd::from(passed)));
        Self::spawn(command)
    }

    /// Starts a prepared command.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the service can be run");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output can be read");
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { child, stdout, address }
    }

    /// Asks it to end, and waits until it has. Returns how many clients it has accepted.
    pub(crate) fn stop(mut self) -> u64 {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status();
        assert!(status.expect("every unix has kill").success());
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            assert!(Instant::now() < end, "the service does not end");
            thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "{status}");
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).expect("its output can be read");
        let accepted = text.strip_prefix("accepted ").and_then(|rest| rest.split(',').next());
        accepted.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
