//! Figures that repeat exactly: instructions in user space, counted by callgrind, and system calls,
//! counted by strace. Each number is the difference of two runs of different length, so that
//! starting and ending do not count.
//!
//! `cargo bench -p selkie-benches --bench instructions`, and `-- --quick` to see only that it runs.

#[macro_use]
mod support;

linux_main!("The floor of this benchmark is an epoll loop, so it runs on Linux only.");

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::process::Command;

    use crate::support::arguments::{Arguments, Role};
    use crate::support::dispatch::{self, Kind, Sources};
    use crate::support::echo::{self, Client, Server, Wrapper};
    use crate::support::statistics::number;
    use crate::support::table::{Table, count};
    use crate::support::{process, tools};

    pub(super) fn main() {
        let Some(arguments) = Arguments::unless_role(|role| echo::play(role) || play(role)) else {
            return;
        };
        process::descriptors_max();
        println!("# instructions and system calls");
        if tools::exists("valgrind") {
            println!("callgrind counts in user space only, and has no `epoll_pwait2`.");
            dispatch_instructions(&arguments);
            echo_instructions(&arguments);
            timer_instructions(&arguments);
        } else {
            println!("not run: instructions are counted by valgrind, which is not installed");
        }
        if tools::exists("strace") {
            echo_system_calls(&arguments);
            gathered_sends(&arguments);
        } else {
            println!("not run: system calls are counted by strace, which is not installed");
        }
    }

    /// Plays `dispatch CONTESTANT SOURCES ACTIVE WRITES`, with eventfds.
    fn play(role: &Role) -> bool {
        if role.word(0) != "dispatch" {
            return false;
        }
        let load = dispatch::Load { active: role.number(3), warm_up: 0, writes: role.number(4) };
        let sources = Sources::new(Kind::EventFd, role.number(2));
        dispatch::Contestant::named(role.word(1)).dispatch(&sources, load);
        true
    }

    fn dispatch_instructions(arguments: &Arguments) {
        const SOURCES: usize = 1_000;
        for active in [1, 100] {
            let title = format!(
                "instructions per event, dispatch, {} registered, {active} active",
                count(SOURCES)
            );
            if !arguments.wants(&title) {
                continue;
            }
            let explanation = "With the benchmark's own reads and writes of eventfds.";
            let mut table =
                Table::new(&title, explanation, &["", "instructions", "ratio to the floor"]);
            let (short, long) = (arguments.scaled(20_000, 1_000), arguments.scaled(120_000, 2_000));
            let mut floor = None;
            for contestant in dispatch::Contestant::EPOLL {
                let run = |writes: u64| {
                    let numbers = [SOURCES, active].map(|number| number.to_string());
                    let mut command = Command::new(tools::CALLGRIND[0]);
                    command
                        .args(&tools::CALLGRIND[1..])
                        .arg(std::env::current_exe().expect("this program"));
                    command
                        .args(["--role", "dispatch", contestant.name()])
                        .args(numbers)
                        .arg(writes.to_string());
                    let output = command.output().expect("valgrind");
                    tools::instructions(&String::from_utf8_lossy(&output.stderr))
                };
                let instructions = number(run(long) - run(short)) / number(long - short);
                table.row(vec![
                    contestant.name().to_owned(),
                    format!("{instructions:.1}"),
                    ratio(instructions, &mut floor),
                ]);
            }
            table.print();
        }
    }

    fn echo_instructions(arguments: &Arguments) {
        for connections in [1, 64, 1_000] {
            let title = format!(
                "instructions per message, echo, 64 bytes, {} connections",
                count(connections)
            );
            if !arguments.wants(&title) {
                continue;
            }
            let mut table = Table::new(&title, "", &["", "instructions", "ratio to the floor"]);
            let (short, long) = (arguments.scaled(10_000, 2_000), arguments.scaled(60_000, 4_000));
            let mut floor = None;
            // callgrind runs one thread at a time, and no more than 500 of them.
            let threads_fit = connections < 500;
            let contestants = echo::Contestant::all().into_iter();
            for contestant in contestants
                .filter(|contestant| threads_fit || *contestant != echo::Contestant::Threads)
            {
                let instructions = instructions(contestant, connections, short, long);
                table.row(vec![
                    contestant.name().to_owned(),
                    format!("{instructions:.1}"),
                    ratio(instructions, &mut floor),
                ]);
            }
            table.print();
        }
    }

    fn echo_system_calls(arguments: &Arguments) {
        for connections in [1, 1_000] {
            let title = format!(
                "system calls per message, echo, 64 bytes, {} connections",
                count(connections)
            );
            if !arguments.wants(&title) {
                continue;
            }
            let mut table = Table::new(&title, "", &["", "all", "by name"]);
            let (short, long) = (arguments.scaled(5_000, 2_000), arguments.scaled(25_000, 4_000));
            for contestant in echo::Contestant::all() {
                let calls = system_calls(contestant, connections, 64, (short, long));
                let by_name: Vec<String> = calls
                    .iter()
                    .map(|(name, calls)| (name, number(*calls) / number(long - short)))
                    .filter(|(_, calls)| *calls >= 0.0005)
                    .map(|(name, calls)| format!("{name} {calls:.3}"))
                    .collect();
                let all = number(calls.values().sum()) / number(long - short);
                table.row(vec![
                    contestant.name().to_owned(),
                    format!("{all:.3}"),
                    by_name.join(", "),
                ]);
            }
            table.print();
        }
    }

    /// Prints the cost of a timer that is set anew for each message, and of an idle timeout.
    fn timer_instructions(arguments: &Arguments) {
        const CONNECTIONS: usize = 64;
        let title = "instructions per message, echo, 64 bytes, 64 connections, timers";
        if !arguments.wants(title) {
            return;
        }
        let mut table = Table::new(title, "", &["", "instructions", "ratio to no timer"]);
        let (short, long) = (arguments.scaled(10_000, 2_000), arguments.scaled(60_000, 4_000));
        let mut floor = None;
        let contestants = [
            echo::Contestant::SELKIE,
            echo::Contestant::SelkieTimers,
            echo::Contestant::SelkieIdle,
        ];
        for contestant in contestants {
            let instructions = instructions(contestant, CONNECTIONS, short, long);
            table.row(vec![
                contestant.name().to_owned(),
                format!("{instructions:.1}"),
                ratio(instructions, &mut floor),
            ]);
        }
        table.print();
    }

    /// Prints the system calls that send, of a message that is echoed at once and in pieces.
    fn gathered_sends(arguments: &Arguments) {
        let title = "sending system calls per message of 1,024 bytes, 1 connection";
        if !arguments.wants(title) {
            return;
        }
        let mut table = Table::new(title, "", &["", "calls that send"]);
        let range = (arguments.scaled(2_000, 500), arguments.scaled(8_000, 1_000));
        for contestant in [echo::Contestant::SELKIE, echo::Contestant::SelkiePieces] {
            let calls = system_calls(contestant, 1, 1_024, range);
            let sends = ["sendto", "sendmsg", "write", "writev"];
            let sends: u64 = sends.iter().filter_map(|&name| calls.get(name)).sum();
            let each = number(sends) / number(range.1 - range.0);
            table.row(vec![contestant.name().to_owned(), format!("{each:.3}")]);
        }
        table.print();
    }

    /// Counts the instructions of a message of 64 bytes.
    fn instructions(
        contestant: echo::Contestant,
        connections: usize,
        short: u64,
        long: u64,
    ) -> f64 {
        let run = |messages| {
            tools::instructions(&serve(contestant, connections, 64, messages, &tools::CALLGRIND))
        };
        number(run(long) - run(short)) / number(long - short)
    }

    /// Counts the system calls that a longer run makes more than a shorter one.
    fn system_calls(
        contestant: echo::Contestant,
        connections: usize,
        message_bytes: usize,
        (short, long): (u64, u64),
    ) -> BTreeMap<String, u64> {
        let run = |messages| {
            let output = serve(contestant, connections, message_bytes, messages, &tools::STRACE);
            tools::system_calls(&output)
        };
        difference(&run(long), &run(short))
    }

    /// Runs a server under a counting program and returns the output of that program.
    fn serve(
        contestant: echo::Contestant,
        connections: usize,
        message_bytes: usize,
        messages: u64,
        wrapper: Wrapper<'_>,
    ) -> String {
        let server = Server::start(contestant, connections, wrapper);
        let load = echo::Load { active: connections, idle: 0, message_bytes };
        let mut client = Client::start(&server, load);
        client.exchange(messages);
        client.finish();
        server.finish()
    }

    /// Returns the calls that the longer run made more than the shorter one.
    fn difference(
        long: &BTreeMap<String, u64>,
        short: &BTreeMap<String, u64>,
    ) -> BTreeMap<String, u64> {
        let less = |name| short.get(name).copied().unwrap_or(0);
        long.iter().map(|(name, calls)| (name.clone(), calls.saturating_sub(less(name)))).collect()
    }

    /// Returns the ratio to the floor, which is the first value.
    fn ratio(value: f64, floor: &mut Option<f64>) -> String {
        format!("{:.3}", value / *floor.get_or_insert(value))
    }
}
