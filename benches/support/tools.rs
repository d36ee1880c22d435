//! Counting with other programs: instructions with callgrind, system calls with strace.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// The command line of callgrind, which prints its counts on its error output.
pub(crate) const CALLGRIND: [&str; 4] =
    ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-children=no"];

/// The command line of strace, which prints its counts on its error output.
pub(crate) const STRACE: [&str; 3] = ["strace", "-c", "-f"];

/// Returns whether a program can be run, by asking for its version.
pub(crate) fn exists(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Returns the number of instructions in the output of callgrind.
pub(crate) fn instructions(output: &str) -> u64 {
    output
        .lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .unwrap_or_else(|| panic!("a number of instructions in what callgrind said:\n{output}"))
}

/// Returns the number of calls by name in the output of `strace -c`.
pub(crate) fn system_calls(output: &str) -> BTreeMap<String, u64> {
    output.lines().filter_map(system_call).collect()
}

/// Parses a line of the summary: share, seconds, microseconds per call, calls, perhaps errors,
/// name.
fn system_call(line: &str) -> Option<(String, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (&name, &calls) = (words.last()?, words.get(3)?);
    words.first()?.parse::<f64>().ok()?;
    (name != "total").then_some((name.to_owned(), calls.parse().ok()?))
}
