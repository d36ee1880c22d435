//! Programs that refuse their arguments.

use std::process::{Command, Output};

/// Runs a program with arguments that it must refuse, and returns the one sentence that it says.
pub(crate) fn sentence(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program can be run");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(2), "it prints: {stdout}{stderr}");
    assert_eq!(stdout, "", "nothing was started");
    assert!(!stderr.contains("panicked") && !stderr.contains("backtrace"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "one sentence, not {stderr:?}");
    stderr.into_owned()
}
