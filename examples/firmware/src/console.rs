//! The console: takes lines, sends them back, and answers commands. It moves bytes between two
//! pieces of memory; the firmware moves them from and to the UART.

use heapless::Vec;

/// The longest answer.
const OUTPUT: usize = 320;
/// The longest line; the rest is cut off.
const LINE: usize = 64;

/// The names of the counters, in the order of a report.
pub const COUNTERS: [&str; 13] = [
    "uptime_ms",
    "accepted",
    "open",
    "open_max",
    "waiting",
    "closed_finished",
    "closed_reset",
    "closed_idle",
    "bytes_in",
    "bytes_out",
    "turns",
    "sleeps",
    "stack_max",
];

/// A command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `stats`: a report of the counters.
    Report,
    /// `drain`: to stop.
    Drain,
}

/// A console, with the line that is being typed and the answer that is being printed.
#[derive(Debug)]
pub struct Console {
    line: Vec<u8, LINE>,
    output: Vec<u8, OUTPUT>,
    printed: usize,
}

impl Console {
    /// Creates a console that has printed nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { line: Vec::new(), output: Vec::new(), printed: 0 }
    }

    /// Takes a byte. A line that is complete is a command, or is sent back.
    pub fn feed(&mut self, byte: u8) -> Option<Command> {
        if byte != b'\n' && byte != b'\r' {
            // The rest of a line that is too long is cut off.
            let _ = self.line.push(byte);
            return None;
        }
        let line = core::mem::take(&mut self.line);
        match line.as_slice() {
            b"" => None,
            b"stats" => Some(Command::Report),
            b"drain" => Some(Command::Drain),
            line => {
                self.print(line);
                self.print(b"\n");
                None
            }
        }
    }

    /// Prints a report of the counters that [`COUNTERS`] names.
    pub fn report(&mut self, values: &[u64; COUNTERS.len()]) {
        for (name, value) in COUNTERS.iter().zip(values) {
            self.print_counter(name, *value);
        }
    }

    /// Prints a counter.
    fn print_counter(&mut self, name: &str, value: u64) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        let mut rest = value;
        loop {
            start -= 1;
            // A remainder of 10 fits.
            #[allow(clippy::cast_possible_truncation, reason = "see above")]
            let digit = (rest % 10) as u8;
            digits[start] = b'0' + digit;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.print(name.as_bytes());
        self.print(b" ");
        self.print(&digits[start..]);
        self.print(b"\n");
    }

    /// Appends to the output, as far as there is room.
    pub fn print(&mut self, bytes: &[u8]) {
        let room = self.output.capacity() - self.output.len();
        let _ = self.output.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Returns the bytes that are still to be printed.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output[self.printed..]
    }

    /// Records that the first `count` bytes of the output were printed.
    pub fn advance(&mut self, count: usize) {
        self.printed += count;
        if self.printed >= self.output.len() {
            self.output.clear();
            self.printed = 0;
        }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}
