//! Sources that the kernel cannot watch for what it should. Only epoll keeps them in the kernel.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::clients::{
    PATIENCE, Target, echo, expect, is_answered_within, leave, pattern, uninterrupted,
};
use crate::group::{echo_all, served};
use crate::server::Server;
use crate::strace::{Strace, Work, traceable};

/// The time for which a client that must not be served is observed.
const MOMENT: Duration = Duration::from_millis(300);

/// Makes a connection fail to be watched: it is refused, and the others go on.
pub(crate) fn refused(error: &str) {
    let server = traceable("epoll", &[]);
    let target = server.target();
    let mut inside = target.connect();
    echo(&mut inside, b"I am in");
    let strace = Strace::attach(&server, "epoll_ctl", &format!("error={error}"), "1");
    // It may be refused before this side knows that it was connected.
    let end = TcpStream::connect(target.address).and_then(|mut refused| {
        refused.set_read_timeout(Some(PATIENCE))?;
        uninterrupted(|| refused.read(&mut [0]))
    });
    match end {
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        Ok(count) => assert_eq!(count, 0, "a connection that cannot be watched is served"),
    }
    target.serves();
    echo(&mut inside, b"as before");
    leave(inside);
    let (report, trace) = strace.stop(server);
    assert_eq!((report.figure("accepted"), report.figure("refused")), (2, 1), "{}", report.text);
    trace.assert_bounded(Work { connections: 3, messages: 2 });
}

/// Makes a connection with pending output fail to be watched for writing: it ends, and the others
/// go on.
pub(crate) fn unchanged(error: &str) {
    let server = traceable("epoll", &[]);
    let target = server.target();
    let (mut stalled, mut lively) = (target.connect(), target.connect());
    echo(&mut stalled, b"I am in");
    echo(&mut lively, b"I am in");
    let strace = Strace::attach(&server, "epoll_ctl", &format!("error={error}"), "1");
    // Until the server has no room for more answers, and finds that it cannot wait for some.
    let mut sent = 0;
    while let Ok(count) = stalled.write(&pattern(sent, 64 * 1024)) {
        sent += count as u64;
        assert!(
            sent < 256 << 20,
            "the server takes bytes without end from a client that reads none"
        );
    }
    echo(&mut lively, b"as before");
    leave(lively);
    let (report, trace) = strace.stop(server);
    assert!(report.text.contains("closed 2: 1 finished, 1 failed"), "{}", report.text);
    let pieces = usize::try_from(sent / 1024).expect("below 256 Ki");
    trace.assert_bounded(Work { connections: 2, messages: 2 + pieces });
}

/// Makes disarming the listener fail three times while the server is full: a waiting client is not
/// served meanwhile, and is once there is room.
pub(crate) fn still_armed(error: &str) {
    let server = traceable("epoll", &["--capacity", "2"]);
    let target = server.target();
    let mut first = target.connect();
    echo(&mut first, b"I am in");
    // First the last connection is watched that there is room for.
    let strace = Strace::attach(&server, "epoll_ctl", &format!("error={error}"), "2..4");
    let mut second = target.connect();
    echo(&mut second, b"I am in, too");
    let outside = knock(&target);
    strace.until_faults(3);
    assert!(!is_answered_within(&outside, MOMENT), "the server serves more than its capacity");
    let_in(server, strace, vec![first, second], outside);
}

/// Makes arming the listener fail three times when the server, which was full, has room again and
/// no client waits: a client that comes later is served all the same.
pub(crate) fn not_armed_again(error: &str) {
    let server = traceable("epoll", &["--capacity", "2"]);
    let target = server.target();
    let (mut first, mut second) = (target.connect(), target.connect());
    echo(&mut first, b"I am in");
    echo(&mut second, b"I am in, too");
    let mut third = knock(&target);
    assert!(!is_answered_within(&third, MOMENT), "the server serves more than its capacity");
    // A turn later the server has seen the third, and has disarmed its listener.
    echo(&mut first, b"still in");
    echo(&mut first, b"and still in");
    // The first client is watched no more and the third is; then the second is watched no more.
    let strace = Strace::attach(&server, "epoll_ctl", &format!("error={error}"), "4..6");
    leave(first);
    expect(&mut third, b"let me in");
    leave(second);
    strace.until_faults(3);
    target.serves();
    leave(third);
    let (report, trace) = strace.stop(server);
    assert!(report.text.contains("closed 4: 4 finished"), "{}", report.text);
    assert_eq!(trace.faults(), 3);
    trace.assert_bounded(Work { connections: 4, messages: 2 });
}

/// Connects a client that wants to be served.
fn knock(target: &Target) -> TcpStream {
    let mut client = target.connect();
    client.write_all(b"let me in").expect("the backlog takes a message");
    client
}

/// Disconnects one accepted client, so that the waiting one is served, and checks that all were
/// served in the end.
fn let_in(server: Server, strace: Strace, mut inside: Vec<TcpStream>, mut outside: TcpStream) {
    echo_all(&mut inside, b"as before");
    leave(inside.remove(0));
    expect(&mut outside, b"let me in");
    inside.into_iter().chain([outside]).for_each(leave);
    server.target().serves();
    let (report, trace) = strace.stop(server);
    assert!(report.text.contains("closed 4: 4 finished"), "{}", report.text);
    assert_eq!(trace.faults(), 3);
    trace.assert_bounded(Work { connections: 4, messages: 5 });
}

/// Makes closed connections fail to be removed from the kernel's set, which they leave with their
/// descriptors all the same. The next ones, with the same slots and descriptors, are served.
pub(crate) fn still_watched(error: &str) {
    let server = traceable("epoll", &[]);
    let target = server.target();
    let inside = served(&target, 2);
    let strace = Strace::attach(&server, "epoll_ctl", &format!("error={error}"), "1..2");
    inside.into_iter().for_each(leave);
    served(&target, 2).into_iter().for_each(leave);
    let (report, trace) = strace.stop(server);
    assert!(report.text.contains("closed 4: 4 finished"), "{}", report.text);
    trace.assert_bounded(Work { connections: 4, messages: 2 });
}
