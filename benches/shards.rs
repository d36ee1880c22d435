//! Loops on several cores: throughput, CPU time and instructions a message, and how evenly
//! connections fall.
//!
//! `cargo bench -p selkie-benches --bench shards`, and `-- --quick` to see only that it runs. To
//! measure a machine with more cores, build it with `--target x86_64-unknown-linux-musl` and copy
//! the one file. Instructions are counted where valgrind is installed.

#[macro_use]
mod support;

linux_main!("This benchmark binds processes to cores, so it runs on Linux only.");

#[cfg(target_os = "linux")]
mod linux {
    use selkie::shards::Distribution;

    use crate::support::arguments::{Arguments, Role};
    use crate::support::echo::{self, Client, Load, Server, Wrapper};
    use crate::support::process;
    use crate::support::statistics::{Summary, nanoseconds, number};
    use crate::support::table::{Table, count};
    use crate::support::tools;

    /// Connections of all clients together.
    const CONNECTIONS: [usize; 2] = [400, 4000];

    pub(super) fn main() {
        let arguments = Arguments::from_environment();
        if let Some(role) = &arguments.role {
            match role.word(0) {
                "shards" => serve(role),
                _ => assert!(echo::play(role), "an unknown role: {role:?}"),
            }
            return;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        println!("# shards ({cores} cores)");
        println!("Shards run on the first cores, and as many clients on the last.");
        for connections in CONNECTIONS {
            compare(&arguments, cores, connections);
        }
    }

    /// Prints one table: every number of shards and every distribution.
    fn compare(arguments: &Arguments, cores: usize, connections: usize) {
        let title = format!("{} connections, 64 bytes", count(connections));
        if !arguments.wants(&title) {
            return;
        }
        let columns = ["", "messages/s", "ns CPU", "instructions", "connections of each shard"];
        let explanation =
            "Of a message: CPU time, user and system, and instructions in user space.";
        let mut table = Table::new(&title, explanation, &columns);
        let counts = std::iter::successors(Some(1), |shards| Some(shards * 2));
        for shards in counts.take_while(|&shards| shards <= cores) {
            for over_ring in [false, true] {
                for distribution in Distribution::ALL {
                    let how = How { shards, cores, distribution, over_ring };
                    table.row(measure(arguments, how, connections));
                    if shards == 1 {
                        break;
                    }
                }
            }
        }
        table.print();
    }

    /// The server of one row.
    #[derive(Clone, Copy)]
    struct How {
        shards: usize,
        cores: usize,
        distribution: Distribution,
        over_ring: bool,
    }

    impl How {
        /// Starts the server, under another program if given.
        fn start(self, connections: usize, wrapper: Wrapper<'_>) -> Server {
            let numbers = [self.shards, connections].map(|number| number.to_string());
            let backend = if self.over_ring { "io_uring" } else { "epoll" };
            let [shards, connections] = &numbers;
            let role = ["shards", shards, self.distribution.name(), connections, backend];
            Server::start_role(&role, wrapper)
        }

        fn name(self) -> String {
            let distribution = self.distribution.name();
            let backend = if self.over_ring { ", io_uring" } else { "" };
            match self.shards {
                1 => format!("1{backend}"),
                shards => format!("{shards}, {distribution}{backend}"),
            }
        }
    }

    /// Measures one row.
    fn measure(arguments: &Arguments, how: How, connections: usize) -> Vec<String> {
        let How { shards, cores, .. } = how;
        let mut server = how.start(connections, &[]);
        let load = Load { active: connections / shards, idle: 0, message_bytes: 64 };
        let mut clients: Vec<Client> =
            (0..shards).map(|client| Client::start_on(cores - 1 - client, &server, load)).collect();
        let messages = arguments.scaled(50_000, 2_000);
        let (mut per_second, mut cpu_each) = (Vec::new(), Vec::new());
        for _ in 0..arguments.rounds(15) {
            let (cpu, longest) = process::cpu_time_of_process(server.pid(), || {
                for client in &mut clients {
                    client.begin(messages);
                }
                clients.iter_mut().map(Client::end).max().unwrap_or_default()
            });
            let exchanged = number(messages) * number(shards as u64);
            per_second.push(exchanged * 1e9 / nanoseconds(longest));
            cpu_each.push(nanoseconds(cpu) / exchanged);
        }
        clients.into_iter().for_each(Client::finish);
        let balance = server.last_line();
        server.finish();
        // Clients that share their core with a shard say nothing of time.
        let (throughput, cpu) = if shards * 2 <= cores {
            let per_second = format!("{:.0}", Summary::of(per_second).median);
            (per_second, format!("{:.0}", Summary::of(cpu_each).median))
        } else {
            ("no core is left for the clients".to_owned(), "-".to_owned())
        };
        let instructions = instructions(arguments, how, connections);
        vec![how.name(), throughput, cpu, instructions, balance]
    }

    /// Counts the instructions of a message: the difference of a long run and a short one.
    fn instructions(arguments: &Arguments, how: How, connections: usize) -> String {
        let How { shards, cores, .. } = how;
        if !tools::exists(tools::CALLGRIND[0]) {
            return "no valgrind".to_owned();
        }
        if how.over_ring && shards > 1 {
            // Under callgrind two rings did not come to an end.
            return "-".to_owned();
        }
        let run = |messages: u64| {
            let server = how.start(connections, &tools::CALLGRIND);
            let load = Load { active: connections / shards, idle: 0, message_bytes: 64 };
            let mut clients: Vec<Client> = (0..shards)
                .map(|client| Client::start_on(cores - 1 - client, &server, load))
                .collect();
            for client in &mut clients {
                client.begin(messages);
            }
            for client in &mut clients {
                client.end();
            }
            clients.into_iter().for_each(Client::finish);
            tools::instructions(&server.finish())
        };
        let (short, long) = (arguments.scaled(10_000, 1_000), arguments.scaled(40_000, 2_000));
        let messages = number((long - short) * shards as u64);
        format!("{:.0}", (number(run(long)) - number(run(short))) / messages)
    }

    /// Plays `shards COUNT DISTRIBUTION CONNECTIONS BACKEND`: prints its port first, and at its end
    /// the connections of each shard.
    fn serve(role: &Role) {
        let (shards, connections): (usize, usize) = (role.number(1), role.number(3));
        let distribution = role.word(2).parse().expect("a distribution");
        let over_ring = role.word(4) == "io_uring";
        let connections = connections / shards * shards;
        let served = echo::serve_shards(shards, distribution, connections, over_ring);
        let counts: Vec<_> = served.iter().map(usize::to_string).collect();
        println!("{}", counts.join(" : "));
    }
}
