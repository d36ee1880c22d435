//! WebAssembly runtimes, and the echo example in them.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::clients::{PATIENCE, Target};

/// Where `ci/test wasi` has put the runtimes and the programs, each under a name of its own.
const FOLDER: &str = "SELKIE_WASM";

/// A runtime, and how a server is run in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runtime {
    /// WASI 0.1 in a wasmtime of this name, which has sockets for it up to version 46.
    Wasmtime01(&'static str),
    /// WASI 0.1 in wasmi.
    Wasmi01,
    /// WASI 0.2 in a wasmtime of this name.
    Wasmtime02(&'static str),
}

/// A program in a runtime, which is killed at the end: WASI has no signals.
pub(crate) struct Server {
    child: Child,
    target: Target,
}

impl Runtime {
    /// The name of the runtime's file.
    const fn name(self) -> &'static str {
        match self {
            Self::Wasmtime01(name) | Self::Wasmtime02(name) => name,
            Self::Wasmi01 => "wasmi",
        }
    }

    /// The command that runs `program` as a server at `address`.
    fn command(self, folder: &Path, program: &str, address: SocketAddr) -> Command {
        let mut command = Command::new(folder.join(self.name()));
        match self {
            Self::Wasmtime01(_) => {
                command.args(["run", "-S", "preview2=n", "-S", &format!("tcplisten={address}")]);
            }
            Self::Wasmi01 => {
                command.args(["run", "--tcplisten", &address.to_string()]);
            }
            Self::Wasmtime02(_) => {
                command.args(["run", "-S", "inherit-network"]);
            }
        }
        let version = if matches!(self, Self::Wasmtime01(_) | Self::Wasmi01) { "0.1" } else { "0.2" };
        command.arg(folder.join(format!("{program}-{version}.wasm")));
        command
    }

    /// Runs the echo example with these options. Without runtimes there is nothing to test, which is said.
    pub(crate) fn echo(self, capacity: usize, options: &[&str]) -> Option<Server> {
        let (folder, address) = (folder()?, free_address());
        let mut command = self.command(&folder, "echo", address);
        command.arg(address.to_string()).args(["--capacity", &capacity.to_string()]).args(options);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        let mut server = Server { child, target: Target { address, capacity, idle_timeout: None } };
        BufReader::new(stdout).read_line(&mut line).expect("its output can be read");
        assert!(line.starts_with("listening on "), "{command:?} printed {line:?} and {:?}", server.child.try_wait());
        Some(server)
    }

    /// Runs the guest without an allocator, which has no options and prints nothing.
    pub(crate) fn guest(self) -> Option<Server> {
        /// Where the guest for WASI 0.2 listens.
        const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 7000);

        let folder = folder()?;
        let address = match self {
            Self::Wasmtime02(_) => ADDRESS.into(),
            _ => free_address(),
        };
        if TcpListener::bind(address).is_err() {
            println!("not run: another program listens at {address}");
            return None;
        }
        let mut command = self.command(&folder, "guest", address);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let server = Server { child, target: Target { address, capacity: 64, idle_timeout: None } };
        let is_up = crate::clients::comes_true(|| std::net::TcpStream::connect(address).is_ok());
        assert!(is_up, "{command:?} does not listen within {PATIENCE:?}");
        Some(server)
    }

    /// Runs the echo example without a socket, and gives its exit code and its complaint.
    pub(crate) fn complaint(self, program_version: &str, arguments: &[&str]) -> Option<(i32, String)> {
        let folder = folder()?;
        let mut command = Command::new(folder.join(self.name()));
        command.arg("run").arg(folder.join(format!("echo-{program_version}.wasm"))).args(arguments);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Some((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

impl Server {
    pub(crate) const fn target(&self) -> Target {
        self.target
    }

    /// Shows that the program is still there.
    pub(crate) fn is_up(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the runtimes.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    if folder.is_none() {
        println!("not run: {FOLDER} names no folder of WebAssembly runtimes; `ci/test wasi` makes one and sets it");
    }
    folder
}

/// An address at which nobody listens. That somebody else takes it before the server does is not likely.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound")
}
