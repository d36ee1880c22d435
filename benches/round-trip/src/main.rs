//! How long a message of 64 bytes takes there and back while 10, 100, 1,000 and 10,000 other clients are connected and
//! silent: natively with epoll, poll and select, and in WebAssembly with each version of WASI.
//!
//! `ci/round-trip` builds the servers, runs this, and puts the chart where the documentation has it. The rounds of all
//! contestants are interleaved, so that whatever else the machine does harms them alike.

mod chart;
mod contestant;
mod measure;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use contestant::Contestant;
use measure::{Figures, median};

/// How many clients are silent.
const IDLE: [usize; 4] = [10, 100, 1_000, 10_000];

fn main() -> ExitCode {
    let Some(chart) = std::env::args().nth(1) else {
        eprintln!("usage: round-trip CHART.svg [ROUNDS [NAME]]; see ci/round-trip for what it needs besides");
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

/// The medians of one contestant.
struct Row {
    name: &'static str,
    /// By the number of idle clients, in microseconds.
    round_trip: Vec<(usize, f64)>,
    /// Messages in a second, with 64 busy clients.
    throughput: f64,
}

impl Row {
    /// The round trip beside so many idle clients.
    fn at(&self, idle: usize) -> Option<f64> {
        self.round_trip.iter().find(|(count, _)| *count == idle).map(|&(_, time)| time)
    }
}

/// Measures everything, prints the table and draws the chart.
fn run(chart: &Path, rounds: usize) -> Result<(), Box<dyn std::error::Error>> {
    measure::raise_descriptor_limit();
    let only = std::env::args().nth(3).unwrap_or_default();
    let contestants: Vec<_> = Contestant::all()?.into_iter().filter(|one| one.name.contains(&only)).collect();
    let mut figures: Vec<Figures> = contestants.iter().map(|_| Figures::new(IDLE.len())).collect();
    for round in 1..=rounds {
        for (contestant, figures) in contestants.iter().zip(&mut figures) {
            eprintln!("round {round} of {rounds}: {}", contestant.name);
            let server = contestant.start()?;
            let idle: Vec<usize> = IDLE.into_iter().filter(|&idle| idle <= contestant.idle_max).collect();
            for (measured, idle) in measure::round_trips(server.address(), &idle)?.into_iter().zip(&mut figures.idle) {
                idle.push(measured);
            }
            drop(server);
            let server = contestant.start()?;
            figures.busy.push(measure::throughput(server.address())?);
        }
    }
    let rows: Vec<Row> = contestants
        .iter()
        .zip(&mut figures)
        .map(|(contestant, figures)| Row {
            name: contestant.name,
            round_trip: IDLE
                .into_iter()
                .zip(&mut figures.idle)
                .filter(|(_, samples)| !samples.is_empty())
                .map(|(idle, samples)| (idle, median(samples)))
                .collect(),
            throughput: median(&mut figures.busy),
        })
        .collect();
    println!("{}", table(&rows));
    chart::draw(chart, &rows)
}

/// The medians as a table in Markdown.
fn table(rows: &[Row]) -> String {
    let mut text = String::from("| round trip beside idle clients, us |");
    for idle in IDLE {
        let _ = write!(text, " {idle} |");
    }
    text.push_str(" 10,000 to 10 | messages/s, 64 busy clients |\n| --- |");
    text.push_str(&" ---: |".repeat(IDLE.len() + 2));
    for row in rows {
        let _ = write!(text, "\n| {} |", row.name);
        for idle in IDLE {
            match row.at(idle) {
                Some(time) => write!(text, " {time:.1} |"),
                None => write!(text, " |"),
            }
            .unwrap_or_default();
        }
        let ratio =
            row.at(IDLE[IDLE.len() - 1]).zip(row.at(IDLE[0])).map(|(most, least)| format!("{:.2}", most / least));
        let _ = write!(text, " {} | {:.0} |", ratio.unwrap_or_default(), row.throughput);
    }
    text
}
