//! The cost of a connection: clients that connect all at once and have one message echoed each.
//!
//! `cargo bench --bench accept`, and `-- --quick` to see only that it runs.

#[macro_use]
mod support;

linux_main!("The floor of this benchmark is an epoll loop, so it runs on Linux only.");

#[cfg(target_os = "linux")]
mod linux {
    use crate::support::arguments::Arguments;
    use crate::support::echo::{self, Client, Contestant, Load, Server};
    use crate::support::process;
    use crate::support::rounds::interleave;
    use crate::support::statistics::{nanoseconds, number};
    use crate::support::table::{Table, count};

    /// Those whose cost does not grow with the number of connections, and the floor again.
    const CONTESTANTS: [Contestant; 5] = [
        Contestant::Floor,
        Contestant::SELKIE,
        Contestant::Mio,
        Contestant::Polling,
        Contestant::Floor,
    ];

    pub(super) fn main() {
        let Some(arguments) = Arguments::unless_role(echo::play) else { return };
        process::descriptors_max();
        println!("# accepting");
        for connections in [1_000, 4_000] {
            accept(&arguments, connections);
        }
    }

    /// Prints one table: all contestants with as many connections.
    fn accept(arguments: &Arguments, connections: usize) {
        let title = format!("accept and one echo, {} connections", count(connections));
        if !arguments.wants(&title) {
            return;
        }
        let rounds = arguments.rounds(21);
        let values = interleave(rounds, CONTESTANTS.len(), |position| {
            let server = Server::start(CONTESTANTS[position], connections, &[]);
            let load = Load { active: connections, idle: 0, message_bytes: 64 };
            let (cpu, client) =
                process::cpu_time_of_process(server.pid(), || Client::start(&server, load));
            client.finish();
            server.finish();
            nanoseconds(cpu) / 1e3 / number(connections as u64)
        });
        let explanation = format!(
            "CPU time of the server per connection, user and system; {rounds} interleaved rounds."
        );
        let names = CONTESTANTS.map(Contestant::name);
        Table::compare(&title, &explanation, "us", &names, &values).print();
    }
}
