//! Bad arguments: one clear message, the exit code 2, and no panic.

use std::net::TcpListener;
use std::process::Command;

use crate::sentence::sentence;
use crate::server::PROGRAM;

fn echo(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    command
}

#[test]
fn an_unknown_backend_is_told_which_ones_there_are() {
    let message = sentence(&mut echo(&["--backend", "iocp"]));
    for backend in selkie::platform::Backend::available() {
        assert!(message.contains(backend.name()), "{backend} is missing in {message}");
    }
    assert!(message.contains("iocp"), "{message}");
}

#[test]
fn an_address_that_is_none_is_shown_what_one_looks_like() {
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:99999", ":7000", "localhost:7000"] {
        let message = sentence(&mut echo(&[address]));
        assert!(message.contains(address) && message.contains("127.0.0.1:7000"), "{message}");
    }
}

#[test]
fn an_address_in_use_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = holder.local_addr().expect("it is bound").to_string();
    let message = sentence(&mut echo(&[&address]));
    assert!(message.contains(&address) && message.contains("in use"), "{message}");
}

#[test]
fn an_address_of_another_host_is_refused() {
    let message = sentence(&mut echo(&["192.0.2.1:7000"]));
    assert!(message.contains("192.0.2.1:7000"), "{message}");
}

#[test]
fn a_capacity_that_makes_no_sense_is_refused() {
    for capacity in ["0", "-1", "many", "99999999999"] {
        let message = sentence(&mut echo(&["127.0.0.1:0", &format!("--capacity={capacity}")]));
        assert!(message.contains(capacity) && message.contains("--capacity"), "{message}");
    }
}

#[test]
fn a_capacity_beyond_the_limit_of_descriptors_is_refused() {
    for backend in selkie::platform::Backend::available() {
        let arguments = ["127.0.0.1:0", "--backend", backend.name(), "--capacity", "4294967295"];
        let message = sentence(&mut echo(&arguments));
        assert!(message.contains("4294967295") && message.contains("descriptors"), "{message}");
    }
}

#[test]
fn an_idle_timeout_that_makes_no_sense_is_refused() {
    for seconds in ["0", "-1", "soon", "NaN", "inf"] {
        let message = sentence(&mut echo(&["127.0.0.1:0", &format!("--idle-timeout={seconds}")]));
        assert!(message.contains("--idle-timeout"), "{message}");
    }
}

#[test]
fn an_unknown_option_is_named() {
    let message = sentence(&mut echo(&["--backlog", "5"]));
    assert!(message.contains("--backlog") && message.contains("--help"), "{message}");
}

/// Needs a user without privileges, and a system that reserves low ports.
#[test]
fn a_privileged_port_is_refused_with_advice() {
    let lowest = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if lowest.is_ok_and(|lowest| lowest.trim().parse::<u16>().is_ok_and(|lowest| lowest <= 81)) {
        println!("not run: this system reserves no low ports");
        return;
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let mut command = if is_root {
        // The user 65534 has no privileges, but may be unable to reach the program.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(PROGRAM);
        let reachable = command.arg("--help").output().is_ok_and(|output| output.status.success());
        if !reachable {
            println!("not run: the user is root, and user 65534 cannot run {PROGRAM}");
            return;
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(PROGRAM);
        command
    } else {
        Command::new(PROGRAM)
    };
    let message = sentence(command.arg("127.0.0.1:81"));
    assert!(message.contains("127.0.0.1:81") && message.contains("higher"), "{message}");
}

/// Needs a system that limits the address space of a process.
#[test]
#[cfg(target_os = "linux")]
fn a_lack_of_memory_is_an_error() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 16384 && exec timeout 20 \"$0\" 127.0.0.1:0", PROGRAM]);
    let output = command.output().expect("every unix has a shell");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("memory") && message.lines().count() == 1, "{message}");
}
