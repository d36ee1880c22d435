//! The part of the examples that serve on several cores.

use std::io::stdout;
use std::net::SocketAddr;

use clap::Args;
use selkie::shards::{Distribution, Shards};
use selkie::{Builder, Service};

use super::{DRAIN, platform, report};

/// The part of the command line that concerns several cores.
#[derive(Debug, Args)]
pub(super) struct ShardArguments {
    /// The number of loops, each on a thread of its own, and each for as many clients.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count)]
    pub(super) shards: usize,

    /// The strategy that shares clients out: hash, cpu or least-loaded.
    #[arg(long, value_name = "NAME", default_value_t = Distribution::Hash)]
    distribution: Distribution,

    /// Binds each loop to a core of its own.
    #[arg(long)]
    pinned: bool,
}

/// Serves on several threads until asked to stop.
pub(super) fn serve<S: Service<Session: Send> + Send>(
    arguments: &ShardArguments,
    builder: Builder,
    address: SocketAddr,
    description: &str,
    service: impl FnMut(usize) -> S,
) -> Result<(), String> {
    let ShardArguments { shards, distribution, pinned } = *arguments;
    let server = Shards::new(builder, shards).distribution(distribution).pinned(pinned);
    let server = server.listen(address).map_err(|error| error.to_string())?;
    let handle = server.handle();
    platform::on_termination(move || handle.drain(DRAIN))?;
    let address = server.local_address();
    let listening =
        format!("listening on {address} ({description}, {shards} shards by {distribution})\n");
    platform::print(stdout(), &listening);
    let finished = server.run(service).map_err(|error| error.to_string())?;
    platform::print(stdout(), &report(&finished.counters(), finished.loop_counters()));
    match finished.shards.into_iter().find_map(Result::err) {
        Some(failure) => Err(failure.to_string()),
        None => Ok(()),
    }
}

/// Parses a number of shards on the command line.
fn count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|shards| (1..=1024).contains(shards))
        .ok_or_else(|| "expected a number of shards from 1 to 1024".to_owned())
}
