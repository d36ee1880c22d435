//! Resident memory at the start, of a process of its own.

use std::process::Command;

use selkie::memory::{HeapLoop, HeapServer};
use selkie::platform::{AnySelector, Backend, Platform, Socket};
use selkie::{Config, EventLoop, Peer, Server, Service};

/// Set in the process that is measured.
const MEASURED: &str = "SELKIE_MEASURED";
const SLOTS: usize = 1_000_000;
/// The most bytes that may be resident more than before.
const RESIDENT_MAX: usize = 10_000_000;

/// A service with large sessions, one byte of which is a `bool`.
struct Large;

/// A session of 256 bytes.
#[derive(Clone, Copy)]
struct Session {
    #[allow(dead_code, reason = "it takes its place")]
    text: [u8; 255],
    is_new: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self { text: [1; 255], is_new: true }
    }
}

impl Service for Large {
    type Session = Session;

    fn received(&mut self, _: &mut Peer<'_>, session: &mut Session, bytes: &[u8]) -> usize {
        session.is_new = false;
        bytes.len()
    }
}

/// Returns the bytes of this process that are resident, by `/proc/self/statm`.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: usize = text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a number");
    // SAFETY: `sysconf` has no preconditions.
    pages * usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("a size")
}

#[test]
fn a_million_sessions_cost_nothing_before_they_are_used() {
    if std::env::var_os(MEASURED).is_some() {
        return measure();
    }
    let program = std::env::current_exe().expect("the test has a file");
    let name = "resident::a_million_sessions_cost_nothing_before_they_are_used";
    let output = Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .env(MEASURED, "1")
        .output()
        .expect("it can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let figure = text.lines().find_map(|line| line.split_once("resident more: "));
    let bytes: usize = figure.expect("it prints a figure").1.parse().expect("a number");
    assert!(bytes < RESIDENT_MAX, "{bytes} bytes are resident before the first client");
    println!("{bytes} bytes are resident for {SLOTS} sessions of {} bytes", size_of::<Session>());
}

/// Makes a server and prints how much more is resident then.
fn measure() {
    let before = resident();
    // The platform's own tables are as large as the descriptors that the machine has.
    let selector = AnySelector::new(Backend::default(), SLOTS).expect("memory");
    let mut platform = Platform::new(selector, SLOTS).expect("memory");
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 8).expect("a free port");
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(SLOTS, 256).expect("memory"));
    let memory = HeapServer::<Socket, Session>::new(SLOTS, SLOTS, 4096).expect("memory");
    let mut server = Server::new(Large, Config::DEFAULT, memory);
    server.listen(&mut event_loop.context(), listener).expect("room");
    println!("resident more: {}", resident() - before);
}
