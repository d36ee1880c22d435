//! The whole server over the simulated platform: the bytes are the seed, the parameters, and the
//! choices of the platform and the service while they run. Every rule of the simulation is checked
//! on every turn.
//!
//! A crash prints the command that plays the same run again without a fuzzer, and the same for a
//! smaller run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use selkie_simulation::{Scenario, Trace, play, shrink};

/// A run begins to drain in this turn at the latest: many short runs try more than a few long ones.
const TURNS_MAX: u64 = 500;
/// The most bytes that a client sends, and that it asks for at once, for the same reason.
const BYTES_MAX: u64 = 3_000;

fn command(scenario: &Scenario) -> String {
    let arguments = scenario.arguments();
    format!("cargo run --release -p selkie-simulation --example seeds -- {arguments} --trace")
}

fuzz_target!(|bytes: &[u8]| {
    let mut scenario = Scenario::from_bytes(bytes);
    scenario.limits.turns_max = scenario.limits.turns_max.min(TURNS_MAX);
    scenario.crowd.request_max = scenario.crowd.request_max.min(BYTES_MAX);
    scenario.crowd.reply_max = scenario.crowd.reply_max.min(BYTES_MAX);
    if let Some(violation) = play(&scenario, Trace::off()).violation {
        let smaller = shrink(scenario.clone(), violation.rule);
        panic!(
            "a rule is broken: {violation}\n  see: {}\n  smaller: {}",
            command(&scenario),
            command(&smaller)
        );
    }
});
