//! The servers: the same echo service on every system, and what it is measured against.

use std::env::VarError;
use std::io::{BufRead, BufReader, Error, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The number of clients that every server has room for.
const CAPACITY: &str = "10100";
/// The time that a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// The names of those that are compared with each other.
pub(crate) mod name {
    pub(crate) const WAITABLE_SET: &str = "WASI 0.3, waitable set";
    pub(crate) const IO_POLL: &str = "WASI 0.2, wasi:io/poll";
    pub(crate) const IO_POLL_BY_HAND: &str = "WASI 0.2, hand-written";
    pub(crate) const MIO: &str = "WASI 0.2, mio";
    pub(crate) const WSTD: &str = "WASI 0.2, wstd";
    pub(crate) const POLL_ONEOFF: &str = "WASI 0.1, poll_oneoff";
    pub(crate) const POLL_ONEOFF_BY_HAND: &str = "WASI 0.1, hand-written";
}

/// A server that can be started.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// The program and its arguments, in which `{address}` stands for where to listen.
    command: Vec<String>,
    /// True if the host listens, so that the server does not know the address.
    host_listens: bool,
    /// With more idle clients than this it would be measured for minutes.
    pub(crate) idle_max: usize,
}

impl Contestant {
    /// Returns all contestants, from the programs that the environment names.
    pub(crate) fn all() -> std::result::Result<Vec<Self>, VarError> {
        let variable = |name| std::env::var(name);
        let program = variable("SELKIE_NATIVE")?;
        let native = |name, backend| {
            Self::new(name, &[&program, "{address}", "--backend", backend, "--capacity", CAPACITY])
        };
        let (old, new) = (variable("WASMTIME_OLD")?, variable("WASMTIME")?);
        let component = |name, file: &str, rest: &[&str]| {
            Self::new(
                name,
                &[&[&new, "run", "-S", "inherit-network", file, "{address}"], rest].concat(),
            )
        };
        let module = |name, file: &str, rest: &[&str]| Self {
            host_listens: true,
            idle_max: 1_000,
            ..Self::new(
                name,
                &[&[&old, "run", "-S", "preview2=n", "-S", "tcplisten={address}", file], rest]
                    .concat(),
            )
        };
        let (guests_p1, guests_p2) = (variable("SELKIE_GUESTS_P1")?, variable("SELKIE_GUESTS_P2")?);
        let peer = |name, file| Self {
            idle_max: 1_000,
            ..component(name, &format!("{guests_p2}/{file}.wasm"), &[])
        };
        let capacity = ["--capacity", CAPACITY];
        Ok(vec![
            native("native, epoll", "epoll"),
            native("native, poll", "poll"),
            native("native, select", "select"),
            component(name::WAITABLE_SET, &variable("SELKIE_P3")?, &[]),
            component(name::IO_POLL, &variable("SELKIE_P2")?, &capacity),
            component(name::IO_POLL_BY_HAND, &format!("{guests_p2}/io-poll.wasm"), &[]),
            peer(name::MIO, "mio"),
            peer(name::WSTD, "wstd"),
            module(name::POLL_ONEOFF, &variable("SELKIE_P1")?, &capacity),
            module(name::POLL_ONEOFF_BY_HAND, &format!("{guests_p1}/poll-oneoff.wasm"), &[]),
        ])
    }

    fn new(name: &'static str, command: &[&str]) -> Self {
        Self {
            name,
            command: command.iter().map(ToString::to_string).collect(),
            host_listens: false,
            idle_max: usize::MAX,
        }
    }

    /// Returns whether it is the same server by hand: its line would hide that of the library.
    pub(crate) fn is_by_hand(&self) -> bool {
        matches!(self.name, name::IO_POLL_BY_HAND | name::POLL_ONEOFF_BY_HAND)
    }

    /// Starts the server, and waits until it listens.
    pub(crate) fn start(&self) -> Result<Server> {
        let asked = if self.host_listens {
            free_address()?
        } else {
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        };
        let mut words =
            self.command.iter().map(|word| word.replace("{address}", &asked.to_string()));
        let mut command = Command::new(words.next().unwrap_or_default());
        let child = command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut server = Server { child, address: asked };
        if self.host_listens {
            let start = Instant::now();
            while TcpStream::connect(asked).is_err() {
                if start.elapsed() > PATIENCE {
                    return Err(Error::other(format!("{} does not listen", self.name)));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        } else {
            let output = server.child.stdout.take().ok_or_else(|| Error::other("no output"))?;
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            let address = line.split_whitespace().nth(2).and_then(|word| word.parse().ok());
            server.address =
                address.ok_or_else(|| Error::other(format!("{} says {line:?}", self.name)))?;
        }
        Ok(server)
    }
}

/// Returns an address at which no one listens.
fn free_address() -> Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A server that runs until this goes.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the processor time of its threads, in microseconds, where the system counts that
    /// (proc(5), `schedstat`).
    #[expect(clippy::cast_precision_loss, reason = "it is far less than 2^53 nanoseconds")]
    pub(crate) fn cpu_time(&self) -> Option<f64> {
        let mut nanos = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()? {
            let counts = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            nanos += counts.split_whitespace().next()?.parse::<u64>().ok()?;
        }
        Some(nanos as f64 / 1e3)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
