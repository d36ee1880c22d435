//! Connections that cannot be accepted.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::clients::{Target, churn, expect, is_answered_within, leave};
use crate::group::{echo_all, served};
use crate::strace::{Strace, Work, traceable};

/// The interval at which the example retries to accept.
const RETRY: Duration = Duration::from_millis(100);

/// Connects clients that have sent a message, and may have to wait.
fn outside(target: &Target) -> Vec<TcpStream> {
    let mut clients: Vec<_> = (0..4).map(|_| target.connect()).collect();
    for client in &mut clients {
        client.write_all(b"let me in").expect("the backlog takes a message");
    }
    clients
}

/// Waits until each of them is served.
fn let_in(outside: &mut [TcpStream]) {
    for client in outside {
        expect(client, b"let me in");
    }
}

/// Makes accepting fail three times for want of something. Accepted clients are served all the
/// time, and the others in the end.
pub(crate) fn shortage(backend: &str, error: &str) {
    let server = traceable(backend, &[]);
    let mut inside = served(&server.target(), 3);
    let strace = Strace::attach(&server, "accept4", &format!("error={error}"), "1..3");
    let mut outside = outside(&server.target());
    echo_all(&mut inside, b"meanwhile");
    let_in(&mut outside);
    echo_all(&mut inside, b"as before");
    inside.into_iter().chain(outside).for_each(leave);
    server.target().serves();
    let (report, trace) = strace.stop(server);
    assert_eq!(report.figure("accept failures"), 3, "{}", report.text);
    assert!(report.text.contains("closed 8: 8 finished"), "{}", report.text);
    trace.assert_bounded(Work { connections: 8, messages: 11 });
}

/// Makes accepting fail until the shortage is over: it is retried at intervals, and at once when a
/// connection closes.
pub(crate) fn lasting_shortage(backend: &str) {
    let server = traceable(backend, &[]);
    let mut inside = served(&server.target(), 3);
    let before = Instant::now();
    let strace = Strace::attach(&server, "accept4", "error=EMFILE", "1+");
    let mut outside = outside(&server.target());
    let mut messages = 0;
    while before.elapsed() < 5 * RETRY {
        echo_all(&mut inside, b"meanwhile");
        messages += inside.len();
    }
    leave(inside.remove(0));
    let is_in = |client: &TcpStream| is_answered_within(client, Duration::from_millis(1));
    assert!(!outside.iter().any(is_in), "the fault has no effect");
    let trace = strace.detach();
    let retries = before.elapsed().div_duration_f64(RETRY).ceil();
    // The first attempt, and the one when a client has left.
    let attempts = 2.0 + retries;
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    let count = trace.calls("accept4") as f64;
    assert!(count <= attempts, "{count} attempts to accept, {attempts} allowed");
    trace.assert_bounded(Work { connections: 1, messages });

    let_in(&mut outside);
    inside.into_iter().chain(outside).for_each(leave);
    let report = server.stop();
    assert!(report.text.contains("closed 7: 7 finished"), "{}", report.text);
    assert!(report.figure("accept failures") >= trace.faults() as u64, "{}", report.text);
}

/// Makes three connections end before they are accepted, which affects no other.
pub(crate) fn aborted(backend: &str, error: &str) {
    let server = traceable(backend, &[]);
    let mut inside = served(&server.target(), 3);
    let strace = Strace::attach(&server, "accept4", &format!("error={error}"), "1..3");
    // The connections still exist, so that all of them can be served.
    let mut outside = outside(&server.target());
    let_in(&mut outside);
    echo_all(&mut inside, b"as before");
    inside.into_iter().chain(outside).for_each(leave);
    let (report, trace) = strace.stop(server);
    assert_eq!(report.figure("gone before accept"), 3, "{}", report.text);
    assert_eq!(report.figure("accept failures"), 0, "{}", report.text);
    assert!(report.text.contains("closed 7: 7 finished"), "{}", report.text);
    trace.assert_bounded(Work { connections: 7, messages: 7 });
}

/// Makes every second attempt find nothing, while clients come and go.
pub(crate) fn disturbed(backend: &str, error: &str) {
    /// Of each of four lanes, and one in the end.
    const CONNECTIONS: usize = 4 * 20 + 1;

    let server = traceable(backend, &["--capacity", "8"]);
    let strace = Strace::attach(&server, "accept4", &format!("error={error}"), "1+2");
    churn(&server.target(), 20);
    let (report, trace) = strace.stop(server);
    assert_eq!(report.figure("accepted"), CONNECTIONS as u64, "{}", report.text);
    assert_eq!(
        report.figure("accept failures") + report.figure("gone before accept"),
        0,
        "{}",
        report.text
    );
    trace.assert_bounded(Work { connections: CONNECTIONS, messages: CONNECTIONS });
}

/// Makes every socket option fail, which ends no connection: on Linux an accepted connection
/// inherits what its listener was set to, and no call is made for it.
pub(crate) fn without_options(backend: &str) {
    let server = traceable(backend, &[]);
    let strace = Strace::attach(&server, "setsockopt", "error=ENOBUFS", "1+");
    let clients = served(&server.target(), 3);
    clients.into_iter().for_each(leave);
    let (report, trace) = strace.stop(server);
    assert!(report.text.contains("closed 3: 3 finished"), "{}", report.text);
    assert_eq!(trace.calls("setsockopt"), 0, "an option was set for each connection");
}
