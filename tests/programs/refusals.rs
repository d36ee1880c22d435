//! Refusals of the programs: one sentence that says what to do, the exit code 2, and no panic.

use std::net::TcpListener;
use std::process::Command;

use crate::sentence::sentence;
use crate::server;

/// A program, with the arguments that follow its address.
struct Program {
    path: &'static str,
    further: &'static [&'static str],
}

const PROGRAMS: [Program; 7] = [
    Program { path: env!("CARGO_BIN_EXE_echo"), further: &[] },
    Program { path: env!("CARGO_BIN_EXE_http"), further: &[] },
    Program { path: env!("CARGO_BIN_EXE_chat"), further: &[] },
    Program { path: env!("CARGO_BIN_EXE_kv"), further: &[] },
    Program { path: env!("CARGO_BIN_EXE_proxy"), further: &["127.0.0.1:9"] },
    Program { path: env!("CARGO_BIN_EXE_dns"), further: &[] },
    Program { path: env!("CARGO_BIN_EXE_pool"), further: &[] },
];

/// A port that systems reserve for privileged users.
const RESERVED: &str = "127.0.0.1:81";

/// Set where Wine's programs have no privileges.
const IS_UNPRIVILEGED: &str = "SELKIE_WINDOWS_UNPRIVILEGED";

impl Program {
    /// Returns its sentence about an address, with more arguments.
    fn sentence(&self, address: &str, more: &[&str]) -> String {
        self.sentence_of(server::command(self.path), address, more)
    }

    fn sentence_of(&self, mut command: Command, address: &str, more: &[&str]) -> String {
        sentence(command.arg(address).args(self.further).args(more))
    }
}

#[test]
fn an_address_in_use_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = holder.local_addr().expect("it is bound").to_string();
    for program in PROGRAMS {
        let message = program.sentence(&address, &[]);
        assert!(message.contains(&address) && message.contains("in use"), "{message}");
    }
}

#[test]
fn an_address_that_is_none_is_named() {
    for program in PROGRAMS {
        let message = program.sentence("nonsense", &[]);
        assert!(message.contains("nonsense"), "{message}");
    }
}

#[test]
fn a_capacity_beyond_what_there_is_is_refused() {
    for program in PROGRAMS {
        let message = program.sentence("127.0.0.1:0", &["--capacity", "4294967295"]);
        // The proxy has two connections for each client.
        let is_named = message.contains("4294967295") || message.contains("8589934590");
        let has_reason = message.contains("memory") || message.contains("descriptors");
        assert!(is_named && has_reason, "{message}");
    }
}

#[test]
fn a_capacity_of_none_is_refused() {
    for program in PROGRAMS {
        let message = program.sentence("127.0.0.1:0", &["--capacity", "0"]);
        assert!(message.contains("'0'") && message.contains("--capacity"), "{message}");
    }
}

#[test]
fn a_backend_of_another_system_is_answered_with_the_list() {
    for program in PROGRAMS {
        let message = program.sentence("127.0.0.1:0", &["--backend", "iocp"]);
        assert!(message.contains("iocp") && message.contains("select"), "{message}");
    }
}

/// Prepares a command that may not use low ports, if there is such a thing.
fn unprivileged(program: &str) -> Option<Command> {
    let lowest = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok()?;
    if lowest.trim().parse::<u16>().is_ok_and(|lowest| lowest <= 81) {
        return None;
    }
    if std::env::var_os(server::WINDOWS_PROGRAMS).is_some() {
        // A process of Wine's own binds for all.
        return std::env::var_os(IS_UNPRIVILEGED).map(|_| server::command(program));
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root {
        return Some(server::command(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]).arg(program);
    Some(command)
}

/// Needs a system that reserves low ports.
#[test]
fn a_privileged_port_is_refused_with_advice() {
    for program in PROGRAMS {
        let Some(command) = unprivileged(program.path) else {
            println!("not run: no port is reserved from this user, or from Wine");
            return;
        };
        let message = program.sentence_of(command, RESERVED, &[]);
        let has_advice = message.contains("choose a higher one") || message.contains("another one");
        assert!(message.contains(RESERVED) && has_advice, "{message}");
    }
}

/// The programs for Unix alone, and what they lack elsewhere.
const FOR_UNIX: [(&str, &str); 2] =
    [(env!("CARGO_BIN_EXE_watch"), "signals"), (env!("CARGO_BIN_EXE_selkie-http"), "listeners")];

#[test]
fn a_program_for_unix_names_an_address_that_is_none_or_what_is_missing() {
    let is_unix = cfg!(unix) && std::env::var_os(server::WINDOWS_PROGRAMS).is_none();
    for (path, missing) in FOR_UNIX {
        let message = sentence(server::command(path).arg("nonsense"));
        assert!(message.contains(if is_unix { "nonsense" } else { missing }), "{message}");
    }
}

#[test]
fn a_client_without_servers_says_how_it_is_used() {
    for arguments in [&[][..], &["hello"], &["hello", "nonsense"]] {
        let message = sentence(server::command(env!("CARGO_BIN_EXE_ask")).args(arguments));
        assert_eq!(message.trim_end(), "usage: ask QUESTION ADDRESS:PORT...");
    }
}
