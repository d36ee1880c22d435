//! Dispatch through `afd` beside mio's own selector on Windows: processor time and control calls
//! for each ready event. Both read until nothing is left, as mio asks for.
//!
//! ```text
//! cargo bench -p selkie-benches --bench afd --target x86_64-pc-windows-gnu
//! ```
//!
//! Under Wine (`ci/steps/windows.sh` shows how) only the ratios mean something: each is the median
//! of pairs of runs. A ratio above 1.2, or more control calls than mio makes, is a failure. With
//! `--calls` only the calls are judged, which takes a second; `ci/test windows` does so.

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
    use contestants::{Contestant, Load};

    /// The highest ratio of processor time that is no failure.
    const RATIO_MAX: f64 = 1.2;
    const PAIRS: usize = 11;

    calls::count_from_now();
    let has = |name| std::env::args().any(|argument| argument == name);
    // A count needs no repetition, and no quiet machine.
    let only_calls = has("--calls");
    let (pairs, turns) = match (only_calls, has("--quick")) {
        (true, _) => (1, 20),
        (false, true) => (3, 20),
        (false, false) => (PAIRS, 100),
    };
    let mut is_fine = true;
    println!(
        "sources  active  ns per event: afd   mio   ratio   control calls per event: afd  mio"
    );
    for (sources, active) in [(100, 1), (100, 10), (100, 100)] {
        let load = Load { sources, active, turns: (turns * 10 / active).max(20) };
        let mut pairs: Vec<_> = (0..pairs)
            .map(|_| (Contestant::Afd.dispatch(load), Contestant::Mio.dispatch(load)))
            .collect();
        pairs.sort_by(|one, other| {
            (one.0.nanos / one.1.nanos).total_cmp(&(other.0.nanos / other.1.nanos))
        });
        let (afd, mio) = pairs[pairs.len() / 2];
        let ratio = afd.nanos / mio.nanos;
        let (own, other) = (afd.calls, mio.calls);
        println!(
            "{sources:7}  {active:6}  {:17.0} {:5.0}   {ratio:5.2}   {own:28.3} {other:5.3}",
            afd.nanos, mio.nanos
        );
        is_fine &= (only_calls || ratio <= RATIO_MAX) && own <= other;
    }
    if is_fine { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
