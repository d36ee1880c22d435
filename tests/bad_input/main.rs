//! Clients and servers that misbehave, at each program: malformed, oversized, slow, cut off,
//! pipelined beyond limits, closed in the middle, silent. Each gets a clear answer and is counted,
//! and another client is served meanwhile. `docs/testing.md` has the table.
#![cfg(unix)]

#[path = "../clients/mod.rs"]
#[allow(unused_imports, reason = "some cases are for echo servers")]
mod clients;
#[path = "../echo/server.rs"]
#[allow(dead_code, reason = "the tests of the echo server ask for more")]
mod server;
#[path = "../clients/upstream.rs"]
mod upstream;

mod chat;
mod dns;
mod echo;
mod http;
mod kv;
mod pool;
mod proxy;
mod tasks;
mod watch;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use server::Server;

/// The longest time that a well-behaved client waits while others misbehave.
const BOUND: Duration = Duration::from_secs(10);
/// The time between two bytes of a slow client: so many that a test does not take long.
const PAUSE: Duration = Duration::from_millis(20);

/// Starts an example on the default backend.
fn start(program: &str, options: &[&str]) -> Server {
    let backend = selkie::platform::Backend::default().name();
    Server::start_with(server::command(program), backend, options)
}

/// Runs `hostile` while `serve`, which is a request and its answer, is called again and again. Each
/// call has to end within the [`BOUND`].
fn beside<T>(serve: impl Fn() + Sync, hostile: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let witness = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                serve();
                longest = longest.max(began.elapsed());
                // Its pace: it leaves the machine to the others.
                thread::park_timeout(Duration::from_millis(5));
            }
            // Once more: nothing has stopped it.
            serve();
            longest
        });
        // It is over at a panic too.
        let guard = Over(&is_over);
        let result = hostile();
        drop(guard);
        let longest = witness.join().expect("another client is served meanwhile");
        assert!(longest < BOUND, "another client waited for {longest:?}");
        result
    })
}

/// Sets a flag when it is dropped.
struct Over<'f>(&'f AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends bytes one by one, until all are sent or an answer or the end comes. Returns the number of
/// those that were sent.
fn trickle(client: &mut TcpStream, bytes: &[u8]) -> usize {
    for (sent, byte) in bytes.iter().enumerate() {
        if client.write_all(&[*byte]).is_err() {
            return sent;
        }
        client.set_read_timeout(Some(PAUSE)).expect("a socket takes the option");
        let peeked = client.peek(&mut [0]);
        client.set_read_timeout(Some(clients::PATIENCE)).expect("a socket takes the option");
        if peeked.is_ok() {
            return sent + 1;
        }
    }
    bytes.len()
}

/// Sends the same bytes again and again, slowly, and reads what comes. Returns whether the
/// connection ends meanwhile.
fn ends_meanwhile(client: &mut TcpStream, bytes: &[u8]) -> bool {
    client.set_read_timeout(Some(PAUSE)).expect("a socket takes the option");
    let began = Instant::now();
    while began.elapsed() < clients::PATIENCE {
        if client.write_all(bytes).is_err() {
            return true;
        }
        match client.read(&mut [0; 4096]) {
            Ok(1..) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return true,
        }
    }
    false
}

/// Sends `request`, and returns all that comes until the server ends the connection, in any
/// way: what it does not read any more makes its end a reset.
fn answer_to(server: &Server, request: &[u8]) -> Vec<u8> {
    let mut client = server.target().connect();
    let _ = client.write_all(request);
    rest(&mut client)
}

/// Sends a part of a request, ends the stream, and returns all that comes.
fn answer_to_half(server: &Server, half: &[u8]) -> Vec<u8> {
    let mut client = server.target().connect();
    client.write_all(half).expect("the server takes a few bytes");
    client.shutdown(Shutdown::Write).expect("the connection is open");
    rest(&mut client)
}

/// Receives all that comes until the end, or a reset.
fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    match client.read_to_end(&mut answer) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
            panic!("the connection does not end: {error}")
        }
        _ => answer,
    }
}

/// Resets a connection.
fn reset(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("a socket takes the option");
    drop(client);
}

/// Connects clients that send a part of something and reset the connection, each of the parts of
/// `request` a few times.
fn close_in_the_middle(server: &Server, request: &[u8]) {
    for end in (0..=request.len()).step_by(1 + request.len() / 40) {
        let mut client = server.target().connect();
        client.write_all(&request[..end]).expect("the server takes a few bytes");
        reset(client);
    }
}

/// Sends a request again and again without reading, until the server takes no more. Returns the
/// number of whole requests; the rest of one that was begun is sent once the answers are read.
fn pipeline(client: &mut TcpStream, request: &[u8]) -> (usize, Vec<u8>) {
    let requests = request.repeat(1 + (64 << 10) / request.len());
    client.set_write_timeout(Some(Duration::from_millis(300))).expect("a socket takes the option");
    let mut sent = 0;
    while let Ok(count) = client.write(&requests[sent % request.len()..]) {
        sent += count;
        assert!(sent < 256 << 20, "the server takes requests without end");
    }
    client.set_write_timeout(Some(clients::PATIENCE)).expect("a socket takes the option");
    let begun = sent % request.len();
    let unsent = if begun == 0 { Vec::new() } else { request[begun..].to_vec() };
    (sent.div_ceil(request.len()), unsent)
}

/// Expects `answer` as often as requests were sent by [`pipeline`], and sends what is missing of
/// the last request.
fn expect_pipelined(client: &mut TcpStream, request: &[u8], answer: &[u8]) {
    let (count, unsent) = pipeline(client, request);
    let whole = count - usize::from(!unsent.is_empty());
    // Many at once, as there are many.
    let (many, at_once) = (answer.repeat(1000), 1000);
    for _ in 0..whole / at_once {
        clients::expect(client, &many);
    }
    clients::expect(client, &many[..whole % at_once * answer.len()]);
    client.write_all(&unsent).expect("the server takes requests again");
    if whole < count {
        clients::expect(client, answer);
    }
}

/// Addresses to which no system has a way for TCP, on any network.
const UNREACHABLE: [&str; 2] = ["255.255.255.255:9", "224.0.0.1:9"];
