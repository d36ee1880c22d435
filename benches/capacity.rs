//! Costs that must not grow with the capacity: closing and accepting at the limit, a lack of
//! buffers, draining, starting. On a toy platform, as no machine has a million descriptors to
//! spare. Each capacity is measured in processes of its own, so that its memory can be measured.
//!
//! `cargo bench --bench capacity`, and `-- --quick` to see only that it runs.

#[macro_use]
mod support;

linux_main!("The memory of a process is read from /proc, so this benchmark runs on Linux only.");

#[cfg(target_os = "linux")]
mod linux {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use ::selkie::memory::{HeapLoop, HeapServer};
    use ::selkie::{Config, EventLoop, Instant as Time, Peer, Server, Service};

    use crate::support::arguments::Arguments;
    use crate::support::process;
    use crate::support::rounds::interleave;
    use crate::support::statistics::{Summary, nanoseconds, number};
    use crate::support::table::{Table, count};
    use crate::support::toy::Toy;

    /// The rows of the table.
    const ROWS: [&str; 9] = [
        "start, us",
        "resident after the start, KiB",
        "resident with all connected, KiB",
        "accept, ns",
        "close + accept with two free slots, ns",
        "close + accept at the limit, ns",
        "turn of 8 connections with 16 buffers, ns",
        "turn of 8 connections with 4 buffers, ns",
        "drain, ns per connection",
    ];
    const EVENTS: usize = 256;
    /// The buffers of a server that serves more connections than it lends buffers to.
    const BUFFERS: usize = 64;
    const BUFFER_SIZE: usize = 1024;
    /// More turns than anything that is measured takes.
    const TURNS_MAX: usize = 1_000;

    type Memory = HeapServer<usize, Session>;

    /// A session of 256 bytes.
    #[derive(Clone, Copy, Debug, Default)]
    struct Session(#[allow(dead_code, reason = "it only takes memory")] [u64; 32]);

    /// Echoes.
    struct Echo;

    impl Service for Echo {
        type Session = Session;

        fn received(&mut self, peer: &mut Peer<'_>, _: &mut Session, bytes: &[u8]) -> usize {
            peer.send(bytes).map_or(0, |()| bytes.len())
        }
    }

    pub(super) fn main() {
        let arguments = Arguments::from_environment();
        if let Some(role) = &arguments.role {
            assert_eq!(role.word(0), "measure", "an unknown role: {role:?}");
            return measure(role.number(1), role.number(2));
        }
        println!("# capacity (toy platform, sessions of 256 bytes, {BUFFERS} buffers of 1 KiB)");
        let slots: &[usize] =
            if arguments.quick { &[1_000, 10_000] } else { &[1_000, 100_000, 1_000_000] };
        let (rounds, repeats) = (arguments.rounds(7), arguments.scaled(20_000, 500));
        let values = interleave(rounds, slots.len(), |position| run(slots[position], repeats));
        let mut columns = vec![String::new()];
        columns.extend(slots.iter().map(|&slots| format!("{} slots", count(slots))));
        columns.push("ratio of the last to the first".to_owned());
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let explanation = format!("Medians of {rounds} interleaved rounds.");
        let mut table = Table::new("capacity", &explanation, &columns);
        for (row, name) in ROWS.into_iter().enumerate() {
            let medians: Vec<f64> = values
                .iter()
                .map(|rounds| Summary::of(rounds.iter().map(|round| round[row])).median)
                .collect();
            let mut cells = vec![name.to_owned()];
            cells.extend(medians.iter().map(|median| format!("{median:.0}")));
            cells.push(format!("{:.2}", medians[medians.len() - 1] / medians[0]));
            table.row(cells);
        }
        table.print();
    }

    /// Measures one capacity in a process of its own; returns a value for each row.
    fn run(slots: usize, repeats: u64) -> Vec<f64> {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--role", "measure", &slots.to_string(), &repeats.to_string()]);
        let output = command.output().expect("a process");
        let text = String::from_utf8_lossy(&output.stdout);
        let values: Vec<f64> =
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(values.len(), ROWS.len(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        values
    }

    /// Plays `measure SLOTS REPEATS`: prints a value for each row.
    fn measure(slots: usize, repeats: u64) {
        process::pin_to_core(0);
        let connections = slots - 1;
        let platform = Toy::new(connections, usize::MAX);
        let resident = || process::anonymous_bytes(std::process::id());
        let (before, start) = (resident(), Instant::now());
        let mut stand = TestBench::new(platform, slots, BUFFERS);
        let start = start.elapsed();
        let resident_at_start = resident().saturating_sub(before);
        let accept = time(|| stand.connect(connections - 2)) / number(connections as u64 - 2);
        let with_free_slots = stand.churn(repeats);
        stand.connect(2);
        let resident_when_full = resident().saturating_sub(before);
        let at_the_limit = stand.churn(repeats);
        let drain = stand.drain() / number(connections as u64);
        let [plenty, lack] = [16, 4].map(|buffers| exchange(slots, buffers, repeats));
        let values = [
            nanoseconds(start) / 1e3,
            number(resident_at_start) / 1024.0,
            number(resident_when_full) / 1024.0,
            accept,
            with_free_slots,
            at_the_limit,
            plenty,
            lack,
            drain,
        ];
        for value in values {
            println!("{value}");
        }
    }

    /// Returns the time of some work in nanoseconds.
    fn time(work: impl FnOnce()) -> f64 {
        let start = Instant::now();
        work();
        nanoseconds(start.elapsed())
    }

    /// Measures a turn of 8 connections, each with a message to echo of which the platform takes
    /// only a part at once.
    fn exchange(slots: usize, buffers: usize, repeats: u64) -> f64 {
        const CONNECTIONS: usize = 8;
        const MESSAGE: usize = 600;

        // The platform of the loop takes as many sources as the loop has slots.
        let platform = Toy::new(slots - 1, MESSAGE / 2);
        let mut stand = TestBench::new(platform, slots, buffers);
        stand.connect(CONNECTIONS);
        let mut turns = |repeats| {
            for _ in 0..repeats {
                for stream in 1..=CONNECTIONS {
                    let platform = &mut stand.event_loop.platform;
                    platform.refill(stream);
                    platform.send(stream, MESSAGE);
                }
                stand.turn();
            }
        };
        turns(repeats / 10);
        time(|| turns(repeats)) / number(repeats)
    }

    /// A loop and a server.
    struct TestBench {
        event_loop: EventLoop<Toy, HeapLoop>,
        server: Server<Toy, Echo, Memory>,
        next: usize,
    }

    impl TestBench {
        fn new(platform: Toy, slots: usize, buffers: usize) -> Self {
            let mut event_loop =
                EventLoop::new(platform, HeapLoop::new(slots, EVENTS).expect("memory"));
            let memory = Memory::new(slots, buffers, BUFFER_SIZE).expect("memory");
            let config = Config::DEFAULT.connections_max(slots - 1).stall_timeout(None);
            let mut server = Server::new(Echo, config, memory);
            server.listen(&mut event_loop.context(), Toy::listener()).expect("room for a listener");
            Self { event_loop, server, next: 0 }
        }

        fn turn(&mut self) {
            self.event_loop.run_once(&mut self.server).expect("a wait");
        }

        /// Connects so many clients, and waits until all are accepted.
        fn connect(&mut self, count: usize) {
            self.event_loop.platform.connect(count);
            let mut turns = 0;
            while self.event_loop.platform.waiting() > 0 {
                self.turn();
                turns += 1;
                assert!(turns <= count + TURNS_MAX, "the server does not accept");
            }
        }

        /// Closes a connection and connects another, again and again; returns the time of each
        /// pair in nanoseconds.
        fn churn(&mut self, repeats: u64) -> f64 {
            let open = self.server.open_connections();
            let nanoseconds = time(|| {
                for _ in 0..repeats {
                    let stream = self.any_open();
                    self.event_loop.platform.end(stream);
                    self.connect(1);
                }
            });
            assert_eq!(self.server.open_connections(), open, "as many connections as before");
            nanoseconds / number(repeats)
        }

        /// Returns an open connection, a different one each time.
        fn any_open(&mut self) -> usize {
            loop {
                self.next = (self.next + 7_919) % self.server_slots();
                let stream = 1 + self.next;
                if self.event_loop.platform.is_open(stream) {
                    return stream;
                }
            }
        }

        fn server_slots(&self) -> usize {
            ::selkie::platform::Selector::capacity(&self.event_loop.platform) - 1
        }

        /// Drains; returns the time of that in nanoseconds.
        fn drain(&mut self) -> f64 {
            let turns_max = self.server.open_connections() + TURNS_MAX;
            time(|| {
                let deadline = Time::ZERO + Duration::from_secs(3600);
                self.server.drain(&mut self.event_loop.context(), deadline);
                let mut turns = 0;
                while !self.server.is_drained() {
                    self.turn();
                    turns += 1;
                    assert!(turns <= turns_max, "the server does not drain");
                }
            })
        }
    }
}
