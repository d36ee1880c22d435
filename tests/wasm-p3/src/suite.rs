//! Runs all cases, and prints what comes of them.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use selkie_conformance::{
    Case, Outcome, Summary, run_all, selector_cases, transport_cases, wait_cases, wait_wake_cases,
    wake_cases,
};

use crate::console;
use crate::fixture::Network;

/// Standard output.
struct Output;

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        console::print(text.as_bytes());
        Ok(())
    }
}

/// Prints a line. The console cannot fail.
fn print(line: fmt::Arguments<'_>) {
    let _ = writeln!(Output, "{line}");
}

/// Runs the cases of one group whose names have `filter` in them.
fn run_group(cases: impl Iterator<Item = Case<Network>>, filter: &str, total: &mut Summary) {
    let chosen = cases.filter(|case| case.name.contains(filter));
    let summary = run_all(chosen, Network::new, |name, outcome| match outcome {
        Outcome::Passed => print(format_args!("{name}: passed")),
        outcome => print(format_args!("{name}: {outcome}")),
    });
    total.passed += summary.passed;
    total.not_applicable += summary.not_applicable;
    total.failed += summary.failed;
}

/// Runs the suite, as `run` of `wasi:cli`: 0 if no case failed.
#[unsafe(export_name = "wasi:cli/run@0.3.0#run")]
extern "C" fn run() -> u32 {
    let mut text = [0; console::ARGUMENT_MAX];
    let filter = console::argument(1, &mut text)
        .and_then(|text| core::str::from_utf8(text).ok())
        .unwrap_or("");
    let mut total = Summary::default();
    run_group(selector_cases(), filter, &mut total);
    run_group(wait_cases(), filter, &mut total);
    run_group(wake_cases(), filter, &mut total);
    run_group(wait_wake_cases(), filter, &mut total);
    run_group(transport_cases(), filter, &mut total);
    print(format_args!("{total}"));
    u32::from(total.failed > 0 || total.passed == 0)
}

/// Says what went wrong before it ends.
#[panic_handler]
fn panic(information: &PanicInfo<'_>) -> ! {
    print(format_args!("{information}"));
    core::arch::wasm32::unreachable()
}
