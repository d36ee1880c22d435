//! Loops on several cores: throughput, CPU time a message, and how evenly connections fall.
//!
//! `cargo bench -p selkie-benches --bench shards`, and `-- --quick` to see only that it runs. To
//! measure a machine with more cores, build it with `--target x86_64-unknown-linux-musl` and copy
//! the one file.

#[macro_use]
mod support;

linux_main!("This benchmark binds processes to cores, so it runs on Linux only.");

#[cfg(target_os = "linux")]
mod linux {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use selkie::shards::{Distribution, Shards, ShardsHandle};
    use selkie::{Builder, CloseReason, Peer, Service};

    use crate::support::arguments::{Arguments, Role};
    use crate::support::echo::{self, Client, Load, Server};
    use crate::support::process;
    use crate::support::statistics::{Summary, nanoseconds, number};
    use crate::support::table::{Table, count};

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
        let columns = ["", "messages/s", "ns CPU a message", "connections of each shard"];
        let explanation = "CPU time of all threads of the server, user and system; medians.";
        let mut table = Table::new(&title, explanation, &columns);
        let counts = std::iter::successors(Some(1), |shards| Some(shards * 2));
        for shards in counts.take_while(|&shards| shards <= cores) {
            for distribution in Distribution::ALL {
                let row = measure(arguments, (shards, cores), distribution, connections);
                table.row(row);
                if shards == 1 {
                    break;
                }
            }
        }
        table.print();
    }

    /// Measures one row.
    fn measure(
        arguments: &Arguments,
        (shards, cores): (usize, usize),
        distribution: Distribution,
        connections: usize,
    ) -> Vec<String> {
        let (count, all) = (shards.to_string(), connections.to_string());
        let mut server = Server::start_role(&["shards", &count, distribution.name(), &all], &[]);
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
        // A client that shares its core with a shard says nothing of time.
        let throughput = if shards * 2 <= cores {
            format!("{:.0}", Summary::of(per_second).median)
        } else {
            "no core is left for the clients".to_owned()
        };
        let name = if shards == 1 { "1".to_owned() } else { format!("{shards}, {distribution}") };
        vec![name, throughput, format!("{:.0}", Summary::of(cpu_each).median), balance]
    }

    /// Echoes, and ends its server when the last of the clients has left.
    struct Counted {
        opened: Arc<[AtomicUsize]>,
        shard: usize,
        left: Arc<AtomicUsize>,
        handle: ShardsHandle,
    }

    impl Service for Counted {
        type Session = ();

        fn opened(&mut self, _: &mut Peer<'_>, (): &mut ()) {
            self.opened[self.shard].fetch_add(1, Ordering::Relaxed);
        }

        #[inline]
        fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
            peer.send_some(bytes)
        }

        fn closed(&mut self, _: &mut Peer<'_>, (): &mut (), _: CloseReason) {
            if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.handle.stop();
            }
        }
    }

    /// Plays `shards COUNT DISTRIBUTION CONNECTIONS`: prints its port first, and at its end the
    /// connections of each shard.
    fn serve(role: &Role) {
        let (shards, connections): (usize, usize) = (role.number(1), role.number(3));
        process::descriptors_max();
        process::pin_to_cores(0..shards);
        let server = Shards::new(Builder::new().connections(connections), shards)
            .distribution(role.word(2).parse().expect("a distribution"))
            .pinned(true)
            .listen(([127, 0, 0, 1], 0).into())
            .expect("a free port");
        println!("{}", server.local_address().port());
        std::io::stdout().flush().expect("the benchmark reads the port");
        let opened: Arc<[AtomicUsize]> = (0..shards).map(|_| AtomicUsize::new(0)).collect();
        let left = Arc::new(AtomicUsize::new(connections / shards * shards));
        let handle = server.handle();
        let service = |shard| Counted {
            opened: Arc::clone(&opened),
            shard,
            left: Arc::clone(&left),
            handle: handle.clone(),
        };
        server.run(service).expect("memory for all shards");
        let counts: Vec<_> =
            opened.iter().map(|count| count.load(Ordering::Relaxed).to_string()).collect();
        println!("{}", counts.join(" : "));
    }
}
