//! An echo server for many clients on one thread. The whole of what it does with their bytes is
//! `examples/services/src/echo.rs`; what differs between platforms is in `examples/echo/`.
//!
//! ```text
//! cargo run --release --example echo -- 127.0.0.1:7000 --capacity 1024
//! nc 127.0.0.1 7000
//! ```

#[cfg_attr(unix, path = "echo/native.rs")]
#[cfg_attr(target_env = "p1", path = "echo/wasi_p1.rs")]
#[cfg_attr(target_env = "p2", path = "echo/wasi_p2.rs")]
mod platform;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use selkie::{CloseReason, Config, EventLoop, HeapLoop, HeapServer, Server};
use selkie_services::Echo;

/// How many events one wait reports at most.
const EVENTS: usize = 512;
/// How many bytes may be owed to a client before nothing more is read from it.
const BLOCK_SIZE: usize = 16 * 1024;
/// How long clients have to take what they are owed once the server is asked to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Sends back whatever its clients send, many of them on one thread.
#[derive(Debug, Parser)]
#[command(name = "echo")]
struct Arguments {
    /// Where to listen: an IP address and a port, or port 0 for any free one.
    #[arg(default_value = "127.0.0.1:7000", value_parser = address)]
    address: std::net::SocketAddr,

    /// What to wait with; the best that the platform has, if not given.
    #[arg(long, value_name = "NAME")]
    backend: Option<platform::Backend>,

    /// How many clients to serve at once; more wait until one leaves.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clients)]
    capacity: u32,

    /// After how many seconds without a byte a client is disconnected; never, if not given.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_timeout: Option<Duration>,
}

/// An address on the command line.
fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:7000 or [::1]:7000".to_owned()
    })
}

/// A number of clients on the command line.
fn clients(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|&clients| clients > 0)
        .ok_or_else(|| "expected a number of clients, 1 or more".to_owned())
}

/// A time on the command line.
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
            eprintln!("echo: {message}");
            ExitCode::from(2)
        }
    }
}

/// What stands on the command line; what is wrong with it in one sentence, as everything else that
/// can be wrong.
fn arguments() -> Result<Arguments, String> {
    Arguments::try_parse().map_err(|error| {
        if !error.use_stderr() {
            // What `--help` prints is no error.
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

    let mut loop_memory = HeapLoop::new(slots, EVENTS);
    let mut server_memory = HeapServer::new(slots, 2 * slots, BLOCK_SIZE);
    let config = Config::DEFAULT.connections_max(capacity).idle_timeout(arguments.idle_timeout);
    let mut event_loop = EventLoop::new(platform, loop_memory.storage());
    let mut server = Server::new(Echo, config, server_memory.storage());
    server
        .listen(&mut event_loop.context, listener)
        .map_err(|error| format!("cannot watch the listener: {error}"))?;
    let termination = platform::Termination::watch(&mut event_loop.context)?;
    println!("listening on {description}, capacity {capacity})");

    while !event_loop.is_stopped() {
        event_loop
            .run_once(&mut server)
            .map_err(|error| format!("cannot wait for events: {error}"))?;
        if termination.is_requested() && !server.is_draining() {
            let deadline = event_loop.context.now() + DRAIN;
            server.drain(&mut event_loop.context, deadline);
        }
    }
    report(server.counters(), event_loop.context.counters());
    Ok(())
}

/// Prints what was counted.
fn report(server: &selkie::Counters, turns: selkie::LoopCounters) {
    println!(
        "accepted {}, refused {}, gone before accept {}, accept failures {}, pauses at capacity {}, at most {} open",
        server.accepted,
        server.refused,
        server.aborted_early,
        server.accept_failures,
        server.accept_pauses,
        server.open_max
    );
    let closed: Vec<String> = CloseReason::ALL
        .into_iter()
        .filter(|&reason| server.closed_for(reason) > 0)
        .map(|reason| format!("{} {reason}", server.closed_for(reason)))
        .collect();
    println!("closed {}: {}", server.closed_total(), closed.join(", "));
    println!(
        "bytes in {}, bytes out {}, at most {} outboxes, {} waits for one",
        server.bytes_in, server.bytes_out, server.blocks_max, server.starved
    );
    println!(
        "turns {}, of which idle {}; events {}, of which stale {}; spurious reads {}; deadlines {}",
        turns.turns,
        turns.turns_idle,
        turns.events,
        turns.events_stale,
        server.reads_spurious,
        turns.deadlines
    );
}
