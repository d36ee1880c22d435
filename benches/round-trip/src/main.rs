//! The round-trip time of a message of 64 bytes while 10, 100, 1,000 and 10,000 other clients are
//! connected and silent: natively with epoll, poll and select, and in WebAssembly with each version
//! of WASI; there also of servers by hand, of mio and of wstd, on the same imports. And how many
//! messages a second go there and back with 64 busy clients.
//!
//! `ci/round-trip` builds the servers, runs this, and puts the chart where the documentation has
//! it. All servers run at once, and each has its turn in short bursts, one after the other, so that
//! everything else on the machine harms them alike; ratios are of bursts of the same pass. A server
//! that no one talks to sleeps. Only those with 10,000 clients are measured one by one.

#![forbid(unsafe_code)]

mod chart;
mod contestant;
mod figures;
mod measure;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use contestant::{Contestant, Server};
use figures::Figures;
use measure::{Busy, Clients};

/// The numbers of silent clients.
const IDLE: [usize; 4] = [10, 100, 1_000, 10_000];
/// Up to so many of them are connected to all contestants at once: systems often allow a process
/// 20,000 descriptors.
const IDLE_TOGETHER_MAX: usize = 1_000;
/// The number of bursts of each contestant for each number of idle clients in each round.
const PASSES: usize = 2;
/// The same for the busy clients, with which two contestants are close to each other.
const PASSES_BUSY: usize = 5;
/// The time after which queues are empty, and the scheduler has forgotten the connecting.
const SETTLE: Duration = Duration::from_secs(1);

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let Some(chart) = std::env::args().nth(1) else {
        eprintln!(
            "usage: round-trip CHART.svg [ROUNDS [NAME]]; see ci/round-trip for its environment"
        );
        return ExitCode::from(2);
    };
    let rounds = std::env::args().nth(2).and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    match run(Path::new(&chart), rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("round-trip: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures everything, prints the tables and draws the chart.
fn run(chart: &Path, rounds: usize) -> Result<(), Failure> {
    measure::raise_descriptor_limit();
    let only = std::env::args().nth(3).unwrap_or_default();
    let contestants: Vec<_> =
        Contestant::all()?.into_iter().filter(|one| one.name.contains(&only)).collect();
    let mut figures: Vec<_> =
        contestants.iter().map(|one| Figures::new(one.name, IDLE.len())).collect();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let servers = contestants.iter().map(Contestant::start).collect::<Result<Vec<_>, _>>()?;
        measure_busy(&servers, &mut figures)?;
        measure_idle(&contestants, servers, &mut figures)?;
    }
    println!("{}", table::all(&figures));
    let drawn: Vec<_> = contestants
        .iter()
        .zip(&figures)
        .filter(|(one, _)| !one.is_by_hand())
        .map(|(_, figures)| figures)
        .collect();
    chart::draw(chart, &drawn)
}

/// Measures the throughput of all servers in turn.
fn measure_busy(servers: &[Server], figures: &mut [Figures]) -> Result<(), Failure> {
    let mut clients = servers
        .iter()
        .map(|server| Busy::connect(server.address()))
        .collect::<Result<Vec<_>, _>>()?;
    for _ in 0..PASSES_BUSY {
        for (clients, figures) in clients.iter_mut().zip(&mut *figures) {
            figures.throughput.push(clients.throughput()?);
        }
    }
    Ok(())
}

/// Measures the round trips of all servers in turn, with ever more silent clients.
fn measure_idle(
    contestants: &[Contestant],
    servers: Vec<Server>,
    figures: &mut [Figures],
) -> Result<(), Failure> {
    let mut clients = servers
        .iter()
        .map(|server| Clients::connect(server.address()))
        .collect::<Result<Vec<_>, _>>()?;
    let together = IDLE.iter().filter(|&&idle| idle <= IDLE_TOGETHER_MAX).count();
    for (count, idle) in IDLE.into_iter().enumerate().take(together) {
        for clients in &mut clients {
            clients.add_idle(idle)?;
        }
        std::thread::sleep(SETTLE);
        for _ in 0..PASSES {
            for ((server, clients), figures) in servers.iter().zip(&mut clients).zip(&mut *figures)
            {
                burst(server, clients, figures, count)?;
            }
        }
    }
    // Each server goes with its clients, to make room for those of the next.
    for (((contestant, server), mut clients), figures) in
        contestants.iter().zip(servers).zip(clients).zip(figures)
    {
        for (count, idle) in IDLE
            .into_iter()
            .enumerate()
            .skip(together)
            .filter(|(_, idle)| *idle <= contestant.idle_max)
        {
            clients.add_idle(idle)?;
            std::thread::sleep(SETTLE);
            for _ in 0..PASSES {
                burst(&server, &mut clients, figures, count)?;
            }
        }
    }
    Ok(())
}

/// Measures one burst of round trips with one contestant: their times, and its processor time.
#[expect(clippy::cast_precision_loss, reason = "there are not that many messages")]
fn burst(
    server: &Server,
    clients: &mut Clients,
    figures: &mut Figures,
    count: usize,
) -> Result<(), Failure> {
    clients.warm_up()?;
    let before = server.cpu_time();
    let round_trips = clients.round_trips()?;
    let cpu_time = server
        .cpu_time()
        .zip(before)
        .map(|(after, before)| (after - before) / round_trips.len() as f64);
    figures.round_trips[count].push(round_trips[round_trips.len() / 2]);
    figures.cpu_times[count].extend(cpu_time);
    Ok(())
}
