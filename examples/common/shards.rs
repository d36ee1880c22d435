//! The part of the examples that serve on several cores.

use std::io::stdout;

use clap::Args;
use selkie::shards::{Distribution, FinishedShards, ListeningShards, Shards};
use selkie::{ServeError, Service};
use selkie_services::Counted;

use super::backend::Choice;
#[cfg(target_os = "linux")]
use super::ring;
use super::{Arguments, DRAIN, counts, platform, report};

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

/// Serves on several threads until asked to stop. `run` gets the shards, and the number of slots of
/// each one's loop.
pub(super) fn serve<S: Service + Counted>(
    arguments: &ShardArguments,
    common: &Arguments,
    run: impl FnOnce(ListeningShards, usize) -> Result<FinishedShards<S>, ServeError>,
) -> Result<(), String> {
    let ShardArguments { shards, distribution, pinned } = *arguments;
    let builder = common.builder::<S>();
    let settings = Shards::new(builder, shards).distribution(distribution).pinned(pinned);
    let slots = settings.slots();
    let (server, backend, reason) = listen(settings, common)?;
    let handle = server.handle();
    platform::on_termination(move || handle.drain(DRAIN))?;
    let (address, capacity) = (server.local_address(), common.capacity);
    let reason = reason.map_or_else(String::new, |reason| format!("; {reason}"));
    let sizes = format!("capacity {capacity}, {shards} shards by {distribution}{reason}");
    platform::print(stdout(), &format!("listening on {address} ({backend}, {sizes})\n"));
    let finished = run(server, slots).map_err(|error| error.to_string())?;
    let services = finished.shards.iter().flatten().map(|shard| &shard.service);
    let own = counts(services);
    platform::print(stdout(), &(report(&finished.counters(), finished.loop_counters()) + &own));
    match finished.shards.into_iter().find_map(Result::err) {
        Some(failure) => Err(failure.to_string()),
        None => Ok(()),
    }
}

/// Opens the shards. Returns them with the name of their backend, and the reason for it if
/// `io_uring` was asked for in vain.
fn listen(
    settings: Shards,
    common: &Arguments,
) -> Result<(ListeningShards, &'static str, Option<String>), String> {
    #[cfg(target_os = "linux")]
    let opened = ring::open(common.backend, || settings.clone().listen_ring(common.address))?;
    #[cfg(target_os = "linux")]
    let reason = match opened {
        ring::Opened::Ring(server) => return Ok((*server, "io_uring", None)),
        ring::Opened::Other(reason) => reason,
    };
    #[cfg(not(target_os = "linux"))]
    let reason: Option<String> = None;
    let backend = common.backend.and_then(Choice::selector).unwrap_or_default();
    let server = settings.listen(common.address).map_err(|error| error.to_string())?;
    Ok((server, backend.name(), reason))
}

/// Parses a number of shards on the command line.
fn count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|shards| (1..=1024).contains(shards))
        .ok_or_else(|| "expected a number of shards from 1 to 1024".to_owned())
}
