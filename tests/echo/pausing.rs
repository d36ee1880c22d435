//! A server that is suspended for longer than its idle timeout.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::clients::expect;
use crate::server::Server;

/// Far longer than the clients take to connect and to be served once.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10_500);

/// Shows that one client that sends during the pause is served.
pub(crate) fn one_client(backend: &str) {
    pause_idle(backend, 1);
}

/// Shows that many more clients than one wait reports are served.
pub(crate) fn many_clients(backend: &str) {
    pause_idle(backend, 1_200);
}

/// Shows it for so many clients, if need be in several attempts: the server is right to close a
/// client that a busy machine keeps silent for the idle timeout before or after the pause.
fn pause_idle(backend: &str, count: usize) {
    const ATTEMPTS: usize = 4;

    selkie::platform::raise_descriptor_limit(8_000).expect("the limit can be raised");
    let is_shown = (0..ATTEMPTS).any(|_| is_served_after_pause(backend, count));
    assert!(is_shown, "this machine always takes longer than {IDLE_TIMEOUT:?}");
}

/// Suspends the server for longer than the idle timeout. Clients send meanwhile, and are served
/// when it goes on. Returns false if this machine was too slow to show that.
fn is_served_after_pause(backend: &str, count: usize) -> bool {
    let seconds = IDLE_TIMEOUT.as_secs().to_string();
    let options = ["--capacity", &count.to_string(), "--idle-timeout", &seconds];
    let server = Server::start(backend, &options);
    let target = server.target();
    let begin = Instant::now();
    let mut clients: Vec<_> = (0..count).map(|_| target.connect()).collect();
    // All at once: a round trip for each takes long on a busy machine, and they must not idle.
    let are_served = clients.iter_mut().all(|client| client.write_all(b"before").is_ok())
        && clients.iter_mut().all(|client| client.read_exact(&mut [0; 6]).is_ok());
    server.suspend();
    let pause = Instant::now();
    if pause - begin >= IDLE_TIMEOUT {
        return false;
    }
    assert!(are_served, "a client is closed before its idle timeout");
    for client in &mut clients {
        client.write_all(b"meanwhile").expect("the kernel takes a message");
    }
    thread::sleep(PAUSE.saturating_sub(pause.elapsed()));
    server.resume();
    let resumption = Instant::now();
    for client in &mut clients {
        expect(client, b"meanwhile");
    }
    drop(clients);
    if resumption.elapsed() >= IDLE_TIMEOUT {
        return false;
    }
    let report = server.stop();
    let closed = report.text.lines().find(|line| line.starts_with("closed "));
    assert!(closed.is_some_and(|line| !line.contains("idle")), "{}", report.text);
    true
}
