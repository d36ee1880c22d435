//! WebAssembly runtimes, and the echo example in them.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clients::{PATIENCE, Target};

/// The variable with the folder of the runtimes and programs, which `ci/test wasi` has made.
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
    /// WASI 0.3 in a wasmtime of this name.
    Wasmtime03(&'static str),
    /// WASI 0.2 in Node, by way of jco, which has made a folder of JavaScript of each program.
    Jco02,
    /// WASI 0.3 in Node, likewise.
    Jco03,
}

/// The runtimes of components that `ci/test wasi` puts in place.
pub(crate) const COMPONENT_RUNTIMES: [Runtime; 5] = [
    Runtime::Wasmtime02("wasmtime-36"),
    Runtime::Wasmtime02("wasmtime-48"),
    Runtime::Wasmtime02("wasmtime-49"),
    Runtime::Wasmtime03("wasmtime-48"),
    Runtime::Wasmtime03("wasmtime-49"),
];

/// A program in a runtime, which is killed at the end: WASI has no signals.
pub(crate) struct Server {
    child: Child,
    target: Target,
    /// The turn of a program that has no choice of its address.
    #[allow(dead_code, reason = "it ends with the program")]
    turn: Option<MutexGuard<'static, ()>>,
}

impl Runtime {
    /// Returns the name of the runtime's file.
    const fn name(self) -> &'static str {
        match self {
            Self::Wasmtime01(name) | Self::Wasmtime02(name) | Self::Wasmtime03(name) => name,
            Self::Wasmi01 => "wasmi",
            Self::Jco02 | Self::Jco03 => "node",
        }
    }

    /// Returns the command that runs a program for which the host listens at these addresses, up to
    /// the name of the program.
    fn launch(self, folder: &Path, addresses: &[SocketAddr]) -> Command {
        let mut command = Command::new(folder.join(self.name()));
        match self {
            Self::Wasmtime01(_) => {
                command.args(["run", "-S", "preview2=n"]);
                command.args(
                    addresses
                        .iter()
                        .flat_map(|address| ["-S".to_owned(), format!("tcplisten={address}")]),
                );
            }
            Self::Wasmi01 => {
                command.arg("run");
                command.args(
                    addresses
                        .iter()
                        .flat_map(|address| ["--tcplisten".to_owned(), address.to_string()]),
                );
            }
            Self::Wasmtime02(_) | Self::Wasmtime03(_) => {
                command.args(["run", "-S", "inherit-network"]);
            }
            Self::Jco02 | Self::Jco03 => {}
        }
        command
    }

    /// Returns whether programs are modules of WASI 0.1, and have only the host's listeners.
    const fn is_01(self) -> bool {
        matches!(self, Self::Wasmtime01(_) | Self::Wasmi01)
    }

    /// Returns the file of a program in the version that this runtime takes.
    fn program(self, folder: &Path, name: &str) -> PathBuf {
        let version = match self {
            Self::Jco02 => return folder.join(format!("jco-{name}-0.2/main.mjs")),
            Self::Jco03 => return folder.join(format!("jco-{name}-0.3/main.mjs")),
            Self::Wasmtime01(_) | Self::Wasmi01 => "0.1",
            Self::Wasmtime02(_) => "0.2",
            Self::Wasmtime03(_) => "0.3",
        };
        folder.join(format!("{name}-{version}.wasm"))
    }

    /// Returns after how long a server of the tests lets a silent client go. Node may take long to
    /// answer while it is compiling.
    pub(crate) const fn idle_timeout(self) -> Duration {
        match self {
            Self::Jco03 => Duration::from_secs(5),
            _ => Duration::from_millis(500),
        }
    }

    /// Returns the address that a server is given: any port, or a free one if the host needs a
    /// number.
    fn address(self) -> SocketAddr {
        if self.is_01() { free_address() } else { ([127, 0, 0, 1], 0).into() }
    }

    /// Returns the command that runs `program` as a server at `address`.
    fn command(self, folder: &Path, program: &str, address: SocketAddr) -> Command {
        let mut command = self.launch(folder, &[address]);
        command.arg(self.program(folder, program));
        command
    }

    /// Returns the command that runs the conformance suite with `words`, and the addresses at which
    /// the host listens for it. Without runtimes it prints that there is nothing to test.
    pub(crate) fn conformance(self, words: &str) -> Option<(Command, Vec<SocketAddr>)> {
        let folder = folder()?;
        let addresses = if self.is_01() { many_addresses() } else { Vec::new() };
        let mut command = self.launch(&folder, &addresses);
        command.arg(self.program(&folder, "conformance")).arg(words);
        command.args(addresses.iter().map(ToString::to_string));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Some((command, addresses))
    }

    /// Runs the client example, with the network or without, and returns what it prints.
    pub(crate) fn ask(self, network: bool, question: &str, servers: &[String]) -> Option<String> {
        let folder = folder()?;
        let mut command = self.launch_client(&folder, network);
        command.arg(self.program(&folder, "ask")).arg(question).args(servers);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns the command that runs a program with the network or without, up to its name.
    fn launch_client(self, folder: &Path, network: bool) -> Command {
        if network {
            return self.launch(folder, &[]);
        }
        let mut command = Command::new(folder.join(self.name()));
        command.arg("run");
        command
    }

    /// Returns the command that runs a program of the suite, such as that of sources of all kinds,
    /// with the network or without, and with these options of the host.
    pub(crate) fn watching(
        self,
        program: &str,
        network: bool,
        options: &[&str],
    ) -> Option<Command> {
        let folder = folder()?;
        let mut command = self.launch_client(&folder, network);
        command.args(options).arg(self.program(&folder, program));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Some(command)
    }

    /// Runs the echo example with these options. Without runtimes there is nothing to test, which
    /// is said.
    pub(crate) fn echo(self, capacity: usize, options: &[&str]) -> Option<Server> {
        let clients = capacity.to_string();
        let options = [&["--capacity", &clients], options].concat();
        self.program_with("echo", capacity, &options)
    }

    /// Runs an example that serves `capacity` clients, with these options.
    pub(crate) fn program_with(
        self,
        program: &str,
        capacity: usize,
        options: &[&str],
    ) -> Option<Server> {
        self.listening(program, capacity, options).map(|(server, _)| server)
    }

    /// Runs the server that counts allocations, for 8 clients that may idle for three seconds.
    /// Returns what it prints besides, too.
    pub(crate) fn counting(self) -> Option<(Server, BufReader<ChildStdout>)> {
        let (mut server, output) = self.listening("allocations", 8, &[])?;
        server.target.idle_timeout = Some(Duration::from_secs(3));
        Some((server, output))
    }

    /// Runs a server that says when it listens.
    fn listening(
        self,
        program: &str,
        capacity: usize,
        options: &[&str],
    ) -> Option<(Server, BufReader<ChildStdout>)> {
        let folder = folder()?;
        if matches!(self, Self::Jco02 | Self::Jco03) && !folder.join(self.name()).exists() {
            println!("not run: `ci/test jco` installs Node and jco");
            return None;
        }
        let server = first_that_is_not_taken(|| {
            let address = self.address();
            let mut command = self.command(&folder, program, address);
            command.arg(address.to_string()).args(options).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
            let mut line = String::new();
            let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
            let mut server = Server {
                child,
                target: Target { address, capacity, idle_timeout: None },
                turn: None,
            };
            output.read_line(&mut line).expect("its output can be read");
            if line.is_empty() && self.is_01() && is_taken(address) {
                return Err(Taken);
            }
            let Some(place) = line.strip_prefix("listening on ") else {
                panic!("{command:?} printed {line:?} and {:?}", server.child.try_wait());
            };
            if !self.is_01() {
                let place = place.split_whitespace().next().unwrap_or_default();
                server.target.address =
                    place.parse().unwrap_or_else(|_| panic!("{place:?} is no address"));
            }
            Ok((server, output))
        });
        Some(server)
    }

    /// Runs the guest without an allocator, which has no options and prints nothing.
    pub(crate) fn guest(self) -> Option<Server> {
        self.silent("guest")
    }

    /// Runs a server that has no options and prints nothing.
    pub(crate) fn silent(self, program: &str) -> Option<Server> {
        /// The address of such a program, if the host does not listen for it.
        const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 7000);

        /// One of these programs at a time has it: the others would connect to that one.
        static TURN: Mutex<()> = Mutex::new(());

        let folder = folder()?;
        let is_fixed = !self.is_01();
        let turn = is_fixed.then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
        if is_fixed && is_taken(ADDRESS.into()) {
            println!("not run: another program listens at {ADDRESS:?}");
            return None;
        }
        let mut server = first_that_is_not_taken(|| {
            let address = if self.is_01() { free_address() } else { ADDRESS.into() };
            let mut command = self.command(&folder, program, address);
            let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
            let mut server = Server {
                child,
                target: Target { address, capacity: 64, idle_timeout: None },
                turn: None,
            };
            let has_begun = crate::clients::comes_true(|| {
                !server.is_up() || TcpStream::connect(address).is_ok()
            });
            assert!(has_begun, "{command:?} does not listen within {PATIENCE:?}");
            match server.is_up() {
                true => Ok(server),
                false if is_taken(address) => Err(Taken),
                false => panic!("{command:?} ended with {:?}", server.child.try_wait()),
            }
        });
        server.turn = turn;
        Some(server)
    }

    /// Runs a program with these options of the host, which do not suffice, and gives its exit code
    /// and its complaint.
    pub(crate) fn complaint(
        self,
        program: &str,
        options: &[&str],
        arguments: &[&str],
    ) -> Option<(i32, String)> {
        let folder = folder()?;
        let mut command = Command::new(folder.join(self.name()));
        command.arg("run").args(options);
        command.arg(self.program(&folder, program)).args(arguments);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Some((
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
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

/// Returns the folder of the runtimes.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    if folder.is_none() {
        println!(
            "not run: {FOLDER} names no folder of WebAssembly runtimes; `ci/test wasi` makes one \
             and sets it"
        );
    }
    folder
}

/// Somebody else has taken the address that was free a moment ago.
#[derive(Debug)]
pub(crate) struct Taken;

/// Calls `run`, which chooses a free address, and calls it again when another process was the first
/// to take that.
pub(crate) fn first_that_is_not_taken<T>(mut run: impl FnMut() -> Result<T, Taken>) -> T {
    /// More than that are no coincidence.
    const TRIES: usize = 5;

    let tried = (0..TRIES).find_map(|_| run().ok());
    tried.unwrap_or_else(|| {
        panic!("{TRIES} free addresses were taken by others, one after the other")
    })
}

/// Returns whether somebody listens at an address.
pub(crate) fn is_taken(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Returns an address at which no one listens. It has a host of its own in the loopback network, so
/// that no connection that is made from 127.0.0.1 meanwhile takes the port.
fn free_address() -> SocketAddr {
    static HOST: AtomicU8 = AtomicU8::new(1);

    let host = HOST.fetch_add(1, Ordering::Relaxed);
    let listener =
        TcpListener::bind(SocketAddr::from(([127, 8, 0, host], 0))).expect("there is a free port");
    listener.local_addr().expect("it is bound")
}

/// Returns as many free addresses as the conformance suite has listeners. Each has a host of its
/// own in the loopback network, so that no connection that is made meanwhile from an address of
/// 127.0.0.1 takes one of them away.
fn many_addresses() -> Vec<SocketAddr> {
    /// More than there are listeners in all cases together.
    const COUNT: u8 = 250;
    /// One network for each that asks.
    static NETWORK: AtomicU8 = AtomicU8::new(1);

    let (network, port) = (NETWORK.fetch_add(1, Ordering::Relaxed), free_address().port());
    (1..=COUNT).map(|host| ([127, 7, network, host], port).into()).collect()
}
