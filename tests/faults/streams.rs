//! Connections that break, and those that seem to.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::clients::{self, Target, echo, leave, pattern, stuff, uninterrupted};
use crate::group::{echo_all, served};
use crate::server::Report;
use crate::strace::{Strace, Work, traceable};

/// Waits for the end of a connection, orderly or not, and returns the number of bytes before it.
fn read_to_any_end(client: &mut TcpStream) -> u64 {
    let mut buffer = vec![0; 64 * 1024];
    let mut received = 0;
    loop {
        match uninterrupted(|| client.read(&mut buffer)) {
            Ok(0) => return received,
            Ok(count) => received += count as u64,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return received,
            Err(error) => panic!("a connection that broke does not end: {error}"),
        }
    }
}

/// Makes every second read or write find nothing; all bytes arrive.
pub(crate) fn disturbed(backend: &str, call: &str, error: &str) {
    const LENGTH: u64 = 1 << 20;
    const WORK: Work = Work { connections: 33, messages: 32 * 20 + (LENGTH / 1024) as usize };

    let server = traceable(backend, &[]);
    let strace = Strace::attach(&server, call, &format!("error={error}"), "1+2");
    clients::interleaved(&server.target());
    clients::large_with_half_close(&server.target(), LENGTH);
    let (report, trace) = strace.stop(server);
    assert_eq!(report.figure("bytes in"), report.figure("bytes out"), "{}", report.text);
    assert!(report.text.contains("closed 33: 33 finished"), "{}", report.text);
    trace.assert_bounded(WORK);
}

/// Breaks the third of five connections, which ends it; the others go on, and new ones are served.
pub(crate) fn broken(backend: &str, call: &str, error: &str, reason: &str) {
    let server = traceable(backend, &[]);
    let mut clients = served(&server.target(), 5);
    let strace = Strace::attach(&server, call, &format!("error={error}"), "3");
    for (number, client) in clients.iter_mut().enumerate() {
        if number == 2 {
            client.write_all(b"hello").expect("the connection is still there");
            assert_eq!(read_to_any_end(client), 0, "a connection that broke has answered");
        } else {
            echo(client, b"hello");
        }
    }
    drop(clients.remove(2));
    echo_all(&mut clients, b"still here");
    clients.into_iter().for_each(leave);
    server.target().serves();
    let (report, trace) = strace.stop(server);
    assert!(report.text.contains(&format!("closed 6: 5 finished, {reason}")), "{}", report.text);
    assert_eq!(trace.faults(), 1);
    trace.assert_bounded(Work { connections: 6, messages: 10 });
}

/// Breaks a connection that has output pending; its buffers come back, and the others go on.
pub(crate) fn broken_with_pending_output(backend: &str, error: &str) {
    let server = traceable(backend, &[]);
    let target = server.target();
    let mut others = served(&target, 2);
    let mut stalled = target.connect();
    let sent = stuff(&mut stalled);
    let strace = Strace::attach(&server, "sendto", &format!("error={error}"), "1");
    let received = read_to_any_end(&mut stalled);
    assert!(received < sent, "a connection that broke has sent everything");
    drop(stalled);
    echo_all(&mut others, b"still here");
    others.into_iter().for_each(leave);
    let (report, trace) = strace.stop(server);
    assert!(report.text.contains("closed 3: 2 finished, 1 reset"), "{}", report.text);
    trace.assert_bounded(Work { connections: 3, messages: 2 });
}

/// Makes every third read find a reset, in place of a message or of FIN, while clients come and go.
/// Every answer is right, and no client waits without end.
pub(crate) fn broken_again_and_again(backend: &str) {
    const CONNECTIONS: usize = 60;

    let server = traceable(backend, &[]);
    let strace = Strace::attach(&server, "recvfrom", "error=ECONNRESET", "1+3");
    // With none to three messages each, the resets come at all points of a connection's life.
    let answered: Vec<_> =
        (0..CONNECTIONS).map(|number| talk(&server.target(), number % 4)).collect();
    let (report, trace) = strace.stop(server);
    let resets = trace.faults();
    let cut_short =
        answered.iter().enumerate().filter(|&(number, &answered)| answered < number % 4).count();
    assert!(
        cut_short > 0 && cut_short < resets,
        "{cut_short} clients were cut short by {resets} resets"
    );
    assert_eq!(report.figure_before(" reset"), resets as u64, "{}", report.text);
    assert_bytes(&report, 100 * answered.iter().sum::<usize>() as u64);
    trace.assert_bounded(Work { connections: CONNECTIONS, messages: 3 * CONNECTIONS });
}

/// Sends messages as long as they are answered, and then leaves; returns the number of answers.
fn talk(target: &Target, messages: usize) -> usize {
    let mut client = target.connect();
    for number in 0..messages {
        let message = pattern(number as u64, 100);
        // What is written to a connection that broke before is lost without a word, or with one.
        let written = client.write_all(&message);
        if written.is_err() || !matches!(uninterrupted(|| client.peek(&mut [0])), Ok(1)) {
            return number;
        }
        clients::expect(&mut client, &message);
    }
    // It may be gone by now.
    let _ = client.shutdown(Shutdown::Write);
    assert_eq!(read_to_any_end(&mut client), 0);
    messages
}

/// Asserts that all input was sent back, and its size.
fn assert_bytes(report: &Report, count: u64) {
    assert_eq!(
        (report.figure("bytes in"), report.figure("bytes out")),
        (count, count),
        "{}",
        report.text
    );
}

/// Makes every `shutdown` fail while the server drains.
pub(crate) fn draining_without_shutdown(backend: &str) {
    let server = traceable(backend, &[]);
    let mut clients = served(&server.target(), 3);
    let strace = Strace::attach(&server, "shutdown", "error=ENOTCONN", "1+");
    server.terminate();
    for client in &mut clients {
        assert_eq!(read_to_any_end(client), 0);
    }
    let report = server.stopped();
    assert_eq!(report.figure("closed"), 3, "{}", report.text);
    let trace = strace.ended();
    assert_eq!(trace.faults(), 3);
    trace.assert_bounded(Work { connections: 3, messages: 0 });
}
