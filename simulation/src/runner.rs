//! Runs seeds, and makes what fails smaller.

use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::string::{String, ToString};
use std::sync::Once;

use crate::harness::{ADDRESS, Violation, run};
use crate::workload::{Clients, Mixed};
use crate::{Random, Scenario, Trace};

/// Result of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// The broken rule, if any.
    pub violation: Option<Violation>,
    /// Number of turns.
    pub turns: u64,
    /// Trace of the run, if it was enabled.
    pub trace: Trace,
}

std::thread_local! {
    /// Message and location of the last panic of this thread.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
    /// True if this thread is in the middle of a run.
    static PLAYING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the panics of a run instead of printing them, as they are findings too.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if PLAYING.get() {
                LAST_PANIC.set(panic.to_string());
            } else {
                others(panic);
            }
        }));
    });
}

/// Runs a scenario with the services and clients of this crate.
#[must_use]
pub fn play(scenario: &Scenario, trace: Trace) -> Outcome {
    keep_panics();
    let random = Random::new(scenario.seed);
    let slots = scenario.limits.slot_count();
    let service = Mixed::new(slots, &scenario.crowd, scenario.for_the_service());
    let clients = Clients::new(&scenario.crowd, ADDRESS, &random.fork(7));
    PLAYING.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| run(scenario, service, clients, trace)));
    PLAYING.set(false);
    if let Ok(report) = outcome {
        return Outcome { violation: report.violation, turns: report.turns, trace: report.trace };
    }
    let violation = Violation { rule: "nothing panics", what: LAST_PANIC.take(), turn: 0 };
    Outcome { violation: Some(violation), turns: 0, trace: Trace::off() }
}

/// Makes a scenario that breaks a rule as calm and as small as it can be while it still breaks that
/// rule.
#[must_use]
pub fn shrink(mut scenario: Scenario, rule: &str) -> Scenario {
    let fails = |scenario: &Scenario| {
        play(scenario, Trace::off()).violation.is_some_and(|violation| violation.rule == rule)
    };
    let calm = Scenario::calm(scenario.seed);
    loop {
        let before = scenario.clone();
        for name in Scenario::names() {
            let (Some(value), Some(goal)) = (scenario.get(name), calm.get(name)) else { continue };
            let half =
                if value > goal { goal + (value - goal) / 2 } else { goal - (goal - value) / 2 };
            for attempt in [goal, 0, 1, half] {
                let mut calmer = scenario.clone();
                if attempt == value || !calmer.set(name, attempt) {
                    continue;
                }
                let simpler = attempt.abs_diff(goal) < value.abs_diff(goal)
                    || (attempt < value && name == "clients");
                if simpler && is_sound(&calmer) && fails(&calmer) {
                    scenario = calmer;
                    break;
                }
            }
        }
        let choices = scenario.choices.len();
        for fewer in [0, choices / 2, choices.saturating_sub(1)] {
            let mut calmer = scenario.clone();
            calmer.choices.truncate(fewer);
            if calmer != scenario && fails(&calmer) {
                scenario = calmer;
                break;
            }
        }
        if scenario == before {
            return scenario;
        }
    }
}

/// Returns whether a server can be made with these limits and these clients.
fn is_sound(scenario: &Scenario) -> bool {
    let (limits, crowd) = (&scenario.limits, &scenario.crowd);
    let served = crowd.echo + crowd.chat + crowd.stream + crowd.chaos + crowd.relay;
    limits.slots >= 2
        && limits.batch >= 1
        && limits.blocks >= 2
        && limits.block_size >= 64
        && limits.scratch >= 64
        && limits.connections_max >= 1
        && served >= 1
}
