//! Interleaved rounds of several servers, and the table of their costs.

use std::time::Duration;

use super::server::Server;
use crate::support::arguments::Arguments;
use crate::support::process;
use crate::support::rounds::interleave;
use crate::support::statistics::{Summary, nanoseconds, number};
use crate::support::table::{self, Table};

/// A server of a comparison; ours is the first.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// The highest ratio of our CPU time to this one's that is wanted.
    pub(crate) goal: Option<f64>,
    /// The server, or the reason why it is not run.
    pub(crate) server: Result<Server, String>,
}

/// The title of a table, and the unit of what is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'t> {
    pub(crate) title: &'t str,
    pub(crate) explanation: &'t str,
    pub(crate) unit: &'t str,
}

/// The work of a round: its count of units, and its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) units: f64,
    pub(crate) elapsed: Duration,
}

/// The CPU time and the elapsed time of one unit.
#[derive(Clone, Copy, Debug)]
struct Cost {
    cpu: f64,
    elapsed: f64,
}

/// Compares servers. `work` lets clients work with the server at a position.
pub(crate) fn compare(
    arguments: &Arguments,
    subject: Subject<'_>,
    contestants: &[Contestant],
    mut work: impl FnMut(usize, &Server) -> Work,
) {
    let servers: Vec<(usize, &Server)> = contestants
        .iter()
        .enumerate()
        .filter_map(|(position, contestant)| Some((position, contestant.server.as_ref().ok()?)))
        .collect();
    let mut measure = |turn: usize| {
        let (position, server) = servers[turn];
        let (cpu, work) = process::cpu_time_of_process(server.pid(), || work(position, server));
        let each = |time| nanoseconds(time) / 1e3 / work.units;
        Cost { cpu: each(cpu), elapsed: each(work.elapsed) }
    };
    for turn in 0..servers.len() {
        measure(turn);
    }
    let rounds = arguments.rounds(21);
    let costs = interleave(rounds, servers.len(), measure);
    print(subject, contestants, rounds, &costs);
}

/// Prints the table.
fn print(subject: Subject<'_>, contestants: &[Contestant], rounds: usize, costs: &[Vec<Cost>]) {
    let Subject { title, explanation, unit } = subject;
    let explanation = format!(
        "{explanation} {rounds} interleaved rounds; ratios are ours to the peer's of the same \
         round, with their middle half."
    );
    let cpu = format!("us CPU a {unit}");
    let columns =
        ["", &cpu, "ratio of CPU time", "goal", "units a second", "ratio of elapsed time"];
    let mut table = Table::new(title, &explanation, &columns);
    let mut costs = costs.iter();
    let mut first: Option<&Vec<Cost>> = None;
    for contestant in contestants {
        let mut row = vec![contestant.name.to_owned()];
        if let Err(reason) = &contestant.server {
            row.push(reason.clone());
        } else {
            let costs = costs.next().expect("every server was measured");
            let median = Summary::of(costs.iter().map(|cost| cost.cpu)).median;
            row.push(format!("{median:.*}", if median < 100.0 { 2 } else { 0 }));
            let (ratio_of_cpu, goal) = match first {
                Some(ours) => (ratio(ours, costs, |cost| cost.cpu), contestant.goal),
                None => (String::new(), None),
            };
            row.push(ratio_of_cpu);
            row.push(goal.map_or_else(String::new, |goal| goal.to_string()));
            let elapsed = Summary::of(costs.iter().map(|cost| cost.elapsed)).median;
            row.push(format!("{:.0}", 1e6 / elapsed));
            if let Some(ours) = first {
                row.push(ratio(ours, costs, |cost| cost.elapsed));
            }
            first.get_or_insert(costs);
        }
        row.resize(columns.len(), String::new());
        table.row(row);
    }
    table.print();
}

fn ratio(ours: &[Cost], theirs: &[Cost], of: fn(&Cost) -> f64) -> String {
    let [ours, theirs] = [ours, theirs].map(|costs| costs.iter().map(of).collect::<Vec<_>>());
    table::ratio(Summary::of_ratios(&ours, &theirs))
}

impl Work {
    pub(crate) const fn new(units: u64, elapsed: Duration) -> Self {
        Self { units: number(units), elapsed }
    }
}
