//! Dispatch through `afd` beside mio's own selector on Windows: processor time and control calls
//! for each ready event. Both read until nothing is left, as mio asks for.
//!
//! ```text
//! cargo bench -p selkie-benches --bench afd --target x86_64-pc-windows-gnu
//! ```
//!
//! Under Wine (`docs/testing.md` shows how) only the ratios mean something: each is the median of
//! pairs of runs, beside the middle half of them. Processor time is counted in ticks of 10 ms,
//! so a run takes many. The two of a pair take turns in running first. A ratio above 1.2, or more
//! control calls than mio makes, is a failure. With `--calls` only the calls are judged, which
//! takes a second; `ci/test windows` does so.

#[cfg(windows)]
#[path = "afd/calls.rs"]
mod calls;
#[cfg(windows)]
#[path = "afd/contestants.rs"]
mod contestants;

#[cfg(not(windows))]
fn main() {
    println!("AFD is a device of Windows; see the head of this file.");
}

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    use contestants::Load;

    /// The highest ratio of processor time that is no failure.
    const RATIO_MAX: f64 = 1.2;
    const PAIRS: usize = 11;

    calls::count_from_now();
    let has = |name| std::env::args().any(|argument| argument == name);
    // A count needs no repetition, and no quiet machine.
    let only_calls = has("--calls");
    let (pairs, events) = match (only_calls, has("--quick")) {
        (true, _) => (1, 200),
        (false, true) => (3, 200),
        (false, false) => (PAIRS, 10_000),
    };
    let mut is_fine = true;
    println!(
        "sources  active  ns per event: afd    mio   ratio (middle half)  calls per event: afd  mio"
    );
    for (sources, active) in [(100, 1), (100, 10), (100, 100)] {
        let load = Load { sources, active, turns: (events / active).max(20) };
        let pairs = sorted_pairs(load, pairs);
        let ratio = |quarter: usize| {
            let (afd, mio) = pairs[(pairs.len() - 1) * quarter / 4];
            afd.nanos / mio.nanos
        };
        let (afd, mio) = pairs[pairs.len() / 2];
        println!(
            "{sources:7}  {active:6}  {:17.0} {:6.0}   {:5.2} ({:.2}-{:.2})  {:23.3} {:5.3}",
            afd.nanos,
            mio.nanos,
            ratio(2),
            ratio(1),
            ratio(3),
            afd.calls,
            mio.calls
        );
        is_fine &= (only_calls || ratio(2) <= RATIO_MAX) && afd.calls <= mio.calls;
    }
    if is_fine { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}

/// Runs pairs, and returns the costs of `afd` and mio, sorted by their ratio.
#[cfg(windows)]
fn sorted_pairs(
    load: contestants::Load,
    count: usize,
) -> Vec<(contestants::Cost, contestants::Cost)> {
    use contestants::Contestant::{Afd, Mio};

    let mut pairs: Vec<_> = (0..count)
        .map(|pair| {
            // The first one of a pair may find the machine colder.
            if pair % 2 == 0 {
                (Afd.dispatch(load), Mio.dispatch(load))
            } else {
                let mio = Mio.dispatch(load);
                (Afd.dispatch(load), mio)
            }
        })
        .collect();
    pairs.sort_by(|one, other| {
        (one.0.nanos / one.1.nanos).total_cmp(&(other.0.nanos / other.1.nanos))
    });
    pairs
}
