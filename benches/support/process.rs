//! CPU time, memory and context switches, as the kernel counts them.

use std::fs;
use std::time::Duration;

/// Measures the CPU time of this process for some work, all its threads together.
pub(crate) fn cpu_time_of(work: impl FnOnce()) -> Duration {
    let before = cpu_time_of_clock(libc::CLOCK_PROCESS_CPUTIME_ID);
    work();
    cpu_time_of_clock(libc::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(before)
}

/// Measures the CPU time of another process for some work; returns it with the work's result.
pub(crate) fn cpu_time_of_process<T>(pid: u32, work: impl FnOnce() -> T) -> (Duration, T) {
    let before = cpu_time(pid);
    let result = work();
    (cpu_time(pid).saturating_sub(before), result)
}

/// Returns the CPU time of another process, all its threads together.
fn cpu_time(pid: u32) -> Duration {
    let mut clock = 0;
    // SAFETY: `clock` is a valid place for the result.
    let result = unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) };
    assert_eq!(result, 0, "the CPU clock of process {pid}");
    cpu_time_of_clock(clock)
}

fn cpu_time_of_clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "a CPU clock");
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Returns the resident memory of another process in bytes, shared libraries and program included.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "Rss:")
}

/// Returns the part of [`resident_bytes`] that the process has written to: heap, stacks, data.
pub(crate) fn anonymous_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "Anonymous:")
}

fn memory_bytes(pid: u32, field: &str) -> u64 {
    let summary = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    value(&summary, field) * 1024
}

/// Returns the number of times that the threads of another process gave up their core.
pub(crate) fn context_switches(pid: u32) -> u64 {
    voluntary_switches(pid) + of_threads(pid, "nonvoluntary_ctxt_switches:")
}

/// Returns the part of [`context_switches`] that a thread itself has caused, by waiting. It does
/// not depend on what else runs on the machine.
pub(crate) fn voluntary_switches(pid: u32) -> u64 {
    of_threads(pid, "voluntary_ctxt_switches:")
}

/// Returns the sum of a field over the threads of another process.
fn of_threads(pid: u32, field: &str) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    threads
        .flatten()
        .map(|thread| {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            value(&status, field)
        })
        .sum()
}

/// Returns the first number behind a field's name at the start of a line.
fn value(text: &str, field: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

/// Keeps this process on one core, so that contestants do not differ by where the scheduler puts
/// them.
pub(crate) fn pin_to_core(core: usize) {
    pin_to_cores(core..core + 1);
}

/// Keeps this process on some cores.
pub(crate) fn pin_to_cores(cores: std::ops::Range<usize>) {
    // SAFETY: all zero bits are an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for core in cores {
        // SAFETY: `set` is valid, and the macro refuses a core that it has no bit for.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: `set` is valid for reads of the size that is given. That it fails, where there is one
    // core, does no harm.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

/// Raises the limit of descriptors of this process as far as possible, and returns it.
pub(crate) fn descriptors_max() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the result.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is valid for reads.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}
