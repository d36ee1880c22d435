//! Client processes of our own: each line of input is a load, each line of output its time.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::CLIENT_CORE;
use super::server::{line, this_program};

/// A client process, which ends with this value.
#[derive(Debug)]
pub(crate) struct Driver {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Driver {
    /// Starts this program in a role that [`obey`]s.
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut command = this_program(words, CLIENT_CORE);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a client process");
        let input = child.stdin.take().expect("its input");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        assert_eq!(line(&mut output), "ready");
        Self { child, input, output }
    }

    /// Makes the client do its work so many times; returns the time that took.
    pub(crate) fn run(&mut self, count: u64) -> Duration {
        writeln!(self.input, "{count}").expect("the client listens");
        Duration::from_nanos(line(&mut self.output).parse().expect("nanoseconds"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // One that has failed has said why on its error output.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the work that [`Driver::run`] asks for, until the benchmark ends.
pub(crate) fn obey(mut work: impl FnMut(u64)) {
    let mut output = std::io::stdout();
    let mut answer = |text: &str| {
        writeln!(output, "{text}").and_then(|()| output.flush()).expect("the benchmark listens");
    };
    answer("ready");
    for line in std::io::stdin().lock().lines() {
        let count = line.expect("a line").parse().expect("a number");
        let start = Instant::now();
        work(count);
        answer(&start.elapsed().as_nanos().to_string());
    }
}

/// Shares out work among threads, each of which gets its part of `count`.
pub(crate) fn share(threads: u64, count: u64, work: impl Fn(u64) + Sync) {
    thread::scope(|scope| {
        for thread in 0..threads {
            let part = count / threads + u64::from(thread < count % threads);
            let work = &work;
            scope.spawn(move || work(part));
        }
    });
}
