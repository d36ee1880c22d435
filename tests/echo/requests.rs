//! Requests to a running program to stop, or to pause.

use std::process::{Child, Command};

/// Prepares a command for a program of this system.
pub(crate) fn own(program: &str) -> Command {
    #[cfg_attr(unix, expect(unused_mut, reason = "other systems have options"))]
    let mut command = Command::new(program);
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;

        // A console event reaches all processes of a group: this one is to be alone in its own.
        const NEW_PROCESS_GROUP: u32 = 0x200;
        command.creation_flags(NEW_PROCESS_GROUP);
    }
    command
}

/// Asks a program to stop. Wine passes SIGINT on as Ctrl-C.
#[cfg(unix)]
pub(crate) fn terminate(child: &Child) {
    let is_wine = std::env::var_os(super::WINDOWS_PROGRAMS).is_some();
    signal(child, if is_wine { "INT" } else { "TERM" });
}

/// Asks a program to stop, by Ctrl-Break.
#[cfg(windows)]
pub(crate) fn terminate(child: &Child) {
    use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};

    // SAFETY: the call takes no pointers.
    let sent = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, child.id()) };
    assert_ne!(sent, 0, "the server is gone already");
}

/// Sends a signal to a process.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let (name, id) = (format!("-{name}"), child.id().to_string());
    let status = Command::new("kill").args([name, id]).status().expect("every unix has kill");
    assert!(status.success(), "the server is gone already");
}

/// Suspending and resuming.
#[cfg(unix)]
impl super::Server {
    /// Suspends it until [`Server::resume`](super::Server::resume) is called.
    pub(crate) fn suspend(&self) {
        signal(&self.child, "STOP");
        let id = self.child.id().to_string();
        let is_stopped = || {
            let output = Command::new("ps").args(["-o", "state=", "-p", &id]).output();
            output.expect("every unix has ps").stdout.starts_with(b"T")
        };
        assert!(crate::clients::comes_true(is_stopped), "the server is not suspended");
    }

    /// Lets a suspended server go on.
    pub(crate) fn resume(&self) {
        signal(&self.child, "CONT");
    }
}
