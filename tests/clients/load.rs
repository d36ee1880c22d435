//! Clients that behave.

use std::io::Write;
use std::net::Shutdown;
use std::thread;

use super::{Target, echo, expect, leave, pattern, read_pattern_to_end};

/// Runs many clients at once, each of which gets its own bytes back, in any order of requests.
pub(crate) fn interleaved(target: &Target) {
    let mut clients: Vec<_> = (0..target.capacity.min(32)).map(|_| target.connect()).collect();
    for round in 0..20_usize {
        let message = |number: usize| {
            pattern((number * 1000 + round) as u64, 1 + (number * 37 + round * 211) % 3000)
        };
        for (number, client) in clients.iter_mut().enumerate() {
            client.write_all(&message(number)).expect("the server takes a message");
        }
        for (number, client) in clients.iter_mut().enumerate().rev() {
            expect(client, &message(number));
        }
    }
    clients.into_iter().for_each(leave);
}

/// Sends `count` bytes and FIN; the client must still get every byte back, then FIN.
pub(crate) fn large_with_half_close(target: &Target, count: u64) {
    let mut reader = target.connect();
    let mut writer = reader.try_clone().expect("a socket can be cloned");
    let sending = thread::spawn(move || {
        let mut sent = 0;
        while sent < count {
            let piece = usize::try_from(count - sent).map_or(50_000, |left| left.min(50_000));
            writer.write_all(&pattern(sent, piece)).expect("the server goes on reading");
            sent += piece as u64;
        }
        writer.shutdown(Shutdown::Write).expect("the connection is still there");
    });
    let received = read_pattern_to_end(&mut reader);
    sending.join().expect("the sender has sent it all");
    assert_eq!(received, count, "some bytes did not come back");
}

/// Runs clients that connect and leave, several at once, each as soon as the last one has left.
pub(crate) fn churn(target: &Target, rounds: usize) {
    thread::scope(|scope| {
        for lane in 0..target.capacity.min(4) {
            scope.spawn(move || {
                for round in 0..rounds {
                    let mut client = target.connect();
                    echo(&mut client, &pattern((lane * rounds + round) as u64, 100));
                    // Some end their stream, some are just gone.
                    if round % 3 > 0 {
                        leave(client);
                    }
                }
            });
        }
    });
    target.serves();
}
