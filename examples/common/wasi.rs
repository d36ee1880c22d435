//! The WASI part of the examples: no signals, and output that never complains.

use std::io::Write;

// A component for WASI 0.3 has no `main` that the host calls.
#[cfg(feature = "waitable-set")]
selkie::export_run!(crate::main);

/// Does nothing: WASI has no signals, and the host ends the program.
#[expect(clippy::unnecessary_wraps, reason = "other platforms can fail at this")]
pub(super) fn on_termination(_drain: impl Fn()) -> Result<(), String> {
    Ok(())
}

/// Prints without complaint: output that cannot be written must not stop the server.
pub(super) fn print(mut output: impl Write, text: &str) {
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}
