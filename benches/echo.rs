//! A whole server: connections that have messages echoed, one at a time each. See `support/echo/`.
//!
//! `cargo bench -p selkie-benches --bench echo`, and `-- --quick` to see only that it runs.

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

    pub(super) fn main() {
        let Some(arguments) = Arguments::unless_role(echo::play) else { return };
        let descriptors = process::descriptors_max();
        println!("# echo (up to {} descriptors in a process)", count(descriptors));
        println!(
            "Loops run on one core and clients on another; thread per connection runs on all."
        );
        let idle =
            if arguments.quick { 200 } else { 9_000.min(descriptors - 1_000 - DESCRIPTORS_ASIDE) };
        for (active, idle, message_bytes) in
            [(64, 0, 64), (1_000, 0, 64), (64, 0, 16 * 1024), (1_000, idle, 64)]
        {
            let messages =
                arguments.scaled(if message_bytes > 1024 { 10_000 } else { 20_000 }, 1_000);
            echo(&arguments, Load { active, idle, message_bytes }, messages);
        }
    }

    /// One server with its client, and what was measured of them, round by round.
    struct Pair {
        contestant: Contestant,
        server: Server,
        client: Client,
        context_switches: u64,
        resident_bytes: u64,
    }

    /// One slice of a round.
    struct Slice {
        cpu_per_message: f64,
        messages_per_second: f64,
    }

    impl Pair {
        fn start(contestant: Contestant, load: Load) -> Self {
            let server = Server::start(contestant, load.active + load.idle, &[]);
            let client = Client::start(&server, load);
            Self { contestant, server, client, context_switches: 0, resident_bytes: 0 }
        }

        fn exchange(&mut self, messages: u64) -> Slice {
            let pid = self.server.pid();
            let switches_before = process::context_switches(pid);
            let (cpu, elapsed) =
                process::cpu_time_of_process(pid, || self.client.exchange(messages));
            self.context_switches += process::context_switches(pid) - switches_before;
            self.resident_bytes = process::resident_bytes(pid);
            Slice {
                cpu_per_message: nanoseconds(cpu) / number(messages),
                messages_per_second: number(messages) * 1e9 / nanoseconds(elapsed),
            }
        }
    }

    /// Prints one table: all contestants on the same load. Their servers run side by side and are
    /// used in turn.
    fn echo(arguments: &Arguments, load: Load, messages: u64) {
        let Load { active, idle, message_bytes } = load;
        let beside = if idle > 0 { format!(" beside {} idle", count(idle)) } else { String::new() };
        let title =
            format!("echo, {} connections{beside}, {} bytes", count(active), count(message_bytes));
        if !arguments.wants(&title) {
            return;
        }
        let mut contestants = Contestant::all();
        // The difference of the floor from itself bounds what a ratio can show.
        contestants.push(Contestant::Floor);
        let mut pairs: Vec<Pair> =
            contestants.into_iter().map(|contestant| Pair::start(contestant, load)).collect();
        for pair in &mut pairs {
            pair.exchange(messages / 4);
            pair.context_switches = 0;
        }
        let rounds = arguments.rounds(31);
        let slices = interleave(rounds, pairs.len(), |position| pairs[position].exchange(messages));
        let explanation = format!(
            "CPU time of the server per message, user and system; {rounds} rounds of {} messages.",
            count(usize::try_from(messages).unwrap_or(usize::MAX))
        );
        print(&title, &explanation, &pairs, &slices, number(messages) * number(rounds as u64));
        for pair in pairs {
            pair.client.finish();
            pair.server.finish();
        }
    }

    fn print(title: &str, explanation: &str, pairs: &[Pair], slices: &[Vec<Slice>], messages: f64) {
        let columns = [
            "",
            "ns CPU",
            "ratio to the floor (middle half)",
            "messages/s",
            "switches per message",
            "resident MiB",
        ];
        let mut table = Table::new(title, explanation, &columns);
        let cpu = |position: usize| -> Vec<f64> {
            slices[position].iter().map(|slice| slice.cpu_per_message).collect()
        };
        let floor = cpu(0);
        for (position, pair) in pairs.iter().enumerate() {
            let again = position > 0 && pair.contestant == Contestant::Floor;
            let per_second =
                Summary::of(slices[position].iter().map(|slice| slice.messages_per_second)).median;
            table.row(vec![
                if again { "the floor against itself" } else { pair.contestant.name() }.to_owned(),
                format!("{:.0}", Summary::of(cpu(position)).median),
                table::ratio(Summary::of_ratios(&cpu(position), &floor)),
                format!("{per_second:.0}"),
                format!("{:.3}", number(pair.context_switches) / messages),
                format!("{:.1}", number(pair.resident_bytes) / f64::from(1 << 20)),
            ]);
        }
        table.print();
    }
}
