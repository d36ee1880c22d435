//! An echo server for many clients on one thread. The service is `Echo` of `examples/services`; the
//! files in `examples/echo/` are the parts that differ between platforms.
//!
//! ```text
//! cargo run --release --example echo -- 127.0.0.1:7000 --capacity 1024
//! nc 127.0.0.1 7000
//! ```

#[cfg_attr(unix, path = "echo/native.rs")]
#[cfg_attr(target_env = "p1", path = "echo/wasi_p1.rs")]
#[cfg_attr(target_env = "p2", path = "echo/wasi_p2.rs")]
mod platform;

use std::io::{stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use selkie::{CloseReason, Config, EventLoop, HeapLoop, HeapServer, Server};
use selkie_services::Echo;

/// The most events that one wait reports.
const EVENTS: usize = 512;
/// The size of a buffer: the most bytes in each direction that wait for one client.
const BUFFER_SIZE: usize = 16 * 1024;
/// The time that clients have to take their pending output once the server is asked to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Echoes what its clients send, many of them on one thread.
#[derive(Debug, Parser)]
#[command(name = "echo")]
struct Arguments {
    /// An IP address and a port to listen on; port 0 for any free one.
    #[arg(default_value = "127.0.0.1:7000", value_parser = address)]
    address: std::net::SocketAddr,

    /// The system call to wait with; the best of the platform, if not given.
    #[arg(long, value_name = "NAME")]
    backend: Option<platform::Backend>,

    /// The number of clients to serve at once; more wait until one leaves.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clients)]
    capacity: u32,

    /// The seconds without a byte after which a client is disconnected; never, if not given.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_timeout: Option<Duration>,
}

/// Parses an address on the command line.
fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:7000 or [::1]:7000".to_owned()
    })
}

/// Parses a number of clients on the command line.
fn clients(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|&clients| clients > 0)
        .ok_or_else(|| "expected a number of clients, 1 or more".to_owned())
}

/// Parses a time on the command line.
fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a number of seconds above 0, such as 30 or 0.5".to_owned())
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| serve(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            platform::print(stderr(), &format!("echo: {message}\n"));
            ExitCode::from(2)
        }
    }
}

/// Parses the command line. Like every error of this program, its errors are one sentence.
fn arguments() -> Result<Arguments, String> {
    Arguments::try_parse().map_err(|error| {
        if !error.use_stderr() {
            // The text of `--help` is no error.
            error.exit();
        }
        let text = error.to_string();
        let sentence = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        match error.kind() {
            ErrorKind::ValueValidation => sentence.to_owned(),
            _ => format!("{sentence}; `--help` lists what can be given"),
        }
    })
}

/// Serves until asked to stop.
fn serve(arguments: &Arguments) -> Result<(), String> {
    let capacity = arguments.capacity as usize;
    // One slot more for the listener, and one for the waker.
    let slots = capacity + 2;
    let platform::Opened { platform, listener, description } = platform::open(arguments, slots)?;

    let no_memory = |error| format!("cannot serve {capacity} clients: {error}");
    let loop_memory = HeapLoop::new(slots, EVENTS).map_err(no_memory)?;
    let buffers = slots * platform::BUFFERS_EACH;
    let memory = HeapServer::new(slots, buffers, BUFFER_SIZE).map_err(no_memory)?;
    let config = Config::DEFAULT.connections_max(capacity).idle_timeout(arguments.idle_timeout);
    let mut event_loop = EventLoop::new(platform, loop_memory);
    let mut server = Server::new(Echo, config, memory);
    server
        .listen(&mut event_loop.context(), listener)
        .map_err(|error| format!("cannot watch the listener: {error}"))?;
    let termination = platform::Termination::watch(&mut event_loop.context())?;
    platform::print(stdout(), &format!("listening on {description}, capacity {capacity})\n"));

    while !event_loop.is_stopped() {
        event_loop
            .run_once(&mut server)
            .map_err(|error| format!("cannot wait for events: {error}"))?;
        if termination.is_requested() && !server.is_draining() {
            let deadline = event_loop.context().now() + DRAIN;
            server.drain(&mut event_loop.context(), deadline);
        }
    }
    let report = report(server.counters(), event_loop.counters());
    platform::print(stdout(), &report);
    Ok(())
}

/// Formats the counters.
fn report(server: &selkie::Counters, turns: selkie::LoopCounters) -> String {
    let closed: Vec<String> = CloseReason::ALL
        .into_iter()
        .filter(|&reason| server.closed_for(reason) > 0)
        .map(|reason| format!("{} {reason}", server.closed_for(reason)))
        .collect();
    format!(
        "accepted {}, refused {}, gone before accept {}, accept failures {}, \
         pauses at capacity {}, at most {} open\n\
         closed {}: {}\n\
         bytes in {}, bytes out {}, at most {} buffers in use, {} waits for one\n\
         turns {}, of which idle {}; events {}, of which stale {}; spurious reads {}; \
         deadlines {}\n",
        server.accepted,
        server.refused,
        server.aborted_early,
        server.accept_failures,
        server.accept_pauses,
        server.open_max,
        server.closed_total(),
        closed.join(", "),
        server.bytes_in,
        server.bytes_out,
        server.blocks_max,
        server.starved,
        turns.turns,
        turns.turns_idle,
        turns.events,
        turns.events_stale,
        server.reads_spurious,
        turns.deadlines
    )
}
