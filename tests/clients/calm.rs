//! The processor time of a server's process, from Linux's /proc.

/// Returns the processor time of a process, in the kernel and outside, in ticks of 10 milliseconds.
fn processor_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the server runs");
    // The name of the program, in parentheses, may have spaces in it.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].iter().map(|&field| fields[field].parse::<u64>().expect("a number of ticks")).sum()
}

/// Runs `meanwhile` until it costs a process at most `ticks_max`, a few times: a busy machine makes
/// one of them look long, and a process that spins all of them.
pub(crate) fn assert_calm(process: u32, ticks_max: u64, mut meanwhile: impl FnMut()) {
    let mut spent = Vec::new();
    for _ in 0..5 {
        let before = processor_ticks(process);
        meanwhile();
        let ticks = processor_ticks(process) - before;
        if ticks <= ticks_max {
            return;
        }
        spent.push(ticks);
    }
    panic!("{spent:?} ticks of processor time, at most {ticks_max} allowed: the server spins");
}
