//! A system that does not allow `io_uring`: the next best backend, or one sentence.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

use crate::server::{PROGRAM, signal};

/// Returns the example in a sandbox in which `io_uring_setup` fails with `errno`.
#[expect(clippy::cast_possible_truncation, reason = "codes and numbers of calls are small")]
#[expect(clippy::cast_sign_loss, reason = "neither is negative")]
fn sandboxed(errno: i32) -> Command {
    let mut command = Command::new(PROGRAM);
    let step =
        |code: u32, k: u32, jump: u8| libc::sock_filter { code: code as u16, jt: 0, jf: jump, k };
    let failing = libc::SECCOMP_RET_ERRNO | errno as u32;
    let mut steps = [
        // The number of the call is the first word of what the filter is shown.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_io_uring_setup as u32, 1),
        step(libc::BPF_RET | libc::BPF_K, failing, 0),
        step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let install = move || {
        let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        // SAFETY: the program and its steps are valid for the call, which copies them.
        let done = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
                    == 0
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: the closure makes system calls only, between `fork` and `exec`.
    unsafe { command.pre_exec(install) };
    command
}

/// The options of several shards.
const SHARDS: [&str; 2] = ["--shards", "2"];

/// The errors of a system without it, and a word of what is to be done about each.
const REFUSALS: [(i32, &str); 4] = [
    (libc::EPERM, "seccomp"),
    (libc::ENOSYS, "seccomp"),
    (libc::EINVAL, "6.12"),
    (libc::ENOMEM, "RLIMIT_MEMLOCK"),
];

#[test]
fn by_name_it_fails_with_one_sentence_that_says_what_to_do() {
    for (errno, advice) in REFUSALS {
        for options in [&[][..], &SHARDS] {
            let output = sandboxed(errno)
                .args(["127.0.0.1:0", "--backend", "io_uring"])
                .args(options)
                .output()
                .expect("the example can be run");
            let message = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            assert!(message.contains("io_uring") && message.contains(advice), "{message}");
        }
    }
}

/// Returns the example as an ordinary user who may lock one page: root has no limit.
fn with_one_locked_page() -> Command {
    let mut command = Command::new(PROGRAM);
    let limit = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
    let lower = move || {
        // SAFETY: the limit is valid for the call.
        let is_lowered = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) } == 0;
        // SAFETY: the calls take no pointers. Root gives its privileges away.
        let is_ordinary = unsafe { libc::geteuid() != 0 || libc::setuid(65_534) == 0 };
        if is_lowered && is_ordinary { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: the closure makes system calls only, between `fork` and `exec`.
    unsafe { command.pre_exec(lower) };
    command
}

#[test]
fn too_little_locked_memory_is_named_with_the_limit_to_raise() {
    let Ok(output) = with_one_locked_page().args(["127.0.0.1:0", "--backend", "io_uring"]).output()
    else {
        return println!("not run: another user may not read the example");
    };
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("RLIMIT_MEMLOCK") && message.contains("64 KiB"), "{message}");
    let (line, _) = first_line(with_one_locked_page(), &[]);
    let best = selkie::platform::Backend::default().name();
    assert!(line.contains(&format!("({best}, ")) && line.contains("RLIMIT_MEMLOCK"), "{line}");
}

/// Starts the example with the backend that fits, stops it, and returns its first line.
fn first_line(mut command: Command, options: &[&str]) -> (String, ExitStatus) {
    let mut child = command
        .args(["127.0.0.1:0", "--backend", "auto"])
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example can be run");
    let mut line = String::new();
    let output = child.stdout.take().expect("its output is piped");
    BufReader::new(output).read_line(&mut line).expect("it prints that it listens");
    signal(&child, "TERM");
    (line, child.wait().expect("it ends"))
}

#[test]
fn otherwise_the_best_selector_serves_and_the_reason_is_printed() {
    for (errno, advice) in REFUSALS {
        for options in [&[][..], &SHARDS] {
            let (line, status) = first_line(sandboxed(errno), options);
            assert!(status.success());
            let best = selkie::platform::Backend::default().name();
            assert!(line.contains(&format!("({best}, ")) && line.contains(advice), "{line}");
        }
    }
}

#[test]
fn where_it_is_allowed_the_shards_have_rings() {
    let (line, status) = first_line(Command::new(PROGRAM), &SHARDS);
    assert!(status.success());
    assert!(line.contains("(io_uring, capacity 1024, 2 shards by hash)"), "{line}");
}
