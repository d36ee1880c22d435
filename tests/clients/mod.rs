//! TCP clients that show whether an echo server keeps its promises, wherever it runs: they know
//! only its address and what it was configured with.
//!
//! Each case panics with a sentence that says what went wrong. No case sleeps for a fixed time to
//! let something happen; each waits for it, for at most [`PATIENCE`].

#![allow(dead_code, reason = "not every server can be shown every case")]

mod difficult;
mod load;
mod talker;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

pub(crate) use difficult::{full_capacity, idle_timeout, reset_storm, stalled_reader};
pub(crate) use load::{churn, interleaved, large_with_half_close};
pub(crate) use talker::Talker;

/// The longest time that anything may take before the server counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An echo server to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The number of clients that it serves at once.
    pub(crate) capacity: usize,
    /// The time without a byte after which it closes a connection.
    pub(crate) idle_timeout: Option<Duration>,
}

impl Target {
    /// Connects; the connection need not be accepted yet.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)
            .unwrap_or_else(|error| panic!("cannot connect to {}: {error}", self.address));
        stream.set_nodelay(true).expect("a connected socket takes the option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a connected socket takes the option");
        stream.set_write_timeout(Some(PATIENCE)).expect("a connected socket takes the option");
        stream
    }

    /// Shows that a new client is served.
    pub(crate) fn serves(&self) {
        let mut client = self.connect();
        echo(&mut client, b"are you there?");
        leave(client);
    }
}

/// Sends a message and waits for the same one to come back.
pub(crate) fn echo(client: &mut TcpStream, message: &[u8]) {
    client.write_all(message).expect("the server takes a message");
    expect(client, message);
}

/// Waits for exactly these bytes.
pub(crate) fn expect(client: &mut TcpStream, message: &[u8]) {
    let mut answer = vec![0; message.len()];
    client.read_exact(&mut answer).expect("the server answers in time");
    assert!(answer == message, "the answer is not what was sent");
}

/// Ends the stream, and waits for the server to end its own.
pub(crate) fn leave(mut client: TcpStream) {
    client.shutdown(Shutdown::Write).expect("the connection is still there");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the server ends its stream in time");
    assert!(rest.is_empty(), "the server sent {} bytes that were not sent to it", rest.len());
}

/// Makes a call, again if a signal interrupted it: the system does not do so by itself on a socket
/// with a timeout.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Returns whether any byte arrives within `time`.
pub(crate) fn is_answered_within(client: &TcpStream, time: Duration) -> bool {
    client.set_read_timeout(Some(time)).expect("a connected socket takes the option");
    let peeked = uninterrupted(|| client.peek(&mut [0]));
    client.set_read_timeout(Some(PATIENCE)).expect("a connected socket takes the option");
    match peeked {
        Ok(count) => count > 0,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        Err(error) => panic!("the connection broke: {error}"),
    }
}

/// Writes from the endless [`pattern`] without reading, until the server takes no more, and returns
/// the number of bytes. It includes what the kernels on both sides buffer, so it is not known
/// before.
///
/// The buffers of this side are small. What a kernel takes by itself, tens of megabytes, is work of
/// seconds on a busy machine, for which no server waits while it drains.
pub(crate) fn stuff(client: &mut TcpStream) -> u64 {
    const BYTES_MAX: u64 = 256 << 20;
    const BUFFER: usize = 64 << 10;
    let socket = SockRef::from(&*client);
    socket.set_recv_buffer_size(BUFFER).expect("a socket takes the option");
    socket.set_send_buffer_size(BUFFER).expect("a socket takes the option");
    client
        .set_write_timeout(Some(Duration::from_millis(300)))
        .expect("a connected socket takes the option");
    let mut sent = 0;
    while sent < BYTES_MAX {
        match uninterrupted(|| client.write(&pattern(sent, 64 * 1024))) {
            Ok(count) => sent += count as u64,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                client
                    .set_write_timeout(Some(PATIENCE))
                    .expect("a connected socket takes the option");
                return sent;
            }
            Err(error) => panic!("the connection broke: {error}"),
        }
    }
    panic!("the server takes bytes without end from a client that reads none");
}

/// Reads to the end of the stream, checks every byte against the [`pattern`], and returns their
/// number.
pub(crate) fn read_pattern_to_end(client: &mut TcpStream) -> u64 {
    let mut received = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = uninterrupted(|| client.read(&mut buffer))
            .expect("the server goes on sending, and then ends its stream");
        if count == 0 {
            return received;
        }
        assert!(buffer[..count] == pattern(received, count), "wrong bytes at or after {received}");
        received += count as u64;
    }
}

/// Returns bytes from `start` on of a stream that repeats after a prime number of bytes, so that
/// lost, doubled and swapped pieces show. They are worked out once: debug builds are slow.
pub(crate) fn pattern(start: u64, count: usize) -> Vec<u8> {
    const PERIOD: u64 = (1 << 20) + 7;
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();

    let byte = |at: u64| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56).to_le_bytes()[0];
    let bytes = BYTES.get_or_init(|| (0..PERIOD).map(byte).collect());
    let mut begin = usize::try_from(start % PERIOD).expect("less than the period");
    let mut pattern = Vec::with_capacity(count);
    while pattern.len() < count {
        let piece = &bytes[begin..];
        pattern.extend_from_slice(&piece[..piece.len().min(count - pattern.len())]);
        begin = 0;
    }
    pattern
}

/// Waits until `holds`; returns false if that took too long.
pub(crate) fn comes_true(mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}
