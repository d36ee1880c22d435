//! The trace of a run, as text to read.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use selkie_core::Instant;

/// The lines of a run. Nothing is kept, and nothing formatted, unless it was switched on.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    on: bool,
    lines: Vec<String>,
}

impl Trace {
    /// Makes a trace that keeps nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self { on: false, lines: Vec::new() }
    }

    /// Makes a trace that keeps everything.
    #[must_use]
    pub const fn on() -> Self {
        Self { on: true, lines: Vec::new() }
    }

    /// Returns whether lines are kept.
    #[inline]
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// Keeps a line about something that happened at a point in time.
    #[cold]
    pub fn line(&mut self, now: Instant, what: fmt::Arguments<'_>) {
        if self.on {
            let nanos = now.as_nanos();
            let (millis, rest) = (nanos / 1_000_000, nanos % 1_000_000);
            self.lines.push(alloc::format!("{millis:>8}.{rest:06} ms  {what}"));
        }
    }

    /// Returns the lines so far, in order.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// Adds a line to the trace of a network, if it keeps one.
macro_rules! trace {
    ($network:expr, $($argument:tt)*) => {
        if $network.trace.is_on() {
            let now = $network.now;
            $network.trace.line(now, format_args!($($argument)*));
        }
    };
}

pub(crate) use trace;
