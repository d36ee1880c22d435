//! Descriptors, memory and processor time of a process.

use std::fs;
use std::time::Duration;

/// A process, by its number.
#[derive(Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Counts the open descriptors.
    pub(crate) fn descriptors(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).expect("the server runs").count()
    }

    /// Returns the resident memory, to the page. `/proc/PID/status` may lag by 64 pages for each
    /// thread.
    pub(crate) fn resident_bytes(self) -> u64 {
        let rollup =
            fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0)).expect("the server runs");
        let rest = rollup
            .lines()
            .find_map(|line| line.strip_prefix("Rss:"))
            .expect("every process has memory");
        let kibibytes: u64 = rest
            .split_whitespace()
            .next()
            .and_then(|count| count.parse().ok())
            .expect("a number of KiB");
        kibibytes * 1024
    }

    /// Returns the processor time, in the kernel and outside.
    pub(crate) fn processor_time(self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).expect("the server runs");
        // The name of the program, in parentheses, may have spaces in it.
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = [11, 12]
            .iter()
            .map(|&field| fields[field].parse::<u64>().expect("a number of ticks"))
            .sum();
        Duration::from_millis(10 * ticks)
    }
}
