//! Clients that stall, reset, exceed the capacity and stay silent.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{
    Talker, Target, comes_true, echo, expect, is_answered_within, leave, pattern,
    read_pattern_to_end, stuff, uninterrupted,
};

/// Runs a client that sends without reading: it is stopped and the others are served meanwhile
/// (`meanwhile` is called then too). When it reads at last, it gets every byte.
pub(crate) fn stalled_reader(target: &Target, meanwhile: impl FnOnce()) {
    let mut stalled = target.connect();
    let sent = stuff(&mut stalled);
    let mut lively = target.connect();
    for round in 0..50 {
        echo(&mut lively, &pattern(round, 500));
    }
    meanwhile();
    leave(lively);
    stalled.shutdown(Shutdown::Write).expect("the connection is still there");
    assert_eq!(read_pattern_to_end(&mut stalled), sent, "some bytes did not come back");
}

/// Runs clients that reset their connections in every state: at once, with bytes in flight, with
/// output pending. A well-behaved client is served all the time.
pub(crate) fn reset_storm(target: &Target, count: u64) {
    let mut steady = target.connect();
    for number in 0..count {
        let mut client = target.connect();
        SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .expect("a connected socket takes the option");
        match number % 4 {
            0 => (),
            1 => client.write_all(b"x").expect("a fresh connection takes a byte"),
            2 => echo(&mut client, b"hello"),
            _ => {
                client.write_all(&pattern(0, 60_000)).expect("a fresh connection takes some bytes");
            }
        }
        drop(client);
        if number % 10 == 0 {
            echo(&mut steady, &pattern(number, 100));
        }
    }
    echo(&mut steady, b"still here");
    leave(steady);
    target.serves();
}

/// Runs more clients than the capacity: those that are served go on, the others wait, and each is
/// served when another leaves.
pub(crate) fn full_capacity(target: &Target) {
    let mut served: Vec<_> = (0..target.capacity).map(|_| target.connect()).collect();
    for client in &mut served {
        echo(client, b"I am in");
    }
    let mut waiting: Vec<_> = (0..3).map(|_| target.connect()).collect();
    for client in &mut waiting {
        client.write_all(b"let me in").expect("the backlog takes a message");
    }
    for client in &waiting {
        assert!(
            !is_answered_within(client, Duration::from_millis(100)),
            "the server serves more than its capacity"
        );
    }
    for client in &mut served {
        echo(client, b"still in");
    }
    for number in 0..3 {
        leave(served.remove(0));
        let mut next = None;
        let let_in = comes_true(|| {
            next = waiting
                .iter()
                .position(|client| is_answered_within(client, Duration::from_millis(20)));
            next.is_some()
        });
        assert!(let_in, "no waiting client was accepted when client {number} left");
        let mut client = waiting.remove(next.unwrap_or_default());
        expect(&mut client, b"let me in");
        served.push(client);
    }
    served.into_iter().for_each(leave);
    target.serves();
}

/// Checks that a silent client is closed after the idle timeout and not before, and that a busy
/// one is not. Returns the number of clients that the server may have closed as idle: one, and more
/// if this machine has kept a client from talking for as long.
pub(crate) fn idle_timeout(target: &Target) -> u64 {
    let timeout = target.idle_timeout.expect("the server has an idle timeout");
    // The timeout has passed at least once between this point and the end of the stream.
    let before = Instant::now();
    let mut idle = Talker::new(target, timeout);
    idle.talk(b"my last words");
    // Connects only now: a busy machine may take long to answer, and this one must not idle.
    let mut busy = Talker::new(target, timeout);
    while before.elapsed() < super::PATIENCE {
        busy.talk(b"I talk");
        if is_closed(&idle.client) {
            break;
        }
        std::thread::sleep(timeout / 20);
    }
    idle.client.set_read_timeout(Some(super::PATIENCE)).expect("a socket takes the option");
    let count = uninterrupted(|| idle.client.read(&mut [0]))
        .expect("the server ends the stream in an orderly way");
    assert_eq!(count, 0);
    assert!(before.elapsed() >= timeout, "closed after {:?}", before.elapsed());
    busy.talk(b"I am still here");
    leave(busy.client);
    1 + idle.late + busy.late
}

/// Returns whether the server has sent FIN.
fn is_closed(client: &std::net::TcpStream) -> bool {
    client.set_nonblocking(true).expect("a socket takes the option");
    let closed = matches!(client.peek(&mut [0]), Ok(0));
    client.set_nonblocking(false).expect("a socket takes the option");
    closed
}
