//! Plays seeds that are always the same. Fresh ones are played by `ci/test campaign`.

use std::time::{Duration, Instant};

use selkie_simulation::{Scenario, Trace, play, shrink};

/// Seeds that are always played.
const FIXED: u64 = 1_500;

/// Plays a seed. Returns the turns, or a line that says what was broken and how to see it again.
fn turns(seed: u64) -> Result<u64, String> {
    let scenario = Scenario::draw(seed);
    let outcome = play(&scenario, Trace::off());
    let Some(violation) = outcome.violation else { return Ok(outcome.turns) };
    let smaller = shrink(scenario, violation.rule).arguments();
    let command = "cargo run --release -p selkie-simulation --example seeds --";
    Err(format!("seed {seed} breaks a rule: {violation}\n  see: {command} {smaller} --trace"))
}

fn report(what: &str, seeds: u64, turns: u64, took: Duration) {
    println!("{what}: {seeds} seeds, {turns} turns in {:.1} s", took.as_secs_f64());
}

#[test]
fn fixed_seeds_break_no_rule() {
    let start = Instant::now();
    let turns: u64 =
        (0..FIXED).map(|seed| turns(seed).unwrap_or_else(|broken| panic!("{broken}"))).sum();
    report("seeds from 0", FIXED, turns, start.elapsed());
}

#[test]
fn a_run_is_the_same_every_time() {
    for seed in [3, 14, 15] {
        let scenario = Scenario::draw(seed);
        let [one, other] = [(); 2].map(|()| play(&scenario, Trace::on()));
        assert!(!one.trace.lines().is_empty());
        assert_eq!(one.trace.lines(), other.trace.lines(), "seed {seed}");
    }
}
