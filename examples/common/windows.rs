//! The Windows part of the examples: Ctrl-C, and output that does not block for long.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The time that output may take before the server goes on without it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Calls `drain` at Ctrl-C, Ctrl-Break, and when the console is closed.
pub(super) fn on_termination(drain: impl Fn() + Send + 'static) -> Result<(), String> {
    ctrlc::set_handler(drain).map_err(|error| format!("cannot watch for Ctrl-C: {error}"))
}

/// Prints in a thread of its own, since nothing says how much a pipe takes without blocking. A
/// reader that has left, a full disk and a full pipe must not stop the server, or delay it.
pub(super) fn print(mut output: impl Write + Send + 'static, text: &str) {
    let (printed, is_printed) = mpsc::channel();
    let text = text.to_owned();
    thread::spawn(move || {
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        let _ = printed.send(());
    });
    let _ = is_printed.recv_timeout(PATIENCE);
}
