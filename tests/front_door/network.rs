//! A network of its own for a test, which then can change or break it.

use std::env;
use std::process::Command;

/// Set in the process that has the network.
const INSIDE: &str = "SELKIE_TEST_NETWORK";

/// Runs `body` in a network that has only a loopback device: starts this test program again in it,
/// with `test` alone. Says so where the system does not allow that.
pub(crate) fn in_own_network(test: &str, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        set_loopback("up");
        return body();
    }
    if !is_possible() {
        eprintln!("NOT RUN: {test} needs `unshare --net` and `ip`, and the rights to use them");
        return;
    }
    let program = env::current_exe().expect("a running program has a file");
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net"])
        .arg(program)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("it was there a moment ago");
    assert!(status.success(), "{test} failed in its own network");
}

/// Returns whether a network of one's own can be had.
fn is_possible() -> bool {
    let arguments = ["--map-root-user", "--net", "ip", "link", "set", "lo", "up"];
    Command::new("unshare").args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Takes the loopback device up or down. While it is down, packets vanish.
pub(crate) fn set_loopback(state: &str) {
    let status = Command::new("ip").args(["link", "set", "lo", state]).status();
    assert!(status.is_ok_and(|status| status.success()), "the network is this test's own");
}
