//! An HTTP/1.1 server: keep-alive, pipelining, long replies, and limits on what clients send. The
//! service is `Http` of `examples/services`.
//!
//! ```text
//! cargo run --release --example http -- 127.0.0.1:8080
//! curl -i http://127.0.0.1:8080/
//! curl -o /dev/null http://127.0.0.1:8080/bytes/10485760
//! curl --data-binary @README.md http://127.0.0.1:8080/echo
//! ```

mod common;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use selkie_services::Http;

/// The arguments of this program alone.
#[derive(Debug, clap::Args)]
struct Limits {
    /// The seconds that a request may take to come, and each 64 KiB of its body.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = common::seconds)]
    request_timeout: Duration,
}

fn main() -> ExitCode {
    let about = "Serves HTTP/1.1 to many clients on one thread, or on several.";
    common::run_on_cores("http", about, |_, limits: &Limits| {
        Http::new(unix_time).request_timeout(limits.request_timeout)
    })
}

/// Reads the time of day for the `Date` of replies.
fn unix_time() -> Option<u64> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
}
