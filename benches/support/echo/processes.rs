//! Starting servers and clients, and talking to them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::Contestant;

/// The clients of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections that always have a message under way.
    pub(crate) active: usize,
    /// Connections that send nothing.
    pub(crate) idle: usize,
    /// The length of a message.
    pub(crate) message_bytes: usize,
}

/// A program under which a server is run, and its arguments.
pub(crate) type Wrapper<'w> = &'w [&'w str];

/// A server process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    port: u16,
}

/// A client process.
#[derive(Debug)]
pub(crate) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// Returns a command that runs this program, under another one if given.
fn command(wrapper: Wrapper<'_>) -> Command {
    let program = std::env::current_exe().expect("the path of this program");
    let Some((tool, arguments)) = wrapper.split_first() else { return Command::new(program) };
    let mut command = Command::new(tool);
    command.args(arguments).arg(program);
    command
}

impl Server {
    /// Starts a server that ends when so many connections were opened and closed.
    pub(crate) fn start(contestant: Contestant, connections: usize, wrapper: Wrapper<'_>) -> Self {
        Self::start_role(&["serve", contestant.name(), &connections.to_string()], wrapper)
    }

    /// Starts this program in a role that prints a port first.
    pub(crate) fn start_role(role: &[&str], wrapper: Wrapper<'_>) -> Self {
        let mut command = command(wrapper);
        command.arg("--role").args(role).stdout(Stdio::piped());
        if !wrapper.is_empty() {
            command.stderr(Stdio::piped());
        }
        let mut child = command.spawn().expect("a server process");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let port = line(&mut output).parse().expect("the server's port");
        Self { child, output, port }
    }

    /// Reads the line that a server prints at its end.
    pub(crate) fn last_line(&mut self) -> String {
        line(&mut self.output)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, after its connections are closed; returns the output of its wrapper.
    pub(crate) fn finish(mut self) -> String {
        let messages =
            self.child.stderr.take().map(|output: ChildStderr| std::io::read_to_string(output));
        assert!(self.child.wait().expect("a server process").success(), "the server failed");
        messages.map_or_else(String::new, |messages| messages.expect("text"))
    }
}

impl Client {
    /// Starts a client, and waits until it is connected and every connection was served once.
    pub(crate) fn start(server: &Server, load: Load) -> Self {
        Self::start_on(1, server, load)
    }

    /// Starts a client on the given core.
    pub(crate) fn start_on(core: usize, server: &Server, load: Load) -> Self {
        let Load { active, idle, message_bytes } = load;
        let numbers = [usize::from(server.port), active, idle, message_bytes, core]
            .map(|number| number.to_string());
        let mut command = command(&[]);
        command
            .args(["--role", "drive"])
            .args(numbers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("a client process");
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        assert_eq!(line(&mut output), "ready");
        Self { child, input, output }
    }

    /// Exchanges `messages` messages; returns the time that took.
    pub(crate) fn exchange(&mut self, messages: u64) -> Duration {
        self.begin(messages);
        self.end()
    }

    /// Begins to exchange `messages` messages.
    pub(crate) fn begin(&mut self, messages: u64) {
        let input = self.input.as_mut().expect("an open input");
        writeln!(input, "{messages}").expect("the client listens");
    }

    /// Waits for the end of what was begun; returns the time that it took.
    pub(crate) fn end(&mut self) -> Duration {
        Duration::from_nanos(line(&mut self.output).parse().expect("nanoseconds"))
    }

    /// Closes all connections.
    pub(crate) fn finish(mut self) {
        self.input = None;
        assert!(self.child.wait().expect("a client process").success(), "the client failed");
    }
}

/// Reads the next line of a process.
fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}
