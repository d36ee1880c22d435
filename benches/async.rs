//! The same echo as a service, as `async fn` on Selkie, on tokio, and on embassy's executor:
//! instructions of a message, CPU time of a message, and memory of a connection.
//!
//! `cargo bench -p selkie-benches --bench async`, and `-- --quick` to see only that it runs.

#[cfg(target_os = "linux")]
mod support;

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("The processes of this benchmark are measured through /proc, on Linux only.");
}

#[cfg(target_os = "linux")]
mod linux {
    use selkie_async::{TaskSlot, size_of_task};
    use selkie_services::tasks;

    use crate::support::arguments::Arguments;
    use crate::support::echo::{self, Client, Contestant, Load, Server, embassy};
    use crate::support::rounds::interleave;
    use crate::support::statistics::{Summary, nanoseconds, number};
    use crate::support::table::{self, Table};
    use crate::support::{process, tools};

    /// All contestants; the service first, since the others are compared with it.
    const ALL: [Contestant; 5] = [
        Contestant::SELKIE,
        Contestant::TaskInPlace,
        Contestant::TaskWithBuffer,
        Contestant::Embassy,
        Contestant::Tokio,
    ];
    const LOAD: Load = Load { active: 64, idle: 0, message_bytes: 64 };

    pub(super) fn main() {
        let arguments = Arguments::from_environment();
        if let Some(role) = &arguments.role {
            assert!(echo::play(role), "an unknown role: {role:?}");
            return;
        }
        process::descriptors_max();
        println!("# async");
        sizes(&arguments);
        if tools::exists("valgrind") {
            instructions(&arguments);
        } else {
            println!("not run: instructions are counted by valgrind, which is not installed");
        }
        cpu(&arguments);
    }

    fn sizes(arguments: &Arguments) {
        let title = "bytes for each slot, as the compiler tells them";
        if !arguments.wants(title) {
            return;
        }
        let mut table = Table::new(title, "", &["", "bytes"]);
        let rows = [
            ("the future of an echo in place", size_of_task(tasks::echo_in_place)),
            ("the future of an echo with a buffer of 256 bytes", size_of_task(tasks::echo)),
            ("the adapter's bookkeeping, without 2 bytes of wake flags", size_of::<TaskSlot>()),
            ("a task of embassy, with a buffer of 256 bytes", embassy::task_bytes()),
        ];
        for (name, bytes) in rows {
            table.row(vec![name.to_owned(), bytes.to_string()]);
        }
        table.print();
    }

    fn instructions(arguments: &Arguments) {
        let title = "instructions per message, echo, 64 bytes, 64 connections";
        if !arguments.wants(title) {
            return;
        }
        let mut table = Table::new(title, "", &["", "instructions", "ratio to the service"]);
        let (short, long) = (arguments.scaled(10_000, 2_000), arguments.scaled(60_000, 4_000));
        let mut first = None;
        for contestant in ALL {
            let run = |messages: u64| {
                let server = Server::start(contestant, LOAD.active, &tools::CALLGRIND);
                let mut client = Client::start(&server, LOAD);
                client.exchange(messages);
                client.finish();
                tools::instructions(&server.finish())
            };
            let count = number(run(long) - run(short)) / number(long - short);
            let ratio = count / *first.get_or_insert(count);
            let name = contestant.name().to_owned();
            table.row(vec![name, format!("{count:.1}"), format!("{ratio:.3}")]);
        }
        table.print();
    }

    fn cpu(arguments: &Arguments) {
        let title = "CPU time per message, echo, 64 bytes, 64 connections";
        if !arguments.wants(title) {
            return;
        }
        let messages = arguments.scaled(20_000, 1_000);
        let mut pairs: Vec<(Server, Client)> = ALL
            .into_iter()
            .map(|contestant| {
                let server = Server::start(contestant, LOAD.active, &[]);
                let client = Client::start(&server, LOAD);
                (server, client)
            })
            .collect();
        let mut exchange = |position: usize| {
            let (server, client) = &mut pairs[position];
            let (cpu, _) = process::cpu_time_of_process(server.pid(), || client.exchange(messages));
            nanoseconds(cpu) / number(messages)
        };
        (0..ALL.len()).for_each(|position| {
            exchange(position);
        });
        let rounds = arguments.rounds(31);
        let slices = interleave(rounds, ALL.len(), exchange);
        let explanation = "User and system; the ratio is of pairs in the same round.";
        let columns = ["", "ns CPU", "ratio to tokio (middle half)"];
        let mut table = Table::new(title, explanation, &columns);
        let tokio = slices.last().expect("the last is tokio");
        for (contestant, times) in ALL.iter().zip(&slices) {
            let ratios = Summary::of_ratios(times, tokio);
            table.row(vec![
                contestant.name().to_owned(),
                format!("{:.0}", Summary::of(times.iter().copied()).median),
                table::ratio(ratios),
            ]);
        }
        table.print();
        for (server, client) in pairs {
            client.finish();
            server.finish();
        }
    }
}
