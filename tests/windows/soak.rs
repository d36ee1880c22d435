//! A soak: the echo example at its capacity, while clients of all kinds come and go.
//! `SELKIE_SOAK` says for how many seconds.

use std::thread;
use std::time::{Duration, Instant};

use crate::churn::Churn;
use crate::server::{Report, Server};

/// The growth of memory that is allowed after the first quarter of the time: what Wine keeps for
/// sockets, beside the buffers of 32 clients.
#[cfg(target_os = "linux")]
const GROWTH_MAX: u64 = 4 << 20;

/// Runs it, and judges the counters of the server. Where the system has `/proc`, its memory is
/// judged too.
pub(crate) fn ends_where_it_began(backend: &str) {
    let Some(time) = std::env::var_os("SELKIE_SOAK") else {
        println!("not run: SELKIE_SOAK does not say for how many seconds");
        return;
    };
    let seconds = time.to_str().and_then(|time| time.parse().ok()).expect("a number of seconds");
    let time = Duration::from_secs(seconds);
    let server = Server::start(backend, &["--capacity", "32", "--idle-timeout", "8"]);
    let churn = Churn::new(server.target(), Instant::now() + time);
    churn.serves();
    #[cfg(target_os = "linux")]
    let process = crate::process::Process(server.id());
    #[cfg(target_os = "linux")]
    let warm = thread::scope(|scope| {
        churn.start(scope);
        thread::sleep(time / 4);
        process.resident_bytes()
    });
    #[cfg(not(target_os = "linux"))]
    thread::scope(|scope| churn.start(scope));
    churn.serves();
    #[cfg(target_os = "linux")]
    {
        let cold = process.resident_bytes();
        println!("{backend}: {warm} bytes after a quarter of the time, {cold} in the end");
        assert!(cold <= warm + GROWTH_MAX, "the server has grown by {} bytes", cold - warm);
    }
    println!("{backend}: {} clients in {time:?}", churn.connections());
    judge(&server.stop(), churn.connections());
}

/// Checks that every client was accepted and closed for a reason.
fn judge(report: &Report, connections: u64) {
    let text = &report.text;
    let arrived = report.figure("accepted") + report.figure("gone before accept");
    assert_eq!(arrived, connections, "{text}");
    assert_eq!(report.figure("refused") + report.figure("accept failures"), 0, "{text}");
    assert!(report.figure("pauses at capacity") > 0, "{text}");
    assert!(report.figure("bytes out") <= report.figure("bytes in"), "{text}");
}
