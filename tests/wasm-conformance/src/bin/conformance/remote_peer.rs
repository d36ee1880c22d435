//! The program outside, which has the far ends of all connections: it is asked on standard output,
//! and answers on standard input.
//!
//! A question is a line that begins with `ask`, with the bytes behind it that are to be written. An
//! answer is a line too: `ok` with a value, and the bytes behind it that were read, or `error` with
//! a kind.

use std::fmt::Display;
use std::io::{BufRead, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use selkie::{Error, ErrorKind};

/// The far end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(u32);

/// The error if the test process does not answer: a failure of the platform's kind.
const DEAF: Error = Error::new(ErrorKind::Other);

/// Asks, and gives the value of the answer.
fn ask(question: impl Display, bytes: &[u8]) -> Result<String, Error> {
    let mut output = std::io::stdout().lock();
    let said = writeln!(output, "ask {question}")
        .and_then(|()| output.write_all(bytes))
        .and_then(|()| output.flush());
    said.map_err(|_| DEAF)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|_| DEAF)?;
    match answer.trim_end().split_once(' ') {
        Some(("ok", value)) => Ok(value.to_owned()),
        Some(("error", kind)) => Err(error(kind)),
        _ => Err(DEAF),
    }
}

/// Asks a question of which the answer is a number or an address.
fn ask_for<T: std::str::FromStr>(question: impl Display, bytes: &[u8]) -> Result<T, Error> {
    ask(question, bytes)?.parse().map_err(|_| DEAF)
}

/// Returns the error for the name of a `std::io::ErrorKind`.
fn error(kind: &str) -> Error {
    Error::new(match kind {
        "WouldBlock" => ErrorKind::WouldBlock,
        "ConnectionReset" => ErrorKind::ConnectionReset,
        "BrokenPipe" => ErrorKind::BrokenPipe,
        "NotConnected" => ErrorKind::NotConnected,
        "Unsupported" => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    })
}

/// Connects to one of this program's listeners.
pub(crate) fn dial(address: SocketAddr) -> Result<Peer, Error> {
    ask_for(format_args!("dial {address}"), &[]).map(Peer)
}

/// Makes the test process listen, and returns the address.
#[cfg(target_env = "p2")]
pub(crate) fn listen() -> Result<SocketAddr, Error> {
    ask_for("listen", &[])
}

/// Accepts there.
#[cfg(target_env = "p2")]
pub(crate) fn accept() -> Result<Peer, Error> {
    ask_for("accept", &[]).map(Peer)
}

/// Returns an address at which no one listens.
#[cfg(target_env = "p2")]
pub(crate) fn refusing() -> Result<SocketAddr, Error> {
    ask_for("refusing", &[])
}

/// The processor time of the runtime, less that of asking for it.
#[derive(Default)]
pub(crate) struct BusyClock {
    /// The processor time of one question.
    cost: Option<Duration>,
    asked: u32,
}

impl BusyClock {
    pub(crate) fn busy_time(&mut self) -> Result<Duration, Error> {
        let cost = match self.cost {
            Some(cost) => cost,
            None => Self::cost_of_a_question()?,
        };
        self.cost = Some(cost);
        self.asked += 1;
        Ok(busy_time()?.saturating_sub(cost * self.asked))
    }

    /// Returns the least of several costs, as that is sure to be part of each.
    fn cost_of_a_question() -> Result<Duration, Error> {
        let mut cost = Duration::MAX;
        for _ in 0..50 {
            let before = busy_time()?;
            cost = cost.min(busy_time()?.saturating_sub(before));
        }
        Ok(cost)
    }
}

/// Returns the processor time of the runtime.
fn busy_time() -> Result<Duration, Error> {
    ask_for("busy", &[]).map(Duration::from_nanos)
}

/// Stops and continues the runtime every `period`, for the next `span`.
pub(crate) fn interrupt(period: Duration, span: Duration) -> Result<(), Error> {
    ask(format_args!("interrupt {} {}", period.as_micros(), span.as_micros()), &[]).map(drop)
}

impl Peer {
    pub(crate) fn read(self, buffer: &mut [u8]) -> Result<usize, Error> {
        let count: usize = ask_for(format_args!("read {} {}", self.0, buffer.len()), &[])?;
        let place = buffer.get_mut(..count).ok_or(DEAF)?;
        std::io::stdin().lock().read_exact(place).map_err(|_| DEAF)?;
        Ok(count)
    }

    pub(crate) fn write(self, bytes: &[u8]) -> Result<usize, Error> {
        ask_for(format_args!("write {} {}", self.0, bytes.len()), bytes)
    }

    pub(crate) fn write_later(self, bytes: &[u8], delay: Duration) -> Result<(), Error> {
        ask(format_args!("later {} {} {}", self.0, bytes.len(), delay.as_micros()), bytes).map(drop)
    }

    pub(crate) fn shutdown_write(self) -> Result<(), Error> {
        ask(format_args!("shutdown {}", self.0), &[]).map(drop)
    }

    pub(crate) fn close(self) -> Result<(), Error> {
        ask(format_args!("close {}", self.0), &[]).map(drop)
    }

    pub(crate) fn reset(self) -> Result<(), Error> {
        ask(format_args!("reset {}", self.0), &[]).map(drop)
    }
}
