//! Server processes: this program in a role, or a peer that is installed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::SERVER_CORE;
use crate::support::process;

/// The time that a peer has to listen.
const START_MAX: Duration = Duration::from_secs(10);

/// A server process, which ends with this value and with the benchmark.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    port: u16,
    /// Removed after the process has ended.
    _directory: Option<Directory>,
}

/// A peer, and the package of Debian that has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    /// A file that the peer needs besides.
    pub(crate) file: Option<&'static str>,
}

impl Peer {
    /// Returns whether the peer can be started; an error says what to install.
    pub(crate) fn find(self) -> Result<(), String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders =
            std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
        let is_there = folders.any(|folder| folder.join(self.program).is_file())
            && self.file.is_none_or(|file| Path::new(file).exists());
        if is_there { Ok(()) } else { Err(format!("NOT RUN: apt-get install {}", self.package)) }
    }
}

impl Server {
    /// Starts this program in a role that prints its port first.
    pub(crate) fn role(words: &[&str], core: usize) -> Self {
        let mut command = this_program(words, core);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a server process");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let port = line(&mut output).parse().expect("the server's port");
        Self { child, port, _directory: None }
    }

    /// Starts a peer with a configuration, in which `@PORT@` and the given words are replaced.
    /// `command` returns its command line in a folder of its own.
    pub(crate) fn peer(
        configuration: &str,
        words: &[(&str, String)],
        command: impl FnOnce(&Directory) -> Command,
    ) -> Self {
        let port = free_port();
        let directory = Directory::new();
        let mut text = configuration.replace("@PORT@", &port.to_string());
        for (word, value) in words {
            text = text.replace(word, value);
        }
        fs::write(directory.configuration(), text).expect("a configuration");
        let mut command = command(&directory);
        bind(&mut command, SERVER_CORE);
        let child = command.stdout(Stdio::null()).spawn().expect("a peer's process");
        let server = Self { child, port, _directory: Some(directory) };
        server.wait_until_it_listens();
        server
    }

    fn wait_until_it_listens(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < START_MAX, "a peer does not listen: {:?}", self.child);
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has failed has said why on its error output.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder for the files of one peer.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("selkie-programs-{process}-{number}"));
        fs::create_dir(&path).expect("a folder for temporary files");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.0.join("configuration")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What stays is in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns a command that runs this program in a role on a core.
pub(crate) fn this_program(words: &[&str], core: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.arg("--role").args(words);
    bind(&mut command, core);
    command
}

/// Binds a process to a core, and to the life of this one.
pub(crate) fn bind(command: &mut Command, core: usize) {
    let before = move || {
        process::pin_to_core(core);
        // SAFETY: the call takes no pointers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        Ok(())
    };
    // SAFETY: both calls are system calls alone, so they may be made between fork and exec.
    unsafe { command.pre_exec(before) };
}

/// Prints the port of a server of ours for the benchmark.
pub(crate) fn announce(port: u16) {
    println!("{port}");
    std::io::stdout().flush().expect("the benchmark reads the port");
}

/// Returns a port that nothing listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Reads the next line of a process.
pub(crate) fn line(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}
