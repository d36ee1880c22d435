//! Plays seeds on the simulated platform: a server, hostile clients, and a network that does what
//! networks do.
//!
//! ```text
//! cargo run --release -p selkie-simulation --example seeds
//! cargo run --release -p selkie-simulation --example seeds -- --seed 7 --count 50
//! cargo run --release -p selkie-simulation --example seeds -- --seed 7 --trace
//! ```
//!
//! plays 1,000 fresh seeds, the seeds 7 to 56, and one seed with all that happened.
//!
//! A seed that breaks a rule is made smaller, and printed with the command that plays it again.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use selkie_simulation::{Scenario, Trace, Violation, play, shrink};

/// The bytes of `--choices`. (A `Vec` would be taken for an option that may be repeated.)
#[derive(Clone)]
struct Choices(Vec<u8>);

/// Plays seeds on the simulated platform.
#[derive(Parser)]
#[allow(clippy::struct_excessive_bools, reason = "they are switches of a command line")]
struct Arguments {
    /// The first seed; a fresh one if none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// Number of seeds, counted from the first [default: 1 with --seed, 1000 without].
    #[arg(long)]
    count: Option<u64>,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Give a parameter another value than the seed does.
    #[arg(long = "set", value_name = "PARAMETER=VALUE", value_parser = parameter)]
    parameters: Vec<(String, u64)>,
    /// Have the platform and the service choose so, byte for byte, before they draw from the seed;
    /// a fuzzer found it.
    #[arg(long, value_name = "HEX", value_parser = bytes, default_value = "")]
    choices: Choices,
    /// Begin with a platform, a server and clients without any trouble.
    #[arg(long)]
    calm: bool,
    /// Print what happened, line by line.
    #[arg(long)]
    trace: bool,
    /// Go on after a seed that breaks a rule, without making it smaller.
    #[arg(long)]
    survey: bool,
    /// Number of seeds that a survey prints for each rule.
    #[arg(long, default_value_t = 3)]
    list: u64,
    /// Stop at the first seed that breaks a rule, and print one line about it.
    #[arg(long)]
    terse: bool,
    /// Print the parameters of each seed.
    #[arg(long)]
    print: bool,
}

fn parameter(argument: &str) -> Result<(String, u64), String> {
    let (name, value) = argument.split_once('=').ok_or("expected PARAMETER=VALUE")?;
    if Scenario::calm(0).get(name).is_none() {
        let names: Vec<_> = Scenario::names().collect();
        return Err(format!(
            "there is no parameter {name}; the parameters are: {}",
            names.join(", ")
        ));
    }
    Ok((name.into(), value.parse().map_err(|error| format!("{value}: {error}"))?))
}

fn bytes(argument: &str) -> Result<Choices, String> {
    let digits = |pair: &[u8]| {
        std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    let bytes: Option<Vec<u8>> = argument.as_bytes().chunks(2).map(digits).collect();
    bytes.map(Choices).ok_or("expected pairs of hexadecimal digits".into())
}

fn scenario(seed: u64, arguments: &Arguments) -> Scenario {
    let mut scenario = if arguments.calm { Scenario::calm(seed) } else { Scenario::draw(seed) };
    for (name, value) in &arguments.parameters {
        scenario.set(name, *value);
    }
    scenario.choices.clone_from(&arguments.choices.0);
    scenario
}

fn command(scenario: &Scenario) -> String {
    let arguments = scenario.arguments();
    format!("cargo run --release -p selkie-simulation --example seeds -- {arguments} --trace")
}

/// Makes a failing scenario smaller, and says how to play it again.
fn explain(scenario: Scenario, violation: &Violation) {
    println!("seed {} breaks a rule: {violation}", scenario.seed);
    println!("  {}", command(&scenario));
    let rule = violation.rule;
    let smaller = shrink(scenario, rule);
    if let Some(violation) = play(&smaller, Trace::off()).violation {
        println!("made smaller: {violation}");
        println!("  {}", command(&smaller));
    }
}

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Small enough to be typed, and far enough from the next one for a campaign.
    u64::from(now.subsec_micros()) * 100_000 + now.as_secs() % 100_000
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let first = arguments.seed.unwrap_or_else(fresh_seed);
    let count = arguments.count.unwrap_or(if arguments.seed.is_some() { 1 } else { 1_000 });
    let limit = arguments.seconds.map(Duration::from_secs);
    let (start, mut turns, mut played) = (Instant::now(), 0, 0_u64);
    let mut broken = BTreeMap::<_, u64>::new();
    for seed in first..first.saturating_add(count) {
        if limit.is_some_and(|limit| start.elapsed() >= limit) {
            break;
        }
        let scenario = scenario(seed, &arguments);
        if arguments.print {
            println!("{scenario:#?}");
        }
        let outcome = play(&scenario, if arguments.trace { Trace::on() } else { Trace::off() });
        turns += outcome.turns;
        played += 1;
        outcome.trace.lines().iter().for_each(|line| println!("{line}"));
        let Some(violation) = outcome.violation else { continue };
        let times = broken.entry(violation.rule).or_default();
        *times += 1;
        if arguments.terse {
            println!("seed {seed}, {played} played, {turns} turns: {violation}");
            return ExitCode::FAILURE;
        }
        if arguments.survey {
            if *times <= arguments.list {
                println!("seed {seed} breaks a rule: {violation}");
            }
        } else {
            explain(scenario, &violation);
            break;
        }
    }
    let (last, seconds) = (first + played.saturating_sub(1), start.elapsed().as_secs_f64());
    let per_minute =
        turns * 60_000 / u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    println!("seeds {first} to {last}: {turns} turns in {seconds:.1} s, {per_minute} a minute");
    for (rule, times) in &broken {
        println!("broken in {times} of {played}: {rule}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
