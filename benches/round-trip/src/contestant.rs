//! The servers: the same echo service on every system.

use std::env::VarError;
use std::io::{BufRead, BufReader, Error, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many clients every server has room for.
const CAPACITY: &str = "10100";
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that can be started.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// The program and its arguments, in which `{address}` stands for where to listen.
    command: Vec<String>,
    /// Whether the host listens, so that the server cannot say where.
    host_listens: bool,
    /// With more idle clients than this it would be measured for minutes.
    pub(crate) idle_max: usize,
}

impl Contestant {
    /// All of them, from the programs that the environment names.
    pub(crate) fn all() -> std::result::Result<Vec<Self>, VarError> {
        let variable = |name| std::env::var(name);
        let native = |name, backend: &str| -> std::result::Result<Self, VarError> {
            let program = variable("SELKIE_NATIVE")?;
            Ok(Self::new(name, &[&program, "{address}", "--backend", backend, "--capacity", CAPACITY]))
        };
        let (p1, p2, p3) = (variable("SELKIE_P1")?, variable("SELKIE_P2")?, variable("SELKIE_P3")?);
        let (old, new) = (variable("WASMTIME_OLD")?, variable("WASMTIME")?);
        let listen = "tcplisten={address}";
        let mut poll_oneoff = Self::new(
            "WASI 0.1, poll_oneoff",
            &[&old, "run", "-S", "preview2=n", "-S", listen, &p1, "--capacity", CAPACITY],
        );
        poll_oneoff.host_listens = true;
        poll_oneoff.idle_max = 1_000;
        Ok(vec![
            native("native, epoll", "epoll")?,
            native("native, poll", "poll")?,
            native("native, select", "select")?,
            Self::new("WASI 0.3, waitable set", &[&new, "run", "-S", "inherit-network", &p3, "{address}"]),
            Self::new(
                "WASI 0.2, wasi:io/poll",
                &[&new, "run", "-S", "inherit-network", &p2, "{address}", "--capacity", CAPACITY],
            ),
            poll_oneoff,
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

    /// Starts the server, and waits until it listens.
    pub(crate) fn start(&self) -> Result<Server> {
        let asked = if self.host_listens { free_address()? } else { SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) };
        let mut words = self.command.iter().map(|word| word.replace("{address}", &asked.to_string()));
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
            server.address = address.ok_or_else(|| Error::other(format!("{} says {line:?}", self.name)))?;
        }
        Ok(server)
    }
}

/// An address at which nobody listens.
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
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
