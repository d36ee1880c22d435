//! Waits that are interrupted, or end for no reason.

use std::time::Duration;

use crate::clients::{self, Target};
use crate::strace::{Strace, Work, traceable};

/// Returns the calls that a backend waits with, on one machine or another.
fn calls(backend: &str) -> &'static str {
    match backend {
        "epoll" => "?epoll_wait,?epoll_pwait,?epoll_pwait2",
        "poll" => "?poll,?ppoll",
        _ => "?select,?pselect6",
    }
}

/// Disturbs the waits while clients interleave and one sends much: all get their bytes back.
///
/// A `pselect6` that is made to return 0 leaves all that it was asked for marked as ready, so there
/// every source is ready for nothing.
pub(crate) fn disturbed(backend: &str, how: &str, when: &str) {
    const LENGTH: u64 = 1 << 20;
    /// Of 32 clients, 20 messages each; and the large one, a kibibyte at a time.
    const WORK: Work = Work { connections: 33, messages: 32 * 20 + (LENGTH / 1024) as usize };

    let server = traceable(backend, &[]);
    let strace = Strace::attach(&server, calls(backend), how, when);
    clients::interleaved(&server.target());
    clients::large_with_half_close(&server.target(), LENGTH);
    let (report, trace) = strace.stop(server);
    assert_eq!(report.figure("accepted"), 33, "{}", report.text);
    assert_eq!(report.figure("bytes in"), report.figure("bytes out"), "{}", report.text);
    assert!(report.text.contains("closed 33: 33 finished"), "{}", report.text);
    // Where a fault makes all sources ready for nothing, each of them is looked at for it.
    let looks = usize::try_from(report.figure("spurious reads")).expect("a small number");
    trace.assert_bounded(Work { messages: WORK.messages + looks, ..WORK });
}

/// Disturbs the waits while a client is silent: it is closed when its time has come, not before.
pub(crate) fn disturbed_with_a_deadline(backend: &str, how: &str) {
    let server = traceable(backend, &["--idle-timeout", "1"]);
    let strace = Strace::attach(&server, calls(backend), how, "1+2");
    let target = Target { idle_timeout: Some(Duration::from_secs(1)), ..server.target() };
    let idle_max = clients::idle_timeout(&target);
    let (report, trace) = strace.stop(server);
    assert!((1..=idle_max).contains(&report.figure_before(" idle")), "{}", report.text);
    trace.assert_bounded(talk(report.figure("spurious reads")));
}

/// Makes `epoll_pwait2` unknown or forbidden: it is called once, and `epoll_wait` serves from then
/// on.
pub(crate) fn without_nanoseconds(error: &str) {
    let server = traceable("epoll", &["--idle-timeout", "1"]);
    let strace = Strace::attach(&server, "epoll_pwait2", &format!("error={error}"), "1+");
    let target = Target { idle_timeout: Some(Duration::from_secs(1)), ..server.target() };
    let idle_max = clients::idle_timeout(&target);
    let (report, trace) = strace.stop(server);
    assert!((1..=idle_max).contains(&report.figure_before(" idle")), "{}", report.text);
    assert_eq!(trace.calls("epoll_pwait2"), 1);
    trace.assert_bounded(talk(0));
}

/// Runs two clients, one of which talks for two seconds, twenty times a second.
fn talk(spurious: u64) -> Work {
    Work { connections: 2, messages: 42 + usize::try_from(spurious).expect("a small number") }
}
