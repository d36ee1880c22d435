//! The cost of idle connections: the time of those that are active, and memory. As many as the
//! machine allows: each takes a descriptor of the server's, and one of a client's.
//!
//! `cargo bench -p selkie-benches --bench idle`, and `-- --quick` to see only that it runs.

#[macro_use]
mod support;

linux_main!("The floor of this benchmark is an epoll loop, so it runs on Linux only.");

#[cfg(target_os = "linux")]
mod linux {
    use crate::support::arguments::Arguments;
    use crate::support::echo::{self, Client, Contestant, Load, Server};
    use crate::support::process;
    use crate::support::rounds::interleave;
    use crate::support::statistics::{Summary, nanoseconds, number};
    use crate::support::table::{self, Table, count};

    /// Descriptors that a process needs for anything but connections.
    const DESCRIPTORS_ASIDE: usize = 24;
    /// Connections that have something to say.
    const ACTIVE: usize = 64;
    /// An upper limit for any machine.
    const IDLE_MAX: usize = 100_000;
    /// The limit for a thread per connection: more would only take longer.
    const THREADS_MAX: usize = 4_000;

    pub(super) fn main() {
        let Some(arguments) = Arguments::unless_role(echo::play) else { return };
        let descriptors = process::descriptors_max();
        println!("# idle connections (up to {} descriptors in a process)", count(descriptors));
        let most = if arguments.quick {
            500
        } else {
            IDLE_MAX.min(descriptors - ACTIVE - DESCRIPTORS_ASIDE)
        };
        time(&arguments, most);
        memory(&arguments, most);
    }

    /// Measures the time per message with few connections and with many.
    fn time(arguments: &Arguments, most: usize) {
        let title = format!("time, {ACTIVE} active connections of 64 bytes");
        if !arguments.wants(&title) {
            return;
        }
        let (rounds, messages) = (arguments.rounds(31), arguments.scaled(20_000, 1_000));
        let explanation = format!(
            "CPU time of the server per message, user and system; {rounds} interleaved rounds."
        );
        let mut table = Table::new(
            &title,
            &explanation,
            &["", "idle", "ns CPU", "ratio to none idle (middle half)"],
        );
        for contestant in [Contestant::Floor, Contestant::SELKIE] {
            let idle = [0, most / 10, most];
            let mut pairs = idle.map(|idle| start(contestant, ACTIVE, idle));
            let values = interleave(rounds, pairs.len(), |position| {
                let (server, client) = &mut pairs[position];
                let (cpu, _) =
                    process::cpu_time_of_process(server.pid(), || client.exchange(messages));
                nanoseconds(cpu) / number(messages)
            });
            for (idle, values_of_one) in idle.into_iter().zip(&values) {
                let median = Summary::of(values_of_one.iter().copied()).median;
                let ratio = table::ratio(Summary::of_ratios(values_of_one, &values[0]));
                table.row(vec![
                    contestant.name().to_owned(),
                    count(idle),
                    format!("{median:.0}"),
                    ratio,
                ]);
            }
            for (server, client) in pairs {
                client.finish();
                server.finish();
            }
        }
        table.print();
    }

    /// Measures the memory of an idle connection in user space: the anonymous pages of the process
    /// with one connection and with many.
    fn memory(arguments: &Arguments, most: usize) {
        let title = "memory";
        if !arguments.wants(title) {
            return;
        }
        let explanation =
            "Memory that the server wrote to, in user space; each connection echoed 64 bytes once.";
        let mut table =
            Table::new(title, explanation, &["", "connections", "KiB", "bytes per connection"]);
        for contestant in Contestant::all() {
            let connections =
                if contestant == Contestant::Threads { most.min(THREADS_MAX) } else { most };
            let [one, many] = [1, connections].map(|connections| {
                let (server, client) = start(contestant, 1, connections - 1);
                let bytes = process::anonymous_bytes(server.pid());
                client.finish();
                server.finish();
                bytes
            });
            let each = (many.saturating_sub(one)) / connections as u64;
            table.row(vec![
                contestant.name().to_owned(),
                count(connections),
                (many / 1024).to_string(),
                each.to_string(),
            ]);
        }
        table.print();
    }

    fn start(contestant: Contestant, active: usize, idle: usize) -> (Server, Client) {
        let server = Server::start(contestant, active + idle, &[]);
        let client = Client::start(&server, Load { active, idle, message_bytes: 64 });
        (server, client)
    }
}
