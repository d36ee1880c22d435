//! The common part of the echo servers of WASI 0.1 and 0.2: one backend, and no signals.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use selkie::Context;
use selkie::platform::Selector;

#[cfg(target_env = "p1")]
const BACKEND: (&str, &str) = ("poll_oneoff", "WASI 0.1 has only poll_oneoff");
#[cfg(target_env = "p2")]
const BACKEND: (&str, &str) = ("io_poll", "WASI 0.2 has only io_poll");

/// The buffers of a connection: one, as the memory of a guest is written to when it grows.
pub(crate) const BUFFERS_EACH: usize = 1;

/// The backend, of which there is only one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backend;

impl FromStr for Backend {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let (expected, refusal) = BACKEND;
        if name == expected { Ok(Self) } else { Err(refusal) }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(BACKEND.0)
    }
}

/// The user's request to stop. WASI has no signals: the host ends the program.
pub(crate) struct Termination;

impl Termination {
    #[expect(clippy::unnecessary_wraps, reason = "other platforms can fail at this")]
    pub(crate) fn watch<P: Selector>(_context: &mut Context<'_, P>) -> Result<Self, String> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "other platforms read a flag")]
    pub(crate) fn is_requested(&self) -> bool {
        false
    }
}

/// Prints without complaint: output that cannot be written must not stop the server.
pub(crate) fn print(mut output: impl Write, text: &str) {
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}
