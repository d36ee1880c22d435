//! The common part of the examples that serve: the command line, the lines that they print, and
//! Ctrl-C. What each example adds is its service.

use std::io::{stderr, stdout};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
#[cfg(unix)]
use selkie::shards::{Mail, ShardService};
use selkie::{Builder, CloseReason, Config, Service};
use selkie_services::Counted;

use backend::Choice;
use command_line::{parse, read};

mod backend;
mod command_line;
#[cfg_attr(unix, path = "native.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(target_os = "wasi", path = "wasi.rs")]
mod platform;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(unix)]
mod shards;

/// The time that clients have to take their pending output once the server is asked to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// The command line that the examples share.
#[derive(Debug, Parser)]
struct Arguments {
    /// An IP address and a port to listen on; port 0 for any free one.
    #[arg(default_value = "127.0.0.1:7000", value_parser = address)]
    address: SocketAddr,

    /// The system call to wait with; the best of the platform, if not given.
    #[arg(long, value_name = "NAME")]
    backend: Option<Choice>,

    /// The number of clients to serve at once; more wait until one leaves.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clients)]
    capacity: u32,

    /// The seconds without a byte after which a client is disconnected; never, if not given.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_timeout: Option<Duration>,

    /// The number of clients to serve at once from one address; one more is reset.
    #[arg(long, value_name = "N", value_parser = clients)]
    per_address: Option<u32>,

    /// The number of clients to accept in a second; more wait.
    #[arg(long, value_name = "N", value_parser = clients)]
    accepts: Option<u32>,

    /// The number of bytes to read from a client in a second; more wait.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

/// Serves what `service` makes, for as many clients as its argument says, until Ctrl-C.
#[allow(dead_code, reason = "each example uses one of the two")]
pub(crate) fn run<S: Service + Counted>(
    name: &'static str,
    about: &'static str,
    service: impl FnOnce(usize) -> S,
) -> ExitCode {
    let command = Arguments::command().name(name).about(about);
    let served = parse(command).and_then(|matches| serve(&read(&matches)?, service));
    exit_code(name, served)
}

/// Serves like [`run`], with further arguments, which `service` gets.
#[allow(dead_code, reason = "each example uses one of them")]
pub(crate) fn run_with<A: clap::Args, S: Service + Counted>(
    name: &'static str,
    about: &'static str,
    service: impl FnOnce(usize, A) -> S,
) -> ExitCode {
    let command = Arguments::command().name(name).about(about);
    // Positional arguments follow it.
    let command =
        command.mut_arg("address", |address| address.default_value(None::<&str>).required(true));
    let command = A::augment_args(command).about(about);
    let served = parse(command).and_then(|matches| {
        let further = read::<A>(&matches)?;
        serve(&read(&matches)?, |slots| service(slots, further))
    });
    exit_code(name, served)
}

/// Serves like [`run`], with further arguments, which `service` gets, and on several cores if the
/// command line says so. Each has a service of its own, so this is for services whose clients do
/// not meet.
#[allow(dead_code, reason = "each example uses one of the two")]
pub(crate) fn run_on_cores<A: clap::Args, S: Service<Session: Send> + Counted + Send>(
    name: &'static str,
    about: &'static str,
    service: impl Fn(usize, &A) -> S,
) -> ExitCode {
    let command = A::augment_args(Arguments::command()).name(name).about(about);
    #[cfg(unix)]
    let command = <shards::ShardArguments as clap::Args>::augment_args(command).about(about);
    let served = parse(command).and_then(|matches| {
        let (arguments, further) = (read(&matches)?, read::<A>(&matches)?);
        #[cfg(unix)]
        {
            let on_cores = read::<shards::ShardArguments>(&matches)?;
            if on_cores.shards > 1 {
                return shards::serve(&on_cores, &arguments, |server, slots| {
                    server.run(|_| service(slots, &further))
                });
            }
        }
        serve(&arguments, |slots| service(slots, &further))
    });
    exit_code(name, served)
}

/// The further arguments of a program that has none.
#[derive(Debug, clap::Args)]
#[allow(dead_code, reason = "each example uses one of the two")]
pub(crate) struct NoArguments;

/// Serves like [`run`], and on several cores if the command line says so. Their services send
/// messages to each other: up to `parcels` of each of them wait in a mailbox.
#[cfg(unix)]
#[allow(dead_code, reason = "each example uses one of them")]
pub(crate) fn run_with_mail<S, T>(
    name: &'static str,
    about: &'static str,
    alone: impl FnOnce(usize) -> S,
    parcels: usize,
    mut sharded: impl FnMut(usize, Mail<T::Message>) -> T,
) -> ExitCode
where
    S: Service + Counted,
    T: ShardService<Session: Send> + Counted + Send,
{
    let command = Arguments::command().name(name);
    let command = <shards::ShardArguments as clap::Args>::augment_args(command).about(about);
    let served = parse(command).and_then(|matches| {
        let (arguments, on_cores) = (read(&matches)?, read::<shards::ShardArguments>(&matches)?);
        if on_cores.shards == 1 {
            return serve(&arguments, alone);
        }
        let capacity = on_cores.shards * parcels;
        shards::serve(&on_cores, &arguments, |server, slots| {
            server.run_with_mail(capacity, |mail| sharded(slots, mail))
        })
    });
    exit_code(name, served)
}

/// Prints what went wrong, if anything did.
fn exit_code(name: &str, served: Result<(), String>) -> ExitCode {
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            platform::print(stderr(), &format!("{name}: {message}\n"));
            ExitCode::from(2)
        }
    }
}

impl Arguments {
    /// Returns the settings of the server.
    fn builder<S: Service>(&self) -> Builder {
        // A client may take a connection to a server besides its own.
        let each = if S::CONNECTS { 2 } else { 1 };
        let capacity = (self.capacity as usize).saturating_mul(each);
        let config = Config::DEFAULT
            .idle_timeout(self.idle_timeout)
            .connections_per_address(self.per_address)
            .accepts_per_second(self.accepts)
            .bytes_per_second(self.rate);
        let builder = Builder::new().connections(capacity).config(config);
        match self.backend.and_then(Choice::selector) {
            Some(backend) => builder.backend(backend),
            None => builder,
        }
    }
}

/// Serves until asked to stop.
fn serve<S: Service + Counted>(
    arguments: &Arguments,
    service: impl FnOnce(usize) -> S,
) -> Result<(), String> {
    let (builder, capacity) = (arguments.builder::<S>(), arguments.capacity);
    let slots = builder.slots();
    #[cfg(target_os = "linux")]
    let opened = ring::open(arguments.backend, || builder.clone().listen_ring(arguments.address))?;
    #[cfg(target_os = "linux")]
    let reason = match opened {
        ring::Opened::Ring(server) => return ring::serve(*server, capacity, service(slots)),
        ring::Opened::Other(reason) => reason,
    };
    #[cfg(not(target_os = "linux"))]
    let reason: Option<String> = None;
    let mut server = builder.listen(arguments.address).map_err(|error| error.to_string())?;
    let handle = server.handle();
    platform::on_termination(move || handle.drain(DRAIN))?;
    let address = server
        .local_address()
        .map_or_else(|_| "the socket that the host opened".to_owned(), |found| found.to_string());
    let backend = server.backend();
    // All memory is there before it says that it listens. The service's comes last: it asks for
    // its own without a way to be refused.
    let server = server.reserve().map_err(|error| error.to_string())?;
    let service = service(slots);
    let reason = reason.map_or_else(String::new, |reason| format!("; {reason}"));
    let listening = format!("listening on {address} ({backend}, capacity {capacity}{reason})\n");
    platform::print(stdout(), &listening);
    let finished = server.run(service).map_err(|error| error.to_string())?;
    let own = counts([&finished.service]);
    platform::print(stdout(), &(report(&finished.counters, finished.loop_counters) + &own));
    Ok(())
}

/// Formats what the services counted, added up.
fn counts<'s, S: Counted + 's>(services: impl IntoIterator<Item = &'s S>) -> String {
    let mut sums: Vec<(&str, u64)> = Vec::new();
    for service in services {
        service.counts(
            &mut |name, count| match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += count,
                None => sums.push((name, count)),
            },
        );
    }
    let sums: Vec<_> = sums.into_iter().map(|(name, sum)| format!("{name} {sum}")).collect();
    if sums.is_empty() { String::new() } else { sums.join(", ") + "\n" }
}

/// Parses an address on the command line.
fn address(text: &str) -> Result<SocketAddr, String> {
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
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a number of seconds above 0, such as 30 or 0.5".to_owned())
}

/// Formats the counters.
fn report(server: &selkie::Counters, turns: selkie::counters::LoopCounters) -> String {
    let closed: Vec<String> = CloseReason::ALL
        .into_iter()
        .filter(|&reason| server.closed_for(reason) > 0)
        .map(|reason| format!("{} {reason}", server.closed_for(reason)))
        .collect();
    let limited = [
        ("refused by address", server.refused_by_address),
        ("delayed accepts", server.accepts_delayed),
        ("delayed reads", server.reads_delayed),
    ];
    let limited: Vec<String> = limited
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {count}\n"))
        .collect();
    let limited = limited.concat();
    format!(
        "accepted {}, refused {}, gone before accept {}, accept failures {}, \
         pauses at capacity {}, at most {} open\n\
         closed {}: {}\n\
         bytes in {}, bytes out {}, at most {} buffers in use, {} waits for one\n\
         turns {}, of which idle {}; events {}, of which stale {}; spurious reads {}; \
         deadlines {}\n{limited}",
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
        server.buffer_waits,
        turns.turns,
        turns.turns_idle,
        turns.events,
        turns.events_stale,
        server.reads_spurious,
        turns.deadlines
    )
}
