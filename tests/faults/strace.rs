//! strace: attached to a running server, it makes system calls fail, and records every call.
//!
//! It follows the thread of the loop alone, and counts calls from where it attached, so the same
//! calls fail in each run.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::clients::comes_true;
use crate::server::{self, Report, Server};

/// The variable that names the program.
pub(crate) const PROGRAM: &str = "SELKIE_STRACE";

/// Returns the program, if there is one.
pub(crate) fn program() -> Option<PathBuf> {
    std::env::var_os(PROGRAM).map(PathBuf::from)
}

/// Starts the echo example, with the permission to be traced.
pub(crate) fn traceable(backend: &str, options: &[&str]) -> Server {
    let mut command = Command::new(server::PROGRAM);
    let permit = || {
        // SAFETY: the call takes no pointers. It fails where no permission is needed.
        unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
        Ok(())
    };
    // SAFETY: between fork and exec only one system call is made, which needs no lock and no
    // memory.
    unsafe { command.pre_exec(permit) };
    Server::start_with(command, backend, options)
}

/// A strace that is attached to a server.
pub(crate) struct Strace {
    child: Child,
    log: PathBuf,
}

impl Strace {
    /// Attaches to a server. From now on `call` fails as `how` says (`error=EINTR`, `retval=0`), as
    /// often as `when` says: `3` for the third time, `1..3` for the first three times, `1+2`
    /// for every second time, `1+` for always.
    ///
    /// `call` may list calls of which a machine has not all, with a question mark in front of each.
    pub(crate) fn attach(server: &Server, call: &str, how: &str, when: &str) -> Self {
        let log =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("strace-{}.log", server.id()));
        let _ = fs::remove_file(&log);
        let mut command = Command::new(program().expect("`on` has looked for it"));
        command.args([
            "--quiet=attach,exit",
            "--string-limit=0",
            "--inject",
            &format!("{call}:{how}:when={when}"),
        ]);
        command.arg("--output").arg(&log).arg("--attach").arg(server.id().to_string());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut strace = Self { child, log };
        // The call that the server waits in is interrupted by the attaching, and is the first in
        // the log.
        let attached = comes_true(|| {
            let ended = strace.child.try_wait().expect("the child is ours");
            assert!(
                ended.is_none(),
                "strace has ended ({ended:?}), as the server has or as tracing is not allowed"
            );
            fs::metadata(&strace.log).is_ok_and(|log| log.len() > 0)
        });
        assert!(attached, "strace does not attach");
        strace
    }

    /// Waits until so many calls were made to fail.
    pub(crate) fn until_faults(&self, count: usize) {
        let failed = comes_true(|| {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            Trace { text }.faults() >= count
        });
        assert!(failed, "not {count} calls fail");
    }

    /// Detaches, so that nothing fails any more, and returns the calls until then.
    pub(crate) fn detach(self) -> Trace {
        let id = self.child.id().to_string();
        let status =
            Command::new("kill").args(["-INT", &id]).status().expect("every unix has kill");
        assert!(status.success(), "strace is gone already");
        self.ended()
    }

    /// Stops the server orderly, while its calls still fail, and returns the calls.
    pub(crate) fn stop(self, server: Server) -> (Report, Trace) {
        (server.stop(), self.ended())
    }

    /// Waits for the end of strace, which comes with that of the server.
    pub(crate) fn ended(mut self) -> Trace {
        let ended = comes_true(|| self.child.try_wait().expect("the child is ours").is_some());
        assert!(ended, "strace does not end");
        Trace { text: fs::read_to_string(&self.log).expect("strace has written its log") }
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // It is gone already unless a test failed, and then its log may tell why.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}

/// The calls that a server made, one a line.
pub(crate) struct Trace {
    text: String,
}

/// The work that clients gave to a server.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) connections: usize,
    /// Messages that were sent back, or pieces of a long one.
    pub(crate) messages: usize,
}

impl Work {
    /// Returns the number of calls that the work takes where none fails: wait, read and send for a
    /// message; wait, accept, set an option, be watched and accept no more for the beginning of a
    /// connection; wait, read, be watched no more and close for its end.
    const fn calls(self) -> usize {
        3 * self.messages + 9 * self.connections
    }
}

impl Trace {
    /// Returns the number of calls to `name`, those that failed included.
    pub(crate) fn calls(&self, name: &str) -> usize {
        self.text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
            .count()
    }

    /// Returns the number of calls that were made to fail.
    pub(crate) fn faults(&self) -> usize {
        self.text.lines().filter(|line| line.ends_with("(INJECTED)")).count()
    }

    /// Checks that calls failed and that nothing spun: at most twice the calls that the work takes,
    /// four for each fault (wait, try again, change an interest and back), and 80 to begin and to
    /// end.
    pub(crate) fn assert_bounded(&self, work: Work) {
        const BEGIN_AND_END: usize = 80;
        let (count, faults) = (self.text.lines().count(), self.faults());
        assert!(faults > 0, "no call failed:\n{}", self.text);
        let limit = 2 * work.calls() + 4 * faults + BEGIN_AND_END;
        println!("  {count} calls, {faults} of them failed, {limit} allowed");
        assert!(count <= limit, "the server spins:\n{}", self.end());
    }

    /// Returns the last lines, for a failure message.
    fn end(&self) -> String {
        let lines: Vec<&str> = self.text.lines().collect();
        lines[lines.len().saturating_sub(100)..].join("\n")
    }
}
