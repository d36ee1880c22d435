//! The pictures of the documentation: what an event costs beside idle sources, and a loop beside a
//! thread for each connection. See `docs/idle-sources.svg` and `docs/threads.svg`.
//!
//! `cargo bench -p selkie-benches --bench pictures` measures and draws them. With `-- --quick` it
//! shows only that it runs, and draws below the target folder.

#[macro_use]
mod support;

#[cfg(target_os = "linux")]
#[path = "pictures/chart.rs"]
mod chart;

linux_main!("The pictures compare selectors of Linux, so they are drawn there only.");

#[cfg(target_os = "linux")]
mod linux {
    use std::path::PathBuf;

    use crate::chart::{self, Line};
    use crate::support::arguments::Arguments;
    use crate::support::dispatch::{Backend, Contestant, Kind, Load, Sources};
    use crate::support::echo::{self, Client, Server};
    use crate::support::process;
    use crate::support::rounds::interleave;
    use crate::support::statistics::{Summary, nanoseconds, number};

    const SOURCES: &str = "an event beside idle sources";
    const THREADS: &str = "a loop beside threads";
    /// Descriptors that the process needs for anything but sources.
    const DESCRIPTORS_ASIDE: usize = 64;
    /// Idle sources. A ring takes a second descriptor of each.
    const IDLE: [usize; 9] = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 9_000];
    const CONNECTIONS: [usize; 5] = [16, 64, 256, 1_024, 4_000];

    pub(super) fn main() {
        let Some(arguments) = Arguments::unless_role(echo::play) else { return };
        process::descriptors_max();
        // Before the load of the measurements themselves.
        let footer = chart::footer("cargo bench -p selkie-benches --bench pictures");
        if arguments.wants(THREADS) {
            threads(&arguments, &footer);
        }
        if arguments.wants(SOURCES) {
            process::pin_to_core(0);
            sources(&arguments, &footer);
        }
    }

    /// Returns the path of a picture.
    fn path(arguments: &Arguments, name: &str) -> PathBuf {
        let folder = if arguments.quick {
            env!("CARGO_TARGET_TMPDIR")
        } else {
            concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")
        };
        PathBuf::from(folder).join(name)
    }

    /// Draws the CPU time of an event over the number of idle sources.
    fn sources(arguments: &Arguments, footer: &str) {
        let backends = [Backend::Select, Backend::Poll, Backend::Epoll];
        let mut contestants = backends.map(Contestant::Selkie).to_vec();
        contestants.push(Contestant::Ring);
        let idle_max = (process::descriptors_max() - DESCRIPTORS_ASIDE) / 2;
        let wanted = if arguments.quick { 2 } else { IDLE.len() };
        let mut lines: Vec<_> =
            ["select", "poll", "epoll", "io_uring"].into_iter().map(Line::new).collect();
        for &idle in IDLE.iter().take(wanted).filter(|&&idle| idle < idle_max) {
            let values = interleave(arguments.rounds(5), contestants.len(), |position| {
                let contestant = contestants[position];
                let slowness = if contestant.scans() { (idle / 16).max(1) as u64 } else { 1 };
                let writes = (arguments.scaled(20_000, 500) / slowness).max(200);
                let load = Load { active: 1, warm_up: writes / 10, writes };
                // The writes go round, so each source is idle but for its turn.
                let time = contestant.dispatch(&Sources::new(Kind::EventFd, idle + 1), load);
                nanoseconds(time) / number(writes + 1)
            });
            for (line, values) in lines.iter_mut().zip(values) {
                line.add(idle, Summary::of(values).median);
            }
        }
        println!("# {SOURCES}, ns CPU");
        lines.iter().for_each(Line::print);
        let path = path(arguments, "idle-sources.svg");
        chart::draw_sources(&path, &lines, footer).expect("a picture");
    }

    /// The three measures of one kind of server, over the connections.
    struct Measured {
        cpu: Line,
        switches: Line,
        resident: Line,
    }

    /// Draws a loop beside a thread for each connection.
    fn threads(arguments: &Arguments, footer: &str) {
        let contestants = [
            (echo::Contestant::SELKIE, "one loop (epoll)"),
            (echo::Contestant::Threads, "a thread for each connection"),
        ];
        let mut measured = contestants.map(|(_, name)| Measured {
            cpu: Line::new(name),
            switches: Line::new(name),
            resident: Line::new(name),
        });
        let wanted = if arguments.quick { 1 } else { CONNECTIONS.len() };
        for &connections in CONNECTIONS.iter().take(wanted) {
            let contestants = contestants.map(|(contestant, _)| contestant);
            compare(arguments, connections, contestants, &mut measured);
        }
        let titles = ["CPU time a message, us", "context switches a message", "resident MiB"];
        let [one, other] = measured;
        let panels =
            [[one.cpu, other.cpu], [one.switches, other.switches], [one.resident, other.resident]];
        for (title, lines) in titles.iter().zip(&panels) {
            println!("# {title}");
            lines.iter().for_each(Line::print);
        }
        let path = path(arguments, "threads.svg");
        chart::draw_panels(&path, &titles, &panels, footer).expect("a picture");
    }

    /// Measures both kinds of servers with so many connections, in turn.
    fn compare(
        arguments: &Arguments,
        connections: usize,
        contestants: [echo::Contestant; 2],
        measured: &mut [Measured; 2],
    ) {
        let load = echo::Load { active: connections, idle: 0, message_bytes: 64 };
        let mut pairs = contestants.map(|contestant| {
            let server = Server::start(contestant, connections, &[]);
            let client = Client::start(&server, load);
            (server, client)
        });
        let messages = arguments.scaled(20_000, 500).max(connections as u64 * 4);
        for (_, client) in &mut pairs {
            client.exchange(messages / 4);
        }
        let values = interleave(arguments.rounds(5), pairs.len(), |position| {
            let (server, client) = &mut pairs[position];
            let before = process::voluntary_switches(server.pid());
            let (cpu, _) = process::cpu_time_of_process(server.pid(), || client.exchange(messages));
            let switches = process::voluntary_switches(server.pid()) - before;
            (nanoseconds(cpu) / 1e3 / number(messages), number(switches) / number(messages))
        });
        for ((line, values), (server, client)) in measured.iter_mut().zip(values).zip(pairs) {
            line.cpu.add(connections, Summary::of(values.iter().map(|value| value.0)).median);
            line.switches.add(connections, Summary::of(values.iter().map(|value| value.1)).median);
            let resident = process::resident_bytes(server.pid());
            line.resident.add(connections, number(resident) / f64::from(1 << 20));
            client.finish();
            server.finish();
        }
    }
}
