//! Clients that send and never read, as many as the server has slots but one.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::clients::{PATIENCE, Target, echo, leave, pattern, uninterrupted};
use crate::server::Server;

/// Stalls all clients but one; the last one is served without a noticeable delay.
pub(crate) fn stalled_clients_delay_no_other(backend: &str) {
    /// On a busy machine a round trip took two seconds; waiting for a stalled client takes 30.
    const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);
    const CAPACITY: usize = 1024;

    selkie::platform::raise_descriptor_limit(8_000).expect("the limit can be raised");
    let server = Server::start(backend, &[]);
    let target = server.target();
    assert_eq!(target.capacity, CAPACITY);
    let mut stalled: Vec<_> = (1..CAPACITY).map(|_| small(&target)).collect();
    stall(&mut stalled);
    let mut lively = target.connect();
    let mut longest = Duration::ZERO;
    for round in 0..50 {
        let before = Instant::now();
        echo(&mut lively, &pattern(round, 500));
        longest = longest.max(before.elapsed());
    }
    println!("{backend}: the longest round trip took {longest:?}");
    assert!(longest < ROUND_TRIP_MAX, "a round trip took {longest:?}");
    leave(lively);
    drop(stalled);
    server.stop();
}

/// Connects a client with small buffers, so that a thousand of them take little memory.
fn small(target: &Target) -> TcpStream {
    let client = target.connect();
    let socket = SockRef::from(&client);
    socket.set_recv_buffer_size(4096).expect("a socket takes the option");
    socket.set_send_buffer_size(4096).expect("a socket takes the option");
    client
}

/// Sends from all clients without reading, until the server takes no more from any of them.
fn stall(clients: &mut [TcpStream]) {
    let bytes = pattern(0, 64 * 1024);
    for client in clients.iter() {
        client.set_nonblocking(true).expect("a socket takes the option");
    }
    let (start, mut last_progress) = (Instant::now(), Instant::now());
    while start.elapsed() < PATIENCE && last_progress.elapsed() < Duration::from_millis(500) {
        for client in clients.iter_mut() {
            match uninterrupted(|| client.write(&bytes)) {
                Ok(_) => last_progress = Instant::now(),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
        }
    }
}
