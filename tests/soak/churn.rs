//! Clients of all kinds that come and go, each of which checks what it gets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::clients::{
    Target, comes_true, echo, expect, is_answered_within, large_with_half_close, leave, pattern,
    read_pattern_to_end, uninterrupted,
};

/// A kind of client: its function, the number of them at once, and the rest of each before it
/// starts again.
type Kind = (fn(&Churn, u64), usize, Duration);

/// The kinds of clients. The rests keep the ports of the machine from running out.
const KINDS: [Kind; 9] = [
    (talker, 4, Duration::from_millis(20)),
    (bulk, 1, Duration::from_millis(100)),
    (resetting, 2, Duration::from_millis(20)),
    (vanishing, 2, Duration::from_millis(20)),
    (stalled, 1, Duration::from_millis(500)),
    (stalled_and_gone, 1, Duration::from_millis(500)),
    (slow, 3, Duration::ZERO),
    (silent, 2, Duration::ZERO),
    (crowd, 1, Duration::from_secs(1)),
];

/// The clients of one server, until a point in time.
pub(crate) struct Churn {
    target: Target,
    until: Instant,
    connections: AtomicU64,
}

impl Churn {
    pub(crate) const fn new(target: Target, until: Instant) -> Self {
        Self { target, until, connections: AtomicU64::new(0) }
    }

    /// Runs clients of all kinds until it is time; each that has begun then finishes.
    pub(crate) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        for (come, count, rest) in KINDS {
            for _ in 0..count {
                scope.spawn(move || {
                    let mut round = 0;
                    while Instant::now() < self.until {
                        come(self, round);
                        round += 1;
                        thread::sleep(rest);
                    }
                });
            }
        }
    }

    /// Returns the number of clients until now.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Shows that a new client is served.
    pub(crate) fn serves(&self) {
        self.count();
        self.target.serves();
    }

    fn connect(&self) -> TcpStream {
        self.count();
        self.target.connect()
    }

    fn count(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends a message, waits for the answer, and so on.
fn talker(churn: &Churn, round: u64) {
    let mut client = churn.connect();
    for number in 0..20 {
        echo(
            &mut client,
            &pattern(
                round + number,
                1 + usize::try_from((round * 37 + number * 211) % 3000).unwrap_or(0),
            ),
        );
    }
    leave(client);
}

/// Sends much and ends its stream, before it has read it all.
fn bulk(churn: &Churn, _round: u64) {
    churn.count();
    large_with_half_close(&churn.target, 256 << 10);
}

/// Resets its connection: at once, with a byte in flight, after an answer, with output pending.
fn resetting(churn: &Churn, round: u64) {
    let mut client = churn.connect();
    SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .expect("a connected socket takes the option");
    match round % 4 {
        0 => (),
        1 => client.write_all(b"x").expect("a fresh connection takes a byte"),
        2 => echo(&mut client, b"hello"),
        _ => client.write_all(&pattern(0, 60_000)).expect("a fresh connection takes some bytes"),
    }
}

/// Connects and is gone, with or without a word.
fn vanishing(churn: &Churn, round: u64) {
    let mut client = churn.connect();
    if round.is_multiple_of(2) {
        client.write_all(b"never mind").expect("a fresh connection takes a message");
    }
}

/// Writes from the endless pattern without reading, until the server takes no more, and returns the
/// number of bytes. As the kernel may go on taking a little now and then, it ends long before the
/// server counts the client as silent.
fn stuff(client: &mut TcpStream) -> u64 {
    let start = Instant::now();
    client
        .set_write_timeout(Some(Duration::from_millis(200)))
        .expect("a connected socket takes the option");
    let mut sent = 0;
    while start.elapsed() < Duration::from_secs(1) {
        match uninterrupted(|| client.write(&pattern(sent, 64 * 1024))) {
            Ok(count) => sent += count as u64,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => panic!("the connection broke: {error}"),
        }
    }
    sent
}

/// Sends without reading until the server takes no more, and then reads it all.
fn stalled(churn: &Churn, _round: u64) {
    let mut client = churn.connect();
    let sent = stuff(&mut client);
    client.shutdown(Shutdown::Write).expect("the connection is still there");
    assert_eq!(read_pattern_to_end(&mut client), sent, "some bytes did not come back");
}

/// Sends without reading until the server takes no more, and is gone.
fn stalled_and_gone(churn: &Churn, _round: u64) {
    let mut client = churn.connect();
    stuff(&mut client);
}

/// Sends a byte at a time, with long breaks.
fn slow(churn: &Churn, _round: u64) {
    let mut client = churn.connect();
    for byte in 0..30 {
        echo(&mut client, &[byte]);
        thread::sleep(Duration::from_millis(50));
    }
    leave(client);
}

/// Stays silent after one message, until the server closes the connection.
fn silent(churn: &Churn, _round: u64) {
    let mut client = churn.connect();
    echo(&mut client, b"my last words");
    let count = uninterrupted(|| client.read(&mut [0]))
        .expect("the server ends the stream in an orderly way");
    assert_eq!(count, 0);
}

/// Connects more clients at once than the capacity. Each is served in its turn, as others leave.
fn crowd(churn: &Churn, _round: u64) {
    const MESSAGE: &[u8] = b"let me in";
    let mut waiting: Vec<_> = (0..churn.target.capacity + 8).map(|_| churn.connect()).collect();
    for client in &mut waiting {
        client.write_all(MESSAGE).expect("the backlog takes a message");
    }
    while !waiting.is_empty() {
        let mut next = None;
        let let_in = comes_true(|| {
            next = waiting
                .iter()
                .position(|client| is_answered_within(client, Duration::from_millis(1)));
            next.is_some()
        });
        assert!(let_in, "none of the {} waiting clients was accepted", waiting.len());
        let mut client = waiting.swap_remove(next.unwrap_or_default());
        expect(&mut client, MESSAGE);
        leave(client);
    }
}
