//! A soak: the echo example at its capacity, while clients of all kinds come and go for a long
//! time. When all are gone, its descriptors, its memory and its counters are where they began.
//!
//! `SELKIE_SOAK` says for how many seconds; without it, each test says that it was not run.
//! `ci/test soak` takes 20; for five minutes on each backend, all of them at once:
//!
//! ```text
//! SELKIE_SOAK=300 cargo test -p selkie-tests --test soak -- --nocapture --test-threads=3
//! ```

#![cfg(target_os = "linux")]

mod churn;
#[path = "../clients/mod.rs"]
#[allow(unused_imports, reason = "other tests use it")]
mod clients;
mod process;
#[path = "../echo/server.rs"]
#[allow(dead_code, reason = "other tests use it")]
mod server;

use std::thread;
use std::time::{Duration, Instant};

use churn::Churn;
use clients::comes_true;
use process::Process;
use server::{Report, Server};

/// The variable that says for how many seconds.
const SECONDS: &str = "SELKIE_SOAK";
/// Less than all clients together, so that some always wait when `crowd` runs.
const CAPACITY: u64 = 32;
/// The options of the server. Only the silent clients are silent for so long.
const OPTIONS: [&str; 4] = ["--capacity", "32", "--idle-timeout", "8"];
/// The growth of memory that is allowed after the first quarter of the time, beside the buffers
/// that were in use at once: for the stack and the allocator.
const GROWTH_MAX: u64 = 256 << 10;
/// The size of such a buffer, which takes no memory until it is used.
const BLOCK_SIZE: u64 = 16 * 1024;

/// Makes a test for each backend of the platform.
macro_rules! ends_where_it_began {
    ($($backend:ident $name:ident,)+) => {
        $(
            mod $name {
                #[test]
                fn ends_where_it_began() {
                    super::soak(stringify!($name));
                }
            }
        )+
    };
}

selkie::for_each_backend!(ends_where_it_began);
ends_where_it_began! { Ring io_uring, }

fn soak(backend: &str) {
    let Some(time) = std::env::var_os(SECONDS) else {
        println!("not run: {SECONDS} does not say for how many seconds; `ci/test soak` sets it");
        return;
    };
    let time = Duration::from_secs(
        time.to_str().and_then(|time| time.parse().ok()).expect("a whole number of seconds"),
    );
    let server = Server::start(backend, &OPTIONS);
    let process = Process(server.id());
    let churn = Churn::new(server.target(), Instant::now() + time);
    churn.serves();
    let descriptors = process.descriptors();
    let warm = thread::scope(|scope| {
        churn.start(scope);
        thread::sleep(time / 4);
        process.resident_bytes()
    });
    // The last client is accepted last: then the backlog is empty.
    churn.serves();
    let all_closed = comes_true(|| process.descriptors() == descriptors);
    assert!(
        all_closed,
        "{descriptors} descriptors in the beginning, {} in the end",
        process.descriptors()
    );
    let (cold, spent) = (process.resident_bytes(), process.processor_time());
    let report = server.stop();

    println!("{backend}: {} clients in {time:?}, {spent:?} of processor time", churn.connections());
    println!("descriptors: {descriptors} before and after");
    println!("bytes of memory: {warm} after a quarter of the time, {cold} in the end");
    print!("{}", report.text);
    let limit = warm + report.figure_before(" buffers in use") * BLOCK_SIZE + GROWTH_MAX;
    assert!(cold <= limit, "the server has grown by {} bytes", cold - warm);
    assert_counters(&report, churn.connections());
}

/// Checks that every client was accepted and closed for a reason, and that the server was full at
/// times.
fn assert_counters(report: &Report, connections: u64) {
    let text = &report.text;
    assert_eq!(
        report.figure("accepted") + report.figure("gone before accept"),
        connections,
        "{text}"
    );
    assert_eq!(report.figure("refused") + report.figure("accept failures"), 0, "{text}");
    assert_eq!(report.figure("at most"), CAPACITY, "{text}");
    assert!(report.figure("pauses at capacity") > 0, "{text}");
    assert!(report.figure("bytes out") <= report.figure("bytes in"), "{text}");
    let reasons =
        ["finished", "reset", "idle"].map(|reason| report.figure_before(&format!(" {reason}")));
    assert!(reasons.iter().all(|&count| count > 0), "{text}");
    assert_eq!(reasons.iter().sum::<u64>(), report.figure("closed"), "{text}");
}
